"""One episode of an expert, faulty or not, and pictures of a few of its moments from several cameras."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import PRIVILEGED, STATE, CanObserve, Observation, Snapshot, VariableEnv
from faultfield.errors import FaultError
from faultfield.faults.injection import Faulty
from faultfield.policies.base import check_actions
from faultfield.rollouts.clip import spread
from faultfield.variations import NOMINAL, Variation

Columns = int | Literal["phases"]
"""How many moments, evenly over the episode; or the end of each of the expert's phases."""

MOVED = 2e-3
"""A change of an observation by more than this is a movement: metres, or parts of a quaternion."""

LINGER = 4
"""Steps without any movement that an episode ends with."""


@runtime_checkable
class CanPicture(CanObserve, Protocol):
    """An environment that can picture a stored state from several cameras."""

    def pictures(
        self, cameras: Sequence[str], size: int, snapshot: Snapshot | None = None
    ) -> Mapping[str, NDArray[np.uint8]]:
        """A picture by camera, each uint8 (size, size, 3), of the snapshot or of the present state."""
        ...


@dataclass(frozen=True)
class Take:
    """An episode before it is pictured.

    Attributes:
        success: The task's own check.
        snapshots: The simulator's state before each action and after the last, length steps + 1.
        phases: The expert's phase at each action, length steps.
    """

    success: bool
    snapshots: tuple[Snapshot, ...]
    phases: tuple[str, ...]

    @property
    def steps(self) -> int:
        """Control steps."""
        return len(self.phases)


def take(
    env: VariableEnv, policy: Faulty, seed: int, variation: Variation = NOMINAL, patience: int | None = None
) -> Take:
    """Roll out one episode without a picture.

    Args:
        env: Reset with `seed` and `variation`.
        policy: Reset, then asked.
        seed: Of the episode.
        variation: What is changed.
        patience: Control steps without any movement, of the robot or an object, after which nothing more is waited for,
            and of which but a few are kept; the environment's horizon alone when None.

    Raises:
        FaultError: The environment has no snapshots or cannot picture them.
    """
    if not isinstance(env, CanPicture):
        raise FaultError(
            f"Episodes are pictured afterwards, but {type(env).__name__} has no snapshot() and pictures()."
        )
    observation, info = env.reset(seed=seed, options={"variation": variation})
    policy.seed(seed)
    policy.reset()
    snapshots, phases, over = [_copy(env.snapshot())], [], False
    still = _Still(patience)
    while not over:
        for action in check_actions(policy.infer(observation)):
            observation, _, terminated, truncated, info = env.step(action)
            snapshots.append(_copy(env.snapshot()))
            phases.append(policy.phase)
            over = bool(terminated or truncated) or still(observation)
            if over:
                break
    kept = len(phases) - still.idle
    return Take(bool(info["success"]), tuple(snapshots[: kept + 1]), tuple(phases[:kept]))


def moments(taken: Take, columns: Columns) -> tuple[int, ...]:
    """The steps to be shown, each an index of `snapshots`.

    With "phases" these are the ends of the phases in the order in which the expert went through them: AHA's keyframes.
    """
    if columns != "phases":
        return tuple(dict.fromkeys(int(step) for step in spread(taken.steps + 1, columns)))
    ends = [step for step in range(1, taken.steps) if taken.phases[step] != taken.phases[step - 1]]
    return (*ends, taken.steps)


def photograph(
    env: CanPicture, taken: Take, steps: Sequence[int], cameras: Mapping[str, str], size: int
) -> dict[str, NDArray[np.uint8]]:
    """Pictures of some steps.

    Args:
        env: The environment of the episode, still under the same variation.
        taken: The episode.
        steps: Which of its snapshots.
        cameras: The environment's camera by the name it is given here.
        size: Height and width, pixels.

    Returns:
        By camera, uint8 (len(steps), size, size, 3).
    """
    shots = [env.pictures(tuple(cameras.values()), size, taken.snapshots[step]) for step in steps]
    return {row: np.stack([shot[name] for shot in shots]) for row, name in cameras.items()}


class _Still:
    """Whether robot and objects have stayed where they are for so many steps."""

    def __init__(self, patience: int | None) -> None:
        self._patience = patience
        self._there: NDArray[np.float64] | None = None
        self._steps = 0

    def __call__(self, observation: Observation) -> bool:
        if self._patience is None:
            return False
        now = np.concatenate([np.ravel(observation[name]) for name in (STATE, PRIVILEGED)]).astype(np.float64)
        if self._there is None or np.abs(now - self._there).max() > MOVED:
            self._there, self._steps = now, 0
        self._steps += 1
        return self._steps > self._patience

    @property
    def idle(self) -> int:
        """Steps at the end in which nothing moved, but for the first few, if the patience has run out."""
        out = self._patience is not None and self._steps > self._patience
        # The first of the steps is the one that last moved something.
        return max(0, self._steps - 1 - LINGER) if out else 0


def _copy(snapshot: Snapshot) -> Snapshot:
    return {name: np.array(array) for name, array in snapshot.items()}
