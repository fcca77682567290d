"""The arrays of an episode as one file: numpy's npz, lossless, without pickle."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.envs.base import Snapshot
from faultfield.errors import LedgerError
from faultfield.rollouts.episode import Episode, Trajectory

Arrays = dict[str, NDArray[Any]]

_INITIAL = "initial/"
_SNAPSHOT = "initial_snapshot/"
_STATES = "trajectory/snapshots/"
_ACTIONS = "trajectory/actions"
_VIDEO = "video"


def arrays_of(episode: Episode) -> Arrays:
    """All arrays of an episode by name; the snapshots of its trajectory are stacked, (steps, ...).

    Raises:
        LedgerError: Snapshots that differ in names or shapes, or arrays of Python objects.
    """
    arrays = {_INITIAL + name: np.asarray(picture) for name, picture in episode.initial.items()}
    arrays |= {_SNAPSHOT + name: np.asarray(array) for name, array in (episode.initial_snapshot or {}).items()}
    if episode.trajectory is not None:
        arrays[_ACTIONS] = np.asarray(episode.trajectory.actions)
        arrays |= {_STATES + name: stack for name, stack in _stacked(episode.trajectory.snapshots).items()}
    if episode.video is not None:
        arrays[_VIDEO] = np.asarray(episode.video)
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise LedgerError(f"The array '{name}' of an episode holds Python objects; it must hold numbers.")
    return arrays


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Sixteen hexadecimal digits of names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}\0{array.dtype.str}\0{arrays[name].shape}\0".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write the file, whole or not at all."""
    with files.replacing(path) as draft, draft.open("wb") as stream:
        np.savez_compressed(stream, **arrays)


def read_arrays(path: Path, *, everything: bool) -> Arrays:
    """Read the file; only first pictures and the first snapshot unless `everything` is wanted.

    Raises:
        LedgerError: The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            wanted = [name for name in archive.files if everything or name.startswith((_INITIAL, _SNAPSHOT))]
            return {name: archive[name] for name in wanted}
    except FileNotFoundError:
        raise LedgerError(f"The ledger's file '{path}' is missing; restore it, or start a new ledger.") from None
    except files.DAMAGED as error:
        raise LedgerError(f"The ledger's file '{path}' is damaged; restore it, or start a new ledger.") from error


def with_arrays(episode: Episode, arrays: Arrays) -> Episode:
    """The episode with what was read from its file."""
    trajectory = None
    if _ACTIONS in arrays:
        actions = arrays[_ACTIONS]
        states = _under(_STATES, arrays)
        snapshots = tuple({name: stack[step] for name, stack in states.items()} for step in range(len(actions)))
        trajectory = Trajectory(snapshots, actions)
    return replace(
        episode,
        initial=_under(_INITIAL, arrays),
        initial_snapshot=_under(_SNAPSHOT, arrays) or None,
        trajectory=trajectory,
        video=arrays.get(_VIDEO),
    )


def _under(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _stacked(snapshots: tuple[Snapshot, ...]) -> Arrays:
    names = set(snapshots[0]) if snapshots else set()
    stacks = {}
    for name in sorted(names):
        rows = [np.asarray(snapshot[name]) for snapshot in snapshots if name in snapshot]
        if len(rows) != len(snapshots) or any(row.shape != rows[0].shape for row in rows):
            raise LedgerError(f"The snapshots of an episode must all hold '{name}', always in the same shape.")
        stacks[name] = np.stack(rows)
    if any(set(snapshot) != names for snapshot in snapshots):
        raise LedgerError("The snapshots of an episode must all hold the same arrays.")
    return stacks
