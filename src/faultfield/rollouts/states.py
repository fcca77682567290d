"""Stored states of nominal successes: where the probe asks the policy what it would do."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import Snapshot
from faultfield.errors import CheckpointError, LedgerError
from faultfield.files import DAMAGED, replacing
from faultfield.rollouts.episode import Episode

PHASES = ("far", "near", "close", "lift")
"""In order: the way to the object, the last steps before the gripper closes, the closing, what follows."""

QUOTA: Mapping[str, int] = {"far": 3, "near": 12, "close": 9, "lift": 4}
"""Moments kept of each phase: what a changed picture does near the grasp decides; the way there is forgiving."""

NEAR_STEPS = 8
"""The last steps before the closing that count as near."""

CLOSE_STEPS = 7
"""Steps from the closing on that count as closing."""

_SUSTAINED = 3
"""Steps for which the gripper's command must stay on the other side before it counts as closing."""

GRIPPER_FROM = 4
"""Numbers that an action has at least where its last one commands a gripper: three translations and the command."""

_FORMAT = "faultfield-states-1"


@dataclass(frozen=True)
class Moment:
    """One stored state of a nominal success.

    Attributes:
        snapshot: The simulator state before the action.
        action: What was executed there, float32 (action_dim,).
        phase: One of `PHASES`.
        episode: Which of the bank's episodes it is from, counted from 0.
        step: Its step in that episode.
    """

    snapshot: Snapshot
    action: NDArray[np.float32]
    phase: str
    episode: int
    step: int


@dataclass(frozen=True)
class StateBank:
    """First states and chosen moments of nominal successes.

    Attributes:
        initial: Simulator states at the first picture, a few.
        moments: Chosen moments, ordered by phase.
    """

    initial: tuple[Snapshot, ...]
    moments: tuple[Moment, ...]

    @classmethod
    def choose(cls, episodes: Iterable[Episode], initial: int = 4, quota: Mapping[str, int] = QUOTA) -> "StateBank":
        """Take states from episodes; the same episodes in the same order give the same bank.

        Only nominal successes are used; first states come from those that kept `initial_snapshot`, moments from those
        that kept their trajectory, spread over the episodes and over each phase's steps.

        Args:
            episodes: Any episodes.
            initial: How many first states to keep at most.
            quota: How many moments of each phase to keep at most.

        Raises:
            LedgerError: No nominal success among them kept what is needed.
        """
        good = [e for e in episodes if e.variation.is_nominal and e.success]
        firsts = [e.initial_snapshot for e in good if e.initial_snapshot is not None][:initial]
        paths = [e.trajectory for e in good if e.trajectory is not None and len(e.trajectory.snapshots) > 0]
        if not firsts or not paths:
            raise LedgerError(
                "No nominal success among the episodes kept its snapshots; roll out the nominal variation "
                "and keep its trajectories."
            )
        moments = []
        for phase in PHASES:
            steps = [np.flatnonzero(np.array(phases_of(path.actions)) == phase) for path in paths]
            for episode, step in _spread(steps, quota.get(phase, 0)):
                path = paths[episode]
                action = np.asarray(path.actions[step], dtype=np.float32)
                moments.append(Moment(path.snapshots[step], action, phase, episode, step))
        return cls(tuple(firsts), tuple(moments))

    @property
    def phases(self) -> NDArray[np.str_]:
        """Phase of every moment, shape (moments,)."""
        return np.array([moment.phase for moment in self.moments])

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with any of the states."""
        digest = hashlib.sha256()
        for name, array in sorted(self._arrays().items()):
            digest.update(f"{name}\0{array.dtype.str}\0{array.shape}\0".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """Write everything to one npz file, whole or not at all."""
        with replacing(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, format=np.array(_FORMAT), **self._arrays())

    @classmethod
    def load(cls, path: str | Path) -> "StateBank":
        """Read what `save` wrote.

        Raises:
            CheckpointError: There is no such file, or it is not a bank of states.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if str(file["format"]) != _FORMAT:
                    raise CheckpointError(f"{path} is not a bank of states of this version ({_FORMAT}).")
                arrays = {name: file[name] for name in file.files}
        except CheckpointError:
            raise
        except FileNotFoundError:
            raise CheckpointError(f"There is no bank of states at {path}.") from None
        except DAMAGED as error:
            raise CheckpointError(f"{path} is not a bank of states: {error}.") from error
        count = int(arrays["initial"])
        moments = tuple(
            Moment(_part(arrays, f"moment/{i}/"), arrays["actions"][i], str(phase), int(episode), int(step))
            for i, (phase, episode, step) in enumerate(json.loads(str(arrays["moments"])))
        )
        return cls(tuple(_part(arrays, f"initial/{i}/") for i in range(count)), moments)

    def _arrays(self) -> dict[str, NDArray[np.generic]]:
        arrays: dict[str, NDArray[np.generic]] = {
            "initial": np.array(len(self.initial)),
            "moments": np.array(json.dumps([(m.phase, m.episode, m.step) for m in self.moments])),
            "actions": np.array([moment.action for moment in self.moments], dtype=np.float32),
        }
        for i, snapshot in enumerate(self.initial):
            arrays |= {f"initial/{i}/{name}": np.asarray(array) for name, array in snapshot.items()}
        for i, moment in enumerate(self.moments):
            arrays |= {f"moment/{i}/{name}": np.asarray(array) for name, array in moment.snapshot.items()}
        return arrays


def closing_step(actions: NDArray[np.float32]) -> int | None:
    """The step at which the gripper's command, the last number of an action, changes sides and stays there.

    Args:
        actions: Executed actions, float32 (steps, action_dim).

    Returns:
        The first step of at least three in a row on the other side than it began on; None if there is none, or no
        gripper.
    """
    if actions.shape[1] < GRIPPER_FROM:
        return None
    command = actions[:, -1]
    other = command * np.sign(command[0]) < 0 if command[0] != 0 else command > 0
    for step in range(len(command) - _SUSTAINED + 1):
        if other[step : step + _SUSTAINED].all():
            return step
    return None


def phases_of(actions: NDArray[np.float32]) -> list[str]:
    """The phase of every step of an episode, read off the executed actions alone.

    Args:
        actions: Executed actions, float32 (steps, action_dim), the gripper's command last.

    Returns:
        One of `PHASES` a step. Where the gripper never closes, equal thirds of the time: far, near, close.
    """
    steps = len(actions)
    closing = closing_step(actions)
    if closing is None:
        return [PHASES[3 * step // steps] for step in range(steps)]
    phases = []
    for step in range(steps):
        before = closing - step
        phases.append(
            "far" if before > NEAR_STEPS else "near" if before > 0 else "close" if -before < CLOSE_STEPS else "lift"
        )
    return phases


def _spread(steps: Sequence[NDArray[np.int64]], count: int) -> list[tuple[int, int]]:
    """`count` pairs (episode, step), as evenly as can be over the episodes and over each episode's steps."""
    total = sum(len(s) for s in steps)
    count = min(count, total)
    shares = [0] * len(steps)
    while sum(shares) < count:
        for episode, available in enumerate(steps):
            if shares[episode] < len(available) and sum(shares) < count:
                shares[episode] += 1
    pairs = []
    for episode, (available, share) in enumerate(zip(steps, shares, strict=True)):
        # Episodes that give one step each begin at different places, so that together they cover the phase.
        offset = (episode * 0.618034) % 1.0
        places = ((np.arange(share) + offset) * len(available) / max(share, 1)).astype(int)
        pairs += [(episode, int(available[place])) for place in places]
    return pairs


def _part(arrays: Mapping[str, NDArray[np.generic]], prefix: str) -> Snapshot:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
