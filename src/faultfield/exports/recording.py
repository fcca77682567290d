"""An episode with every step: what all formats are written from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.envs.base import Snapshot, images_of
from faultfield.errors import LedgerError
from faultfield.rollouts.episode import Episode

Arrays = Mapping[str, NDArray[Any]]

_OBSERVATION, _STATE, _PICTURE = "observation/", "state/", "picture/"


@dataclass(frozen=True)
class Recording:
    """All of one episode.

    Attributes:
        episode: Its variation, seed and outcome.
        observations: By the environment's names, each (steps + 1, …): before each action and after the last.
        actions: What was executed, float32 (steps, action_dim).
        rewards: After each action, float64 (steps,).
        states: The simulator's state, by the snapshot's names, each (steps + 1, …); empty where there are no snapshots.
        pictures: Of some moments, by camera, uint8 (moments, size, size, 3); empty where none were asked for.
    """

    episode: Episode
    observations: Arrays
    actions: NDArray[np.float32]
    rewards: NDArray[np.float64]
    states: Arrays = field(default_factory=dict)
    pictures: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        """Control steps."""
        return len(self.actions)

    @property
    def images(self) -> dict[str, NDArray[np.uint8]]:
        """The observed pictures by camera, uint8 (steps + 1, height, width, 3)."""
        return images_of(self.observations)

    @property
    def vectors(self) -> dict[str, NDArray[Any]]:
        """The other observations, each (steps + 1, n)."""
        images = {f"observation.images.{camera}" for camera in self.images}
        return {name: array for name, array in self.observations.items() if name not in images}

    def snapshot(self, step: int) -> Snapshot:
        """The simulator's state before action `step`, or after the last."""
        return {name: array[step] for name, array in self.states.items()}

    def save(self, path: Path) -> None:
        """Write it to one npz file, whole or not at all."""
        told = {"success": self.episode.success, "steps": self.episode.steps}
        arrays: dict[str, Any] = {"actions": self.actions, "rewards": self.rewards, "outcome": json.dumps(told)}
        for prefix, group in (
            (_OBSERVATION, self.observations), (_STATE, self.states), (_PICTURE, self.pictures),
        ):  # fmt: skip
            arrays |= {prefix + name: array for name, array in group.items()}
        with files.replacing(path) as draft, draft.open("wb") as stream:
            np.savez(stream, **arrays)

    @classmethod
    def load(cls, path: Path, episode: Episode) -> "Recording":
        """Read what `save` wrote of this episode.

        Raises:
            LedgerError: The file is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            return cls(
                episode, _under(_OBSERVATION, arrays), arrays["actions"], arrays["rewards"], _under(_STATE, arrays),
                _under(_PICTURE, arrays),
            )  # fmt: skip
        except files.DAMAGED as error:
            raise LedgerError(f"The recording '{path}' is damaged; delete it and export again.") from error


def _under(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
