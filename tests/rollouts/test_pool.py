import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faultfield.errors import EnvError, PolicyError, SetupError, VariationError
from faultfield.rollouts.arrays import arrays_of, digest_of
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.pool import Workers, run_many
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.variations import NOMINAL, Variation
from tests.toy import PointReach

ENV = EnvSpec("tests.toy:PointReach")
POLICY = PolicySpec("tests.toy:PointPolicy", {"chunk": 2})
HERE = "tests.rollouts.test_pool"


class DiesOnSeedFive(PointReach):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().reset(seed=seed, options=options)


class RaisesOnSeedFive(PointReach):
    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed == 5:
            raise RuntimeError("the drawer is stuck")
        return super().reset(seed=seed, options=options)


class SlowOnEvenSeeds(PointReach):
    """Waits until the odd seeds that run beside it are done: results come out of turn."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        if seed is not None and seed % 2 == 0:
            np.linalg.svd(np.random.default_rng(0).normal(size=(400, 400)))
        return super().reset(seed=seed, options=options)


class SumPolicy:
    """Acts on the last bits of a sum, which depend on the number of threads, as those of a network may."""

    def __init__(self) -> None:
        import torch

        self.numbers = torch.randn(10**6, generator=torch.Generator().manual_seed(0))

    def reset(self) -> None: ...

    def infer(self, observation: Any) -> Any:
        total = (self.numbers * float(observation["observation.images.top"].mean())).sum()
        return {"actions": np.full((1, 2), np.sin(1000 * float(total)), dtype=np.float32)}


def children(pid: int) -> list[int]:
    """Process ids of a process's workers; what other tests' multiprocessing left behind (its tracker) is none."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            command = Path(f"/proc/{child}/cmdline").read_bytes()
        except FileNotFoundError:
            continue
        if b"resource_tracker" not in command:
            found.append(int(child))
    return found


def some_jobs(seeds: int = 4, **keep: bool) -> list[Job]:
    space = PointReach().variation_space
    variations = [NOMINAL, space.variation({"brightness": 0.4}), space.variation({"wind": 0.8, "goal_color": "orange"})]
    return [Job(variation, seed, "known", **keep) for variation in variations for seed in range(seeds)]


def contents(episodes: Sequence[Episode]) -> list[tuple[object, ...]]:
    return [(*e.key, e.stage, e.success, e.steps, digest_of(arrays_of(e))) for e in episodes]


def test_the_number_of_workers_changes_nothing() -> None:
    jobs = some_jobs(keep_trajectory=True, keep_video=True)
    alone = list(run_many(jobs, ENV, POLICY, workers=1))
    assert [(e.variation, e.seed) for e in alone] == [(j.variation, j.seed) for j in jobs]
    assert {e.success for e in alone} == {True, False}
    for workers in (2, 3):
        assert contents(list(run_many(jobs, ENV, POLICY, workers=workers))) == contents(alone)


def test_episodes_come_in_the_order_of_the_jobs_though_done_out_of_turn() -> None:
    jobs = [Job(NOMINAL, seed, "known") for seed in range(12)]
    episodes = list(run_many(jobs, EnvSpec(f"{HERE}:SlowOnEvenSeeds"), POLICY, workers=2))
    assert [e.seed for e in episodes] == list(range(12))


def test_threads_of_this_process_change_nothing() -> None:
    import torch

    jobs = [Job(NOMINAL, seed, "known", keep_trajectory=True) for seed in range(2)]
    policy = PolicySpec(f"{HERE}:SumPolicy")
    picture = {"observation.images.top": np.full((32, 32, 3), 77, dtype=np.uint8)}
    before = torch.get_num_threads()
    try:
        answers = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            answers.append(policy.build().infer(picture)["actions"].tolist())
        assert answers[0] != answers[1], "this policy is no test of threads"
        here = contents(list(run_many(jobs, ENV, policy, workers=1)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert contents(list(run_many(jobs, ENV, policy, workers=2))) == here


def test_a_dead_worker_is_one_clear_error_and_what_came_before_it_is_kept() -> None:
    jobs = [Job(NOMINAL, seed, "known") for seed in range(10)]
    got = []
    with pytest.raises(EnvError, match="signal 9 during seed 5") as caught:
        for episode in run_many(jobs, EnvSpec(f"{HERE}:DiesOnSeedFive"), POLICY, workers=2):
            got.append(episode)
    assert [e.seed for e in got] == [0, 1, 2, 3, 4]
    assert "run again to go on" in str(caught.value)
    assert children(os.getpid()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_the_same_whatever_the_number_of_workers(workers: int) -> None:
    jobs = [Job(NOMINAL, seed, "known") for seed in range(10)]
    got = []
    with pytest.raises(EnvError) as caught:
        for episode in run_many(jobs, EnvSpec(f"{HERE}:RaisesOnSeedFive"), POLICY, workers=workers):
            got.append(episode.seed)
    assert got == [0, 1, 2, 3, 4]
    assert str(caught.value) == (
        "The environment raised at step 0 of seed 5 under the variation {}: RuntimeError: the drawer is stuck."
    )
    assert children(os.getpid()) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_what_cannot_be_built_or_varied_is_refused(workers: int) -> None:
    jobs = [Job(NOMINAL, seed, "known") for seed in range(4)]
    with pytest.raises(EnvError, match="horizn"):
        list(run_many(jobs, EnvSpec("tests.toy:PointReach", {"horizn": 3}), POLICY, workers=workers))
    with pytest.raises(PolicyError, match="chnk"):
        list(run_many(jobs, ENV, PolicySpec("tests.toy:PointPolicy", {"chnk": 3}), workers=workers))
    foreign = [Job(Variation({"cube_color": "red"}, "Change the cube color to red."), 0, "known")] * 4
    with pytest.raises(VariationError, match="cube_color"):
        list(run_many(foreign, ENV, POLICY, workers=workers))


def test_no_jobs_and_no_workers() -> None:
    assert list(run_many([], ENV, POLICY)) == []
    with pytest.raises(EnvError, match="at least 1"):
        run_many(some_jobs(), ENV, POLICY, workers=0)


def test_stopping_early_leaves_no_process_behind() -> None:
    episodes = run_many(some_jobs(), ENV, POLICY, workers=2)
    assert next(episodes).seed == 0
    assert len(children(os.getpid())) == 2
    episodes.close()  # type: ignore[attr-defined]
    assert children(os.getpid()) == []


class TellsHowOftenBuilt(PointReach):
    """Its snapshots say how many were built in the process that runs it."""

    built = 0

    def __init__(self, horizon: int = 20) -> None:
        super().__init__(horizon)
        TellsHowOftenBuilt.built += 1

    def snapshot(self) -> dict[str, Any]:
        return {**super().snapshot(), "built": np.array(self.built)}


@pytest.mark.parametrize("count", [1, 2])
def test_workers_keep_their_environment_between_runs_until_another_is_wanted(count: int) -> None:
    TellsHowOftenBuilt.built = 0
    env, other = EnvSpec(f"{HERE}:TellsHowOftenBuilt"), EnvSpec(f"{HERE}:TellsHowOftenBuilt", {"horizon": 19})
    jobs = [Job(NOMINAL, seed, "known") for seed in range(4)]

    def built(workers: Workers, spec: EnvSpec, policy: str) -> set[int]:
        episodes = list(workers.run(jobs, spec, PolicySpec(policy)))
        assert {e.environment for e in episodes} == {spec.fingerprint}
        assert {e.policy for e in episodes} == {PolicySpec(policy).fingerprint}
        return {int(e.initial_snapshot["built"]) for e in episodes if e.initial_snapshot is not None}

    with Workers(count) as workers:
        assert built(workers, env, "tests.toy:PointPolicy") == {1}
        assert built(workers, env, "tests.toy:PointExpert") == {1}
        assert built(workers, other, "tests.toy:PointExpert") == {2}
        assert len(children(os.getpid())) == (count if count > 1 else 0)
    assert children(os.getpid()) == []


def test_workers_go_on_after_an_error() -> None:
    jobs = [Job(NOMINAL, seed, "known") for seed in range(8)]
    with Workers(2) as workers:
        with pytest.raises(EnvError, match="signal 9"):
            list(workers.run(jobs, EnvSpec(f"{HERE}:DiesOnSeedFive"), POLICY))
        next(iter(workers.run(jobs, ENV, POLICY)))
        assert [e.seed for e in workers.run(jobs, ENV, POLICY)] == list(range(8))


def test_a_script_without_a_main_guard_may_use_workers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        from faultfield.rollouts.pool import run_many
        from faultfield.rollouts.specs import EnvSpec, PolicySpec
        from faultfield.rollouts.worker import Job
        from faultfield.variations import NOMINAL
        jobs = [Job(NOMINAL, seed, "known") for seed in range(4)]
        spec = EnvSpec("tests.toy:PointReach"), PolicySpec("tests.toy:PointPolicy")
        print([e.seed for e in run_many(jobs, *spec, workers=2)])
        """)
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": root}, capture_output=True, text=True, timeout=240
    )
    assert (done.stdout, done.returncode) == ("[0, 1, 2, 3]\n", 0), done.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_when_their_parent_is_killed(how: signal.Signals) -> None:
    # A job in a shell's background is born deaf to interrupts, and so would be all that it starts.
    code = textwrap.dedent("""
        import signal
        from faultfield.rollouts.pool import run_many
        from tests.rollouts.test_pool import ENV, POLICY, Job, NOMINAL
        signal.signal(signal.SIGINT, signal.default_int_handler)
        jobs = [Job(NOMINAL, seed, "known") for seed in range(100000)]
        for episode in run_many(jobs, ENV, POLICY, workers=2):
            print(episode.seed, flush=True)
        """)
    root = Path(__file__).parents[2]
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"0\n"
    workers = [os.pidfd_open(pid) for pid in children(parent.pid)]
    assert len(workers) == 2
    parent.send_signal(how)
    _, told = parent.communicate(timeout=240)
    assert parent.returncode == -how
    assert told.count(b"Traceback") == (how == signal.SIGINT)
    for worker in workers:
        assert select.select([worker], [], [], 30)[0], "a worker outlives its parent"
        os.close(worker)


@pytest.mark.slow
def test_ray_gives_the_same_episodes_and_errors() -> None:
    import ray

    jobs = some_jobs(keep_trajectory=True)
    alone = contents(list(run_many(jobs, ENV, POLICY, workers=1)))
    with ray.init(num_cpus=1, log_to_driver=False, include_dashboard=False):
        assert contents(list(run_many(jobs, ENV, POLICY, workers=2, backend="ray"))) == alone
        with pytest.raises(EnvError, match="the drawer is stuck"):
            list(run_many([Job(NOMINAL, 5, "known")], EnvSpec(f"{HERE}:RaisesOnSeedFive"), POLICY, backend="ray"))
        assert ray.is_initialized()


def test_ray_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SetupError, match=r"faultfield\[ray\]"):
        list(run_many(some_jobs(), ENV, POLICY, backend="ray"))
