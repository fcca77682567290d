"""Expert demonstrations with everything that a foreign trainer may want, for policies that are mended elsewhere."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from faultfield.errors import PolicyError
from faultfield.exports.record import RecordingSetting, RecordingWorker
from faultfield.exports.recording import Recording
from faultfield.policies.demonstrator import FIRST_SEED
from faultfield.repair.targets import Target
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.processes import Processes
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job, Setting

STAGE = "demonstration"

_APART = 1_000_000
"""Between the scenes of one seed and the next: more than a hundred targets need."""


def record_targets(
    spool: Path,
    targets: Sequence[Target],
    env: EnvSpec,
    expert: PolicySpec,
    *,
    seed: int = 0,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Iterator[Recording]:
    """Roll the expert out under each target until it has succeeded as often as planned; failures are left out.

    What was rolled out waits in `spool`, so that a run that was killed goes on; the caller removes it.

    Args:
        spool: Folder for recordings.
        targets: What to demonstrate, and how often.
        env: The environment of the policy that is mended.
        expert: Who demonstrates.
        seed: Of the scenes: another seed shows other ones.
        workers: Processes.
        on_progress: Called with (demonstrations kept, demonstrations wanted).

    Raises:
        PolicyError: The expert fails too often under a target.
    """
    setting = RecordingSetting(Setting.of(env, expert))
    wanted = sum(target.episodes for target in targets)
    first = FIRST_SEED + _APART * seed % FIRST_SEED
    processes: Processes[Recording] | None = None
    worker = RecordingWorker()
    kept = 0
    try:
        for place, target in enumerate(targets):
            found = tried = 0
            while found < target.episodes:
                if tried - found > target.episodes + 10:
                    raise PolicyError(
                        f"The expert '{expert.type}' succeeded in {found} of {tried} attempts under "
                        f"{target.variation.to_json()}; it must succeed more often than not."
                    )
                jobs = [
                    Job(target.variation, first + 10_000 * place + tried + i, STAGE)
                    for i in range(target.episodes - found)
                ]
                lacking = [job for job in jobs if _found(spool, job) is None]
                if workers > 1 and len(lacking) > 1:
                    processes = processes or Processes(workers, "faultfield.exports.record:RecordingWorker")
                    fresh = processes.run(lacking, setting)
                else:
                    fresh = (worker.run(job, setting) for job in lacking)
                for job, recording in zip(lacking, fresh, strict=True):
                    recording.save(_file(spool, job, recording.episode.success))
                for job in jobs:
                    recording = _load(spool, job, setting.setting)
                    tried += 1
                    if recording.episode.success:
                        found, kept = found + 1, kept + 1
                        if on_progress is not None:
                            on_progress(kept, wanted)
                        yield recording
    finally:
        worker.close()
        if processes is not None:
            processes.close()


def forget(spool: Path) -> None:
    """Remove the recordings."""
    shutil.rmtree(spool, ignore_errors=True)


def _file(spool: Path, job: Job, success: bool) -> Path:
    return spool / f"{job.variation.key}-{job.seed}-{'success' if success else 'failure'}.npz"


def _found(spool: Path, job: Job) -> tuple[Path, bool] | None:
    files = ((_file(spool, job, success), success) for success in (True, False))
    return next((found for found in files if found[0].exists()), None)


def _load(spool: Path, job: Job, setting: Setting) -> Recording:
    found = _found(spool, job)
    assert found is not None
    path, success = found
    episode = Episode(job.variation, job.seed, success, 0, setting.policy_id, setting.env_id, STAGE)
    recording = Recording.load(path, episode)
    return replace(recording, episode=replace(episode, steps=recording.steps))
