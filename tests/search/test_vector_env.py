import warnings

import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv

from faultfield.search.config import SearchConfig
from faultfield.search.mdp import VirtualMDP
from faultfield.search.vector_env import VirtualEnv, VirtualVecEnv
from tests.search.fields import two_clusters


def mdp_of(dim=16, **settings):
    known, _ = two_clusters(dim=dim)
    rate = np.random.default_rng(1).integers(0, 11, size=len(known)) / 10
    return VirtualMDP(known, rate, SearchConfig(horizon=4, **settings), potential=np.linspace(-1, 1, len(known)))


@pytest.mark.parametrize(
    "settings", [{}, {"outcome": "expected"}, {"outcome": "label"}, {"shaping": True, "uncertainty_bonus": 2.0}]
)
def test_many_at_once_walk_as_each_alone(settings):
    """The array step against Stable-Baselines3's own loop over single environments."""
    mdp = mdp_of(**settings)
    together = VirtualVecEnv(mdp, 6, seed=11)
    alone = DummyVecEnv([lambda: VirtualEnv(mdp)] * 6)
    alone.seed(11)
    assert np.array_equal(together.reset(), alone.reset())
    rng = np.random.default_rng(0)
    ended = 0
    for _ in range(150):
        actions = rng.uniform(mdp.low, mdp.high, size=(6, mdp.dim)).astype(np.float32)
        actions[0] = mdp.points[3]
        states, rewards, dones, infos = together.step(actions)
        expected = alone.step(actions)
        assert np.array_equal(states, expected[0])
        assert rewards == pytest.approx(expected[1], rel=1e-5, abs=1e-5)
        assert np.array_equal(dones, expected[2])
        for info, theirs, done in zip(infos, expected[3], dones, strict=True):
            ended += done
            assert set(info) - {"episode"} == set(theirs)
            assert ("episode" in info) == done
            for name in theirs:
                assert np.array_equal(info[name], theirs[name])
    assert ended > 100


def test_episode_infos_carry_return_and_length():
    mdp = mdp_of()
    env = VirtualVecEnv(mdp, 3, seed=0, reward_scale=0.01)
    env.reset()
    rng = np.random.default_rng(0)
    returns, lengths, checked = np.zeros(3), np.zeros(3, dtype=int), 0
    for _ in range(40):
        _, rewards, dones, infos = env.step(rng.uniform(mdp.low, mdp.high, size=(3, mdp.dim)).astype(np.float32))
        returns, lengths = returns + rewards / 0.01, lengths + 1
        for index in np.flatnonzero(dones):
            assert infos[index]["episode"]["r"] == pytest.approx(returns[index], rel=1e-4)
            assert infos[index]["episode"]["l"] == lengths[index] <= 4
            returns[index], lengths[index], checked = 0.0, 0, checked + 1
    assert checked > 20


def test_the_same_seed_starts_the_same_walk_again():
    mdp = mdp_of()
    actions = np.random.default_rng(0).uniform(mdp.low, mdp.high, size=(20, 5, mdp.dim)).astype(np.float32)

    def walk(seed):
        env = VirtualVecEnv(mdp, 5, seed=seed)
        return [env.reset().copy()] + [env.step(action)[0].copy() for action in actions]

    assert all(np.array_equal(a, b) for a, b in zip(walk(3), walk(3), strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(walk(3), walk(4), strict=True))


def test_a_single_environment_passes_the_librarys_check():
    with warnings.catch_warnings():
        # It advises symmetric action bounds; ours are the box of the data.
        warnings.simplefilter("ignore")
        check_env(VirtualEnv(mdp_of()))


def test_the_state_before_a_step_is_still_whole_after_it():
    """The library stores the state that it acted on only once the step is done."""
    mdp = mdp_of()
    env = VirtualVecEnv(mdp, 4, seed=0)
    before = env.reset()
    for shift in (0.1, -0.1, 0.2):
        kept = before.copy()
        after = env.step(kept + np.float32(shift))[0]
        assert np.array_equal(before, kept)
        assert not np.shares_memory(before, after)
        before = after
