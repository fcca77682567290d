"""Attempts at demonstrations on disk while they are being gathered, so that a killed gathering goes on."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files


def no_looks() -> NDArray[np.uint8]:
    """Pictures under no other variation."""
    return np.empty((0, 0, 0, 0, 3), np.uint8)


@dataclass(frozen=True)
class Attempt:
    """One try of the expert at the task.

    Attributes:
        success: Whether it solved it.
        pictures: uint8 (steps, height, width, 3).
        states: Proprioception, float32 (steps, state_dim).
        actions: What the expert would do, float32 (steps, action_dim).
        truths: Where everything is, float32 (steps, truth_dim); truth_dim is 0 where the environment does not tell.
        looks: The same steps as they look under other variations, uint8 (looks, steps, height, width, 3).
    """

    success: bool
    pictures: NDArray[np.uint8]
    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    truths: NDArray[np.float32]
    looks: NDArray[np.uint8] = field(default_factory=no_looks)


class AttemptStore:
    """A folder with one file an attempt, of one recipe; a folder of another recipe is begun anew.

    Args:
        directory: The folder.
        recipe: What makes the attempts what they are: plain values.
    """

    def __init__(self, directory: str | Path, recipe: Mapping[str, Any]) -> None:
        self.directory = Path(directory)
        self._recipe = json.dumps(recipe, sort_keys=True)
        self._note = self.directory / "recipe.json"
        if not self._note.is_file() or self._note.read_text(encoding="utf-8") != self._recipe:
            self.clear()

    def get(self, index: int) -> Attempt | None:
        """Attempt number `index`, or None where it was not kept or its file is damaged."""
        try:
            with np.load(self._file(index), allow_pickle=False) as kept:
                rows = (kept[name] for name in ("pictures", "states", "actions", "truths", "looks"))
                return Attempt(bool(kept["success"]), *rows)
        except files.DAMAGED:
            return None

    def put(self, index: int, attempt: Attempt) -> None:
        """Keep attempt number `index`, whole or not at all."""
        # Not before there is one to keep: where nobody can be set to work, no folder is left.
        if not self._note.is_file():
            files.write_text(self._note, self._recipe)
        with files.replacing(self._file(index)) as draft, draft.open("wb") as stream:
            np.savez_compressed(
                stream,
                success=np.array(attempt.success),
                pictures=attempt.pictures,
                states=attempt.states,
                actions=attempt.actions,
                truths=attempt.truths,
                looks=attempt.looks,
            )

    def clear(self) -> None:
        """Remove the folder and all attempts in it."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _file(self, index: int) -> Path:
        return self.directory / f"{index:06d}.npz"
