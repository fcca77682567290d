"""Workers as Ray actors: many machines, the same episodes in the same order."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from faultfield.errors import EnvError, SetupError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.processes import ONE_THREAD
from faultfield.rollouts.worker import Job, Setting, Worker


def run_on_ray(jobs: Sequence[Job], setting: Setting, *, workers: int | None) -> Iterator[Episode]:
    """Run jobs on a Ray cluster and yield the episodes in the order of the jobs.

    Uses the Ray that is running in this process; else joins the cluster at `RAY_ADDRESS`; else starts one here.

    Args:
        jobs: What to run.
        setting: Each actor builds the environment and the policy.
        workers: How many actors, a core each; as many as the cluster has cores when None.

    Raises:
        SetupError: Ray is not installed.
        EnvError: An actor died.
        FaultfieldError: The first job, in their order, that failed.
    """
    try:
        import ray
        from ray.util import ActorPool
    except ImportError as error:
        raise SetupError("Ray is not installed; run: pip install 'faultfield[ray]'.") from error

    started_here = not ray.is_initialized()
    if started_here:
        ray.init(log_to_driver=False, include_dashboard=False)
    actors: list[Any] = []
    try:
        cluster: Any = ray
        cores = max(1, int(cluster.cluster_resources().get("CPU", 1)))
        # An actor without a core of its own would wait for ever.
        count = min(workers or cores, cores, len(jobs))
        actor = cluster.remote(num_cpus=1, runtime_env={"env_vars": ONE_THREAD})(Worker)
        actors = [actor.remote() for _ in range(count)]
        pool: Any = ActorPool(actors)
        with _plain_errors(ray):
            yield from pool.map(lambda member, job: member.run.remote(job, setting), jobs)
    finally:
        for member in actors:
            ray.kill(member)
        if started_here:
            ray.shutdown()


@contextmanager
def _plain_errors(ray: Any) -> Iterator[None]:
    """Ray wraps what a worker raised; our own errors are for the person who reads them."""
    try:
        yield
    except ray.exceptions.RayTaskError as error:
        raise error.cause from error
    except ray.exceptions.RayActorError as error:
        raise EnvError(
            "A Ray worker died (a crash, or memory ran out); finished episodes are kept: run again to go on."
        ) from error
