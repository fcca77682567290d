"""Roll out what the ledger lacks."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

from faultfield.rollouts.episode import Episode, Key
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.pool import Workers, run_many
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job

OnEpisode = Callable[[Episode, int, int], None]
"""Called with each new episode once it is in the ledger, how many jobs are done, and how many there are."""


def collect(
    ledger: Ledger,
    jobs: Sequence[Job],
    env_spec: EnvSpec,
    policy_spec: PolicySpec,
    *,
    workers: int | Literal["auto"] | Workers = "auto",
    backend: Literal["process", "ray"] = "process",
    on_episode: OnEpisode | None = None,
) -> int:
    """Run the jobs whose episodes the ledger lacks, and append them in the order of the jobs.

    Killed at any moment and called again, it goes on where it stopped, and the ledger ends the same. A job that wants a
    trajectory or a video of an episode that was kept without is run again and completes it. Jobs that stand there
    twice are run once.

    Args:
        ledger: Where episodes are looked up and appended.
        jobs: What should be there in the end.
        env_spec: The environment.
        policy_spec: The policy.
        workers: As in `run_many`.
        backend: As in `run_many`.
        on_episode: For progress.

    Returns:
        How many episodes were run.

    Raises:
        FaultfieldError: What `run_many` and `Ledger.append` raise; everything appended until then is kept.
    """
    policy, environment = policy_spec.fingerprint, env_spec.fingerprint
    lacking: dict[Key, Job] = {}
    for job in jobs:
        key = (policy, environment, job.variation.key, job.seed)
        if not ledger.has(key, trajectory=job.keep_trajectory, video=job.keep_video):
            first = lacking.get(key, job)
            lacking[key] = replace(
                first,
                keep_trajectory=first.keep_trajectory or job.keep_trajectory,
                keep_video=first.keep_video or job.keep_video,
            )
    done = len(jobs) - len(lacking)
    if not lacking:
        return 0
    for episode in run_many(list(lacking.values()), env_spec, policy_spec, workers=workers, backend=backend):
        ledger.append(episode)
        done += 1
        if on_episode is not None:
            on_episode(episode, done, len(jobs))
    return len(lacking)
