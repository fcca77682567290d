"""Roll episodes of a ledger out again to have every step of them, and check that they are the same episodes."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import CanObserve, Observation, Snapshot, VariableEnv
from faultfield.errors import EnvError, LedgerError
from faultfield.exports.recording import Recording
from faultfield.faults.record import CanPicture
from faultfield.rollouts.clip import CAMERAS, spread
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.processes import Processes
from faultfield.rollouts.runner import rollout
from faultfield.rollouts.worker import Job, Setting, Worker


@dataclass(frozen=True)
class Shots:
    """Which moments are pictured from outside, for a collage.

    Attributes:
        columns: How many, evenly over the episode with its first and its last.
        size: Height and width of a picture, pixels.
    """

    columns: int = 8
    size: int = 84


@dataclass(frozen=True)
class RecordingSetting:
    """Who acts where, and what is pictured beside."""

    setting: Setting
    shots: Shots | None = None


class RecordingWorker:
    """Rolls episodes out and keeps all of them, in this process or in another."""

    def __init__(self) -> None:
        self._worker = Worker()

    def run(self, job: Job, how: RecordingSetting) -> Recording:
        """Run one job.

        Raises:
            FaultfieldError: Whatever `rollout` or the specs' `build` raise.
        """
        setting = how.setting
        with self._worker.ready(setting) as (env, policy):
            recorder = Recorder(env)
            episode = rollout(
                recorder, policy, job.variation, job.seed, policy_id=setting.policy_id, env_id=setting.env_id,
                stage=job.stage,
            )  # fmt: skip
            recording = recorder.recording(episode)
            if how.shots is None:
                return recording
            # The environment is still under the episode's variation.
            pictures = _photograph(env, recording, how.shots)
            return Recording(**{**vars(recording), "pictures": pictures})

    def close(self) -> None:
        """Let go of the environment and the policy."""
        self._worker.close()


class Recorder(VariableEnv):
    """An environment that remembers what it was told and what it answered; nothing else changes.

    Args:
        env: The environment.
    """

    def __init__(self, env: VariableEnv) -> None:
        self._env = env
        self.variation_space, self.instruction = env.variation_space, env.instruction
        self.action_space, self.observation_space = env.action_space, env.observation_space
        self._observations: list[Observation] = []
        self._snapshots: list[Snapshot] = []
        self._actions: list[NDArray[np.float32]] = []
        self._rewards: list[float] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Begin an episode, and its record."""
        observation, info = self._env.reset(seed=seed, options=options)
        self._observations, self._snapshots, self._actions, self._rewards = [], [], [], []
        self._note(observation)
        return observation, info

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Advance by one step."""
        self._actions.append(np.array(action, dtype=np.float32))
        observation, reward, terminated, truncated, info = self._env.step(action)
        self._rewards.append(float(reward))
        self._note(observation)
        return observation, float(reward), terminated, truncated, info

    def recording(self, episode: Episode) -> Recording:
        """What was remembered since the last reset."""
        return Recording(
            episode, _stacked(self._observations), np.stack(self._actions), np.array(self._rewards),
            _stacked(self._snapshots),
        )  # fmt: skip

    def _note(self, observation: Observation) -> None:
        self._observations.append({name: np.array(array) for name, array in observation.items()})
        if isinstance(self._env, CanObserve):
            self._snapshots.append({name: np.array(array) for name, array in self._env.snapshot().items()})


def record(
    episodes: Sequence[Episode], how: RecordingSetting, spool: Path, workers: int = 1
) -> Iterator[tuple[Path, Episode]]:
    """Roll out again what `spool` lacks, one file an episode, in order; killed and called again, it goes on.

    Args:
        episodes: As the ledger has them, without arrays or with their first pictures.
        how: Whose they are; what is pictured beside.
        spool: Directory of the files.
        workers: Processes.

    Yields:
        The file of each episode (`Recording.load` reads it) and the episode.

    Raises:
        LedgerError: An episode came out otherwise than the ledger has it.
        FaultfieldError: What a rollout raises.
    """
    paths = [spool / f"{_name(episode, how)}.npz" for episode in episodes]
    lacking = [(path, episode) for path, episode in zip(paths, episodes, strict=True) if not path.exists()]
    fresh = _run([Job(e.variation, e.seed, e.stage) for _, e in lacking], how, workers)
    for path, episode in zip(paths, episodes, strict=True):
        if not path.exists():
            recording = next(fresh)
            check_same(recording, episode)
            recording.save(path)
        yield path, episode


def check_same(recording: Recording, episode: Episode) -> None:
    """Compare a recording with the ledger: outcome, length, and where they are there first pictures and actions.

    Raises:
        LedgerError: They differ.
    """
    found = recording.episode
    first = {name: frames[0] for name, frames in recording.images.items()}
    same = (found.success, found.steps) == (episode.success, episode.steps)
    same &= all(np.array_equal(first[name], was) for name, was in episode.initial.items() if name in first)
    if episode.trajectory is not None:
        same &= np.array_equal(recording.actions, episode.trajectory.actions)
    if not same:
        raise LedgerError(
            f"Rolled out again, seed {episode.seed} under {episode.variation.to_json()} came out otherwise than in the "
            f"ledger (success {found.success} in {found.steps} steps, was {episode.success} in {episode.steps}): it is "
            "from another machine or other versions, or the environment or the policy does not repeat itself."
        )


def _run(jobs: Sequence[Job], how: RecordingSetting, workers: int) -> Iterator[Recording]:
    if workers > 1 and len(jobs) > 1:
        processes: Processes[Recording] = Processes(workers, "faultfield.exports.record:RecordingWorker")
        try:
            yield from processes.run(jobs, how)
        finally:
            processes.close()
        return
    worker = RecordingWorker()
    try:
        for job in jobs:
            yield worker.run(job, how)
    finally:
        worker.close()


def _photograph(env: VariableEnv, recording: Recording, shots: Shots) -> dict[str, NDArray[np.uint8]]:
    """Pictures from the cameras of a collage that the environment has; else what its own first camera saw."""
    steps = [int(step) for step in dict.fromkeys(spread(recording.steps + 1, shots.columns).tolist())]
    found: dict[str, NDArray[np.uint8]] = {}
    if recording.states and isinstance(env, CanPicture):
        for camera in CAMERAS:
            try:
                views = [env.pictures([camera], shots.size, recording.snapshot(step))[camera] for step in steps]
            except EnvError:
                continue
            found[camera] = np.stack(views)
    if not found and recording.images:
        found[CAMERAS[0]] = next(iter(recording.images.values()))[steps]
    return found


def _stacked(rows: Sequence[Observation]) -> dict[str, NDArray[Any]]:
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]} if rows else {}


def _name(episode: Episode, how: RecordingSetting) -> str:
    told = [*map(str, episode.key), how.setting.env_id, str(how.shots and asdict(how.shots))]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:24]
