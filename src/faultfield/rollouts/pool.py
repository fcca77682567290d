"""Many episodes: in this process, in worker processes, or over a Ray cluster; the same episodes in the same order."""

import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Literal, Self

from faultfield.errors import EnvError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.processes import Processes
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job, Setting, Worker

JOBS_WORTH_A_WORKER = 4
"""With "auto", a worker process is started for as many jobs: starting one costs as much as a few episodes."""


class Workers:
    """Workers that stay between runs: building a simulator again for every stage of a study takes longer than a stage.

    Args:
        count: How many processes; 1 runs in this one; "auto" is one per available core, fewer for few jobs.
        backend: "ray" runs the workers as Ray actors, on the cluster that `RAY_ADDRESS` names, else on this machine
            (needs the extra `faultfield[ray]`). Actors do not stay between runs.

    Raises:
        EnvError: The count is below 1.

    Example:
        >>> from faultfield.variations import NOMINAL
        >>> env, policy = EnvSpec("tests.toy:PointReach"), PolicySpec("tests.toy:PointPolicy")
        >>> with Workers(1) as workers:
        ...     [episode.success for episode in workers.run([Job(NOMINAL, 0, "known")], env, policy)]
        [True]
    """

    def __init__(self, count: int | Literal["auto"] = "auto", backend: Literal["process", "ray"] = "process") -> None:
        if count != "auto" and count < 1:
            raise EnvError(f"The number of workers must be at least 1 or 'auto', not {count}.")
        self._count = count
        self._backend = backend
        self._here = Worker()
        self._processes: Processes[Episode] = Processes(cores() if count == "auto" else count)

    def run(self, jobs: Sequence[Job], env_spec: EnvSpec, policy_spec: PolicySpec) -> Iterator[Episode]:
        """Run jobs and yield their episodes in the order of the jobs, each as soon as it and all before it are done.

        Content and order are the same, bit for bit, whatever the number of workers. When a job fails, or the caller
        stops iterating, running episodes are dropped; what was yielded until then is whole.

        Args:
            jobs: What to run.
            env_spec: Built in each worker.
            policy_spec: Built in each worker.

        Raises:
            EnvError: The environment cannot be built, raised, or a worker process died.
            PolicyError: The policy cannot be built, raised, or gave no actions.
            VariationError: The environment does not offer a variation.
            SetupError: Ray or a simulator is not installed.
        """
        if not jobs:
            return
        setting = Setting.of(env_spec, policy_spec)
        if self._backend == "ray":
            from faultfield.rollouts.cluster import run_on_ray

            yield from run_on_ray(jobs, setting, workers=None if self._count == "auto" else self._count)
        elif self._wanted(len(jobs)) > 1 or len(self._processes) > 0:
            yield from self._processes.run(jobs, setting)
        else:
            for job in jobs:
                yield self._here.run(job, setting)

    def close(self) -> None:
        """End the processes and let go of the environment."""
        self._processes.close()
        self._here.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wanted(self, jobs: int) -> int:
        return min(cores(), jobs // JOBS_WORTH_A_WORKER) if self._count == "auto" else min(self._count, jobs)


def run_many(
    jobs: Sequence[Job],
    env_spec: EnvSpec,
    policy_spec: PolicySpec,
    *,
    workers: int | Literal["auto"] | Workers = "auto",
    backend: Literal["process", "ray"] = "process",
) -> Iterator[Episode]:
    """Run jobs and yield their episodes in the order of the jobs; `Workers.run` says how.

    Args:
        jobs: What to run.
        env_spec: Built in each worker.
        policy_spec: Built in each worker.
        workers: How many, as in `Workers`, for this run alone; or `Workers` that stay.
        backend: As in `Workers`, where `workers` are not there yet.

    Raises:
        FaultfieldError: As `Workers` and `Workers.run` raise.
    """
    if isinstance(workers, Workers):
        return workers.run(jobs, env_spec, policy_spec)
    return _run_once(Workers(workers, backend), jobs, env_spec, policy_spec)


def _run_once(workers: Workers, jobs: Sequence[Job], env: EnvSpec, policy: PolicySpec) -> Iterator[Episode]:
    with workers:
        yield from workers.run(jobs, env, policy)


def cores() -> int:
    """Processors that this process may use."""
    # What this process may use, where the system can tell: in a container less than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
