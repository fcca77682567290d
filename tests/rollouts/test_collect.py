from pathlib import Path

import pytest

from faultfield.errors import EnvError
from faultfield.rollouts.collect import collect
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.variations import NOMINAL
from tests.toy import PointReach

ENV = EnvSpec("tests.toy:PointReach")
POLICY = PolicySpec("tests.toy:PointPolicy")


def some_jobs() -> list[Job]:
    space = PointReach().variation_space
    variations = [space.variation({"brightness": 0.4}), NOMINAL]
    return [Job(v, seed, "known", keep_trajectory=v.is_nominal) for v in variations for seed in range(5)]


def test_only_what_is_lacking_is_run_and_the_ledger_ends_the_same(tmp_path: Path) -> None:
    jobs = some_jobs()
    with Ledger(tmp_path / "whole", create=True) as whole, Ledger(tmp_path / "parts", create=True) as parts:
        assert collect(whole, jobs, ENV, POLICY, workers=1) == 10
        for end, ran in ((3, 3), (7, 4), (10, 3), (10, 0)):
            assert collect(parts, jobs[:end], ENV, POLICY, workers=1 if end < 10 else 2) == ran
        assert [e.seed for e in whole.episodes()] == [j.seed for j in jobs]
        assert whole.fingerprint() == parts.fingerprint()
        parts.check()


def test_progress_is_told_once_an_episode_is_safe(tmp_path: Path) -> None:
    jobs = some_jobs()
    told = []
    with Ledger(tmp_path, create=True) as ledger:
        collect(ledger, jobs[:4], ENV, POLICY, workers=1)

        def on_episode(episode: Episode, done: int, total: int) -> None:
            assert episode in ledger
            told.append((episode.seed, done, total))

        collect(ledger, jobs, ENV, POLICY, workers=1, on_episode=on_episode)
    assert told == [(job.seed, done, 10) for done, job in list(enumerate(jobs, start=1))[4:]]


def test_what_was_not_kept_the_first_time_is_completed_in_its_place(tmp_path: Path) -> None:
    plain = [Job(NOMINAL, seed, "known") for seed in range(3)]
    with Ledger(tmp_path, create=True) as ledger:
        collect(ledger, plain, ENV, POLICY, workers=1)
        wanted = [Job(NOMINAL, 1, "known", keep_trajectory=True), Job(NOMINAL, 1, "known", keep_video=True)]
        assert collect(ledger, [*wanted, plain[0]], ENV, POLICY, workers=1) == 1
        episodes = ledger.episodes(load="all")
    assert [e.seed for e in episodes] == [0, 1, 2]
    assert [e.trajectory is not None for e in episodes] == [False, True, False]
    assert [e.video is not None for e in episodes] == [False, True, False]


def test_another_policy_or_environment_is_run_beside(tmp_path: Path) -> None:
    jobs = some_jobs()[:2]
    with Ledger(tmp_path, create=True) as ledger:
        for env, policy in (
            (ENV, POLICY),
            (ENV, PolicySpec("tests.toy:PointExpert")),
            (EnvSpec("tests.toy:PointReach", {"horizon": 19}), POLICY),
        ):
            assert collect(ledger, jobs, env, policy, workers=1) == 2
            assert len(ledger.episodes(policy=policy.fingerprint, environment=env.fingerprint)) == 2


def test_an_error_in_the_middle_keeps_what_came_before(tmp_path: Path) -> None:
    env = EnvSpec("tests.rollouts.test_pool:DiesOnSeedFive")
    jobs = [Job(NOMINAL, seed, "known") for seed in range(8)]
    with Ledger(tmp_path, create=True) as ledger:
        with pytest.raises(EnvError, match="run again to go on"):
            collect(ledger, jobs, env, POLICY, workers=2)
        assert [e.seed for e in ledger.episodes()] == [0, 1, 2, 3, 4]
        ledger.check()
        assert collect(ledger, [job for job in jobs if job.seed != 5], env, POLICY, workers=1) == 2
