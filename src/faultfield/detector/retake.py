"""Watch an episode that is over: roll it out once more, and take the pictures that a detector wants to see of it.

A ledger keeps an episode's first picture from the policy's own camera. The same seed, variation and policy give the
same episode again, bit for bit, and this time its states can be pictured from the cameras of the detector's training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from faultfield.detector.views import Viewer
from faultfield.envs.base import PRIVILEGED, STATE, Snapshot, VariableEnv
from faultfield.errors import FaultfieldError
from faultfield.faults.llava import Problem
from faultfield.faults.record import LINGER, MOVED, CanPicture, Take, moments, photograph
from faultfield.faults.sample import STILL
from faultfield.rollouts.clip import CAMERAS, RATE, Clip, episode_id
from faultfield.rollouts.episode import Episode, Key
from faultfield.rollouts.worker import Job, Setting, Worker
from faultfield.variations import Variation


@dataclass(frozen=True)
class Again:
    """An episode to be rolled out once more.

    Attributes:
        id: Its name.
        key: Its key in the ledger.
        job: What to roll out.
        success: How it ended the first time.
        steps: How long it was the first time.
    """

    id: str
    key: Key
    job: Job
    success: bool
    steps: int

    @classmethod
    def of(cls, episode: Episode) -> "Again":
        """The same episode once more."""
        job = Job(episode.variation, episode.seed, episode.stage)
        return cls(episode_id(episode), episode.key, job, episode.success, episode.steps)

    @property
    def label(self) -> str:
        """Which episode this is, in words."""
        return self.job.label


@dataclass(frozen=True)
class Shoot:
    """What all episodes share.

    Attributes:
        setting: Who acts where.
        instruction: What the robot was asked to do.
        frames: Moments, evenly over the episode.
        size: Height and width of a picture, pixels.
    """

    setting: Setting
    instruction: str
    frames: int
    size: int

    @classmethod
    def of(cls, setting: Setting, instruction: str, viewer: Viewer) -> "Shoot":
        """As a detector's viewer wants to see it."""
        return cls(setting, instruction, viewer.frames, viewer.cell)


class Retaker:
    """Rolls out and pictures, keeping the environment and the policy between episodes."""

    def __init__(self) -> None:
        self._worker = Worker()

    def run(self, again: Again, shoot: Shoot) -> Clip | Problem:
        """The episode from the front, the wrist and overhead; of an environment without `pictures`, its own camera's.

        An episode that cannot be shown, or does not end as it did, is a problem in one sentence.

        Raises:
            FaultfieldError: The environment or the policy cannot be built.
        """
        env, _ = self._worker.built(shoot.setting)
        pictured = isinstance(env, CanPicture)
        job = Job(again.job.variation, again.job.seed, again.job.stage, pictured, not pictured)
        try:
            episode = self._worker.run(job, shoot.setting)
            if (episode.success, episode.steps) != (again.success, again.steps):
                return Problem(again.id, _differs(again, episode))
            if isinstance(env, CanPicture):
                return _pictured(env, episode, again.id, shoot)
            return Clip.of_episode(episode, shoot.instruction, rate=_rate(env))
        except FaultfieldError as error:
            return Problem(again.id, f"The episode of {again.label} cannot be watched: {error}")

    def close(self) -> None:
        """Let go of the environment and the policy."""
        self._worker.close()


def _pictured(env: Any, episode: Episode, id: str, shoot: Shoot) -> Clip:
    """The episode that the environment has just ended, at its shown moments."""
    assert episode.trajectory is not None
    snapshots = (*episode.trajectory.snapshots, env.snapshot())
    rate = _rate(env)
    kept = until_rest(env, snapshots, episode.variation, round(rate * STILL))
    taken = Take(episode.success, snapshots[: kept + 1], ("",) * kept)
    steps = moments(taken, shoot.frames)
    pictures = photograph(env, taken, steps, {camera: camera for camera in CAMERAS}, shoot.size)
    return Clip(pictures, np.array(steps) / rate, shoot.instruction, id)


def until_rest(env: CanPicture, snapshots: Sequence[Snapshot], variation: Variation, patience: int) -> int:
    """Steps of an episode to be shown: all, or, where it ends at rest, a few beyond the last movement.

    The detector's training data end so too: columns are for what happens.

    Args:
        env: Of the episode.
        snapshots: Before each action and after the last, length steps + 1.
        variation: Of the episode.
        patience: Steps at rest from which on it is cut.
    """
    steps = len(snapshots) - 1
    end = _felt(env, snapshots[-1], variation)
    step = steps
    while end.size and step > 0 and np.abs(_felt(env, snapshots[step - 1], variation) - end).max() <= MOVED:
        step -= 1
    return min(step + LINGER, steps) if steps - step >= patience else steps


def _felt(env: CanPicture, snapshot: Snapshot, variation: Variation) -> Any:
    """Where robot and objects are, float64 (n,)."""
    seen = env.observe(snapshot, variation)
    return np.concatenate([np.zeros(0), *(np.ravel(seen[name]) for name in (STATE, PRIVILEGED) if name in seen)])


def _rate(env: VariableEnv) -> float:
    """Control steps a second."""
    return float(getattr(env, "metadata", {}).get("render_fps", RATE))


def _differs(again: Again, episode: Episode) -> str:
    def told(success: bool, steps: int) -> str:
        return f"{'a success' if success else 'a failure'} after {steps} steps"

    return (
        f"The episode of {again.label} was {told(again.success, again.steps)} when the ledger was filled and is "
        f"{told(episode.success, episode.steps)} now, so it cannot be watched: the policy, the environment or the "
        "machine has changed."
    )
