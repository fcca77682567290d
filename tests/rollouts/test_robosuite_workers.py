"""The promise of the pool where it is hardest to keep: a physics engine, OpenGL and a network in every process."""

from pathlib import Path

from faultfield.rollouts.collect import collect
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.variations import NOMINAL, Variation


def test_robosuite_episodes_are_the_same_in_one_process_and_in_two(tmp_path: Path) -> None:
    env = EnvSpec("faultfield.envs.robosuite:Robosuite", {"horizon": 12})
    policy = PolicySpec("faultfield.policies.experts:LiftExpert")
    changed = Variation({"table_color": "blue", "light_intensity": 0.5}, "Make the table blue. Dim the light.")
    jobs = [Job(v, seed, "known", keep_trajectory=True, keep_video=True) for seed in (0, 1) for v in (NOMINAL, changed)]
    prints = set()
    for workers in (1, 2):
        with Ledger(tmp_path / str(workers), create=True) as ledger:
            assert collect(ledger, jobs, env, policy, workers=workers) == 4
            ledger.check()
            prints.add(ledger.fingerprint())
            for episode in ledger.episodes(load="all"):
                assert episode.video is not None
                assert episode.video.shape == (13, 84, 84, 3)
                assert episode.versions.keys() >= {"mujoco", "robosuite", "numpy", "faultfield"}
    assert len(prints) == 1
