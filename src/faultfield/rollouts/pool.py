"""Many episodes: in this process, in worker processes, or over a Ray cluster; the same episodes in the same order."""

import os
from collections.abc import Iterator, Sequence
from typing import Literal

from faultfield.errors import EnvError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.processes import run_in_processes
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job, Worker

JOBS_WORTH_A_WORKER = 4
"""With `workers="auto"`, a worker process is started for as many jobs: starting one costs as much as a few episodes."""


def run_many(
    jobs: Sequence[Job],
    env_spec: EnvSpec,
    policy_spec: PolicySpec,
    *,
    workers: int | Literal["auto"] = "auto",
    backend: Literal["process", "ray"] = "process",
) -> Iterator[Episode]:
    """Run jobs and yield their episodes in the order of the jobs, each as soon as it and all before it are done.

    Content and order are the same, bit for bit, whatever the number of workers. When a job fails, or the caller stops
    iterating, the workers are stopped; what was yielded until then is whole.

    Args:
        jobs: What to run.
        env_spec: Built once in each worker.
        policy_spec: Built once in each worker.
        workers: How many processes; 1 runs in this one; "auto" is one per available core, fewer for few jobs.
        backend: "ray" runs the workers as Ray actors, on the cluster that `RAY_ADDRESS` names, else on this machine
            (needs the extra `faultfield[ray]`).

    Raises:
        EnvError: The environment cannot be built, raised, or a worker process died.
        PolicyError: The policy cannot be built, raised, or gave no actions.
        VariationError: The environment does not offer a variation.
        SetupError: Ray or a simulator is not installed.
    """
    if not jobs:
        return iter(())
    if workers != "auto" and workers < 1:
        raise EnvError(f"The number of workers must be at least 1 or 'auto', not {workers}.")
    count = len(jobs) // JOBS_WORTH_A_WORKER if workers == "auto" else min(workers, len(jobs))
    if workers == "auto" and backend == "process":
        count = min(count, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    worker = Worker(env_spec, policy_spec, env_spec.fingerprint, policy_spec.fingerprint)
    if backend == "ray":
        from faultfield.rollouts.cluster import run_on_ray

        return run_on_ray(jobs, worker, workers=None if workers == "auto" else workers)
    return run_in_processes(jobs, worker, workers=count) if count > 1 else _run_here(jobs, worker)


def _run_here(jobs: Sequence[Job], worker: Worker) -> Iterator[Episode]:
    try:
        for job in jobs:
            yield worker.run(job)
    finally:
        worker.close()
