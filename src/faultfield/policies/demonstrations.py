"""Demonstrations as one file: what was seen, and what an expert would do there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.errors import PolicyError


@dataclass(frozen=True)
class Demonstrations:
    """Observations and the expert's action on each, one row a step.

    Attributes:
        pictures: uint8 (n, height, width, 3).
        states: Proprioception, float32 (n, state_dim).
        actions: What the expert would do, before any noise, float32 (n, action_dim).
        episodes: Which demonstration a row belongs to, int64 (n,), counted from 0; pictured under another look it is
            another one here.
        recipe: How they were gathered, one entry a file.
        truths: What the environment tells of where everything is, float32 (n, truth_dim): for the eye to learn from,
            never for the policy to see. None where it does not tell, or where files without are among those joined.
    """

    pictures: NDArray[np.uint8]
    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int64]
    recipe: tuple[Mapping[str, Any], ...]
    truths: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def count(self) -> int:
        """How many the expert gave: those that were pictured under several looks count once."""
        again = sum(_takes(entry) - int(entry["episodes"]) for entry in self.recipe if "looks" in entry)
        return int(self.episodes.max()) + 1 - again

    @property
    def camera(self) -> str:
        """Whose pictures they are.

        Raises:
            PolicyError: No file says, as those of older versions may not.
        """
        named = next((entry["camera"] for entry in self.recipe if entry.get("camera")), None)
        if named is None:
            raise PolicyError(
                "The demonstrations do not say which camera they were seen by, so no policy would know where to look; "
                "gather them again."
            )
        return str(named)

    def save(self, path: str | Path) -> None:
        """Write one `.npz` file, whole or not at all."""
        truths = {} if self.truths is None else {"truths": self.truths}
        with files.replacing(path) as draft, draft.open("wb") as stream:
            np.savez_compressed(
                stream,
                **truths,
                pictures=self.pictures,
                states=self.states,
                actions=self.actions,
                episodes=self.episodes,
                recipe=np.array(json.dumps(self.recipe)),
            )

    @classmethod
    def load(cls, path: str | Path) -> "Demonstrations":
        """Read what `save` wrote.

        Raises:
            PolicyError: The file is missing, damaged, or holds something else.
        """
        with _opened(path) as stored:
            demos = cls(
                stored["pictures"],
                stored["states"],
                stored["actions"],
                stored["episodes"],
                tuple(json.loads(str(stored["recipe"]))),
                stored.get("truths"),
            )
        lengths = {len(demos.pictures), len(demos.states), len(demos.actions), len(demos.episodes)}
        if demos.truths is not None:
            lengths.add(len(demos.truths))
        if len(lengths) > 1 or len(demos) == 0:
            raise PolicyError(f"The demonstrations in '{path}' are damaged: its arrays differ in length.")
        return demos

    @classmethod
    def join(cls, parts: Sequence["Demonstrations"]) -> "Demonstrations":
        """All rows of several, with episodes counted on.

        Raises:
            PolicyError: There are none, their pictures, states or actions differ in shape, or they name different
                cameras.
        """
        if not parts:
            raise PolicyError("Training needs at least one file of demonstrations.")
        shapes = {(p.pictures.shape[1:], p.states.shape[1:], p.actions.shape[1:]) for p in parts}
        # Where an environment has but one camera, a recipe need not name it.
        cameras = {entry.get("camera") for p in parts for entry in p.recipe} - {None}
        if len(shapes) > 1 or len(cameras) > 1:
            raise PolicyError(
                "The files of demonstrations differ in camera, picture size, state or action; train on one kind."
            )
        counts = [int(p.episodes.max()) + 1 for p in parts]
        truths = [p.truths for p in parts if p.truths is not None]
        told = len(truths) == len(parts) and len({t.shape[1] for t in truths}) == 1
        offsets = np.cumsum([0, *counts[:-1]])
        return cls(
            np.concatenate([p.pictures for p in parts]),
            np.concatenate([p.states for p in parts]),
            np.concatenate([p.actions for p in parts]),
            np.concatenate([p.episodes + offset for p, offset in zip(parts, offsets, strict=True)]),
            tuple(entry for p in parts for entry in p.recipe),
            np.concatenate(truths) if told else None,
        )


def recipe_in(path: str | Path) -> tuple[Mapping[str, Any], ...]:
    """How the demonstrations in a file were gathered, without reading their pictures.

    Raises:
        PolicyError: The file is missing, damaged, or holds something else.
    """
    with _opened(path) as stored:
        return tuple(json.loads(str(stored["recipe"])))


@contextmanager
def _opened(path: str | Path) -> Iterator[Any]:
    if not Path(path).is_file():
        raise PolicyError(f"There is no file of demonstrations '{path}'; 'faultfield policy demos' makes one.")
    try:
        with np.load(path, allow_pickle=False) as stored:
            yield stored
    except files.DAMAGED as error:
        raise PolicyError(f"'{path}' is damaged or is not a file of demonstrations.") from error


def _takes(entry: Mapping[str, Any]) -> int:
    """How often its demonstrations are pictured; files from before this was told have every look of each."""
    return int(entry.get("takes", int(entry["episodes"]) * (1 + int(entry["looks_each"]))))
