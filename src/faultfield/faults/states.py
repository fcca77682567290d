"""What the simulator knew at the moments that a sample shows: free labels, from which a vision tower learns to see.

Everything is seen from the robot (forward, left, up) and from where the first thing lay at the start of the episode, so
that one number means the same in every task and workspace.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import PRIVILEGED, STATE, CanObserve
from faultfield.faults.record import Take
from faultfield.faults.task import FaultTask
from faultfield.variations import Variation

WAYS = ("forward", "left", "up")
VALUES = (
    *(f"hand {way}" for way in WAYS),
    *(f"thing {way} of hand" for way in WAYS),
    *(f"next thing {way} of thing" for way in WAYS),
    "thing up",
    "opening",
    "tilt forward",
    "tilt left",
    "turn cosine",
    "turn sine",
)
"""Metres; the opening is 1 where the fingers are wide open, the tilt that of the hand's own axis, the turn the angle
from the thing's sides to the hand's about the vertical, times the number of the thing's equal sides."""

FLAGS = ("raised", "moved", "near")
"""The thing is 2 cm higher, or 2 cm aside of where it lay; the hand is within 3.5 cm of it."""

States = tuple[tuple[float | None, ...], ...]
"""For each moment the values, then the flags (0 or 1); None where there is no such thing."""


def states(env: CanObserve, task: FaultTask, taken: Take, steps: Sequence[int], variation: Variation) -> States:
    """What was so at some steps of an episode.

    Args:
        env: The environment of the episode.
        task: Which task it is.
        taken: The episode.
        steps: Which of its snapshots.
        variation: Under which it was.
    """
    seen = [env.observe(taken.snapshots[step], variation) for step in (0, *steps)]
    start = _things(task, np.asarray(seen[0][PRIVILEGED], np.float64))[0]
    return tuple(_known(task, start, observation) for observation in seen[1:])


def _known(
    task: FaultTask, start: NDArray[np.float64], observation: dict[str, NDArray[Any]]
) -> tuple[float | None, ...]:
    state, truth = (np.asarray(observation[name], np.float64) for name in (STATE, PRIVILEGED))
    frame = np.asarray(task.frame)
    thing, *others = _things(task, truth)
    hand = state[:3]
    reach, moved = frame @ (thing - hand), frame @ (thing - start)
    beyond = frame @ (others[0] - thing) if others and task.aimed else np.full(3, np.nan)
    tilt, turn = _turns(task, state, truth)
    values = (*(frame @ (hand - start)), *reach, *beyond, moved[2], _opening(task, state), *tilt, *turn)
    flags = (moved[2] > 0.02, np.hypot(*moved[:2]) > 0.02, np.linalg.norm(reach) < 0.035)
    told = [*values, *(float(flag) for flag in flags)]
    return tuple(None if np.isnan(value) else round(float(value), 4) for value in told)


def _things(task: FaultTask, truth: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [truth[place : place + 3] for place in task.things.values()]


def _opening(task: FaultTask, state: NDArray[np.float64]) -> float:
    if task.hand is None:
        return float("nan")
    return float(np.abs(state[list(task.hand.fingers)]).sum() / task.hand.width)


def _turns(
    task: FaultTask, state: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tilt, and cosine and sine of the turn, each shape (2,); NaN where the hand or the thing has none."""
    unknown = np.full(2, np.nan)
    if task.hand is None or task.hand.turn is None:
        return unknown, unknown
    from scipy.spatial.transform import Rotation

    hand = Rotation.from_quat(state[task.hand.turn : task.hand.turn + 4]).as_matrix()
    tilt = (np.asarray(task.frame) @ hand[:, 2])[:2]
    if not task.sides:
        return tilt, unknown
    place = next(iter(task.things.values())) + 3
    thing = Rotation.from_quat(truth[place : place + 4]).as_matrix()
    angle = np.arctan2(hand[1, 0], hand[0, 0]) - np.arctan2(thing[1, 0], thing[0, 0])
    return tilt, np.array([np.cos(task.sides * angle), np.sin(task.sides * angle)])
