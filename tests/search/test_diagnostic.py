import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from faultfield.errors import StudyError
from faultfield.search.config import A2cSettings, PpoSettings, SacSettings, SearchConfig
from faultfield.search.diagnostic import build_model, train_diagnostic
from faultfield.search.mdp import VirtualMDP
from faultfield.search.vector_env import VirtualVecEnv
from tests.search.fields import two_clusters

NET = (32, 32)
SMALL = {
    "ppo": SearchConfig(steps=12_000, ppo=PpoSettings(net=NET, envs=32, rollout=16, batch=256, learning_rate=3e-3)),
    "a2c": SearchConfig(
        algorithm="a2c", steps=20_000, a2c=A2cSettings(net=NET, envs=32, rollout=4, learning_rate=3e-3)
    ),
    "sac": SearchConfig(algorithm="sac", steps=12_000, sac=SacSettings(net=NET, envs=32, warmup=500, batch=64)),
}


@pytest.mark.parametrize("algorithm", SMALL)
def test_it_learns_to_hit_failures(algorithm):
    """Reward rises, the first action already fails, and the density is higher at failures than at successes."""
    known, rate = two_clusters()
    seen = []
    policy = train_diagnostic(known, rate, SMALL[algorithm], on_progress=lambda done, total, info: seen.append(info))
    rewards = [info["mean_reward"] for info in seen if info]
    if algorithm != "sac":
        # SAC finds the failures too, and then pays for going to the same one again and again.
        assert np.mean(rewards[-5:]) > rewards[0] + 10
    assert seen[-1]["mean_length"] < 1.2
    proposals = policy.propose(400, np.random.default_rng(0))
    distances = np.linalg.norm(proposals[:, None] - known[None], axis=-1)
    assert rate[distances.argmin(axis=1)].mean() > 0.9
    fresh, outcome = two_clusters(count=80)
    density = policy.log_density(policy.states, fresh).mean(axis=0)
    assert mannwhitneyu(density[outcome > 0], density[outcome == 0], alternative="greater").pvalue < 1e-6


@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_the_density_is_the_librarys_own(algorithm):
    """Our arrays against Stable-Baselines3's distribution object, on the same trained network."""
    from dataclasses import replace

    known, rate = two_clusters(dim=8)
    config = replace(SMALL[algorithm], steps=1500)
    policy = train_diagnostic(known, rate, config, seed=5)
    mdp = VirtualMDP(known, rate, config)
    env = VirtualVecEnv(mdp, config.width, 5, reward_scale=1.0 / config.failure_reward)
    model = build_model(config, env, 5)
    model.learn(config.steps)
    actions = policy.propose(6, np.random.default_rng(0))
    units, states = torch.tensor(mdp.to_units(actions)), torch.tensor(mdp.points)
    found = policy.log_density(known, actions)
    for index in range(len(known)):
        state = states[index : index + 1].expand(6, -1)
        if algorithm == "sac":
            scaled = torch.tensor(model.policy.scale_action(units.numpy()))
            mean, log_std, _ = model.actor.get_action_dist_params(state)
            expected = model.actor.action_dist.proba_distribution(mean, log_std).log_prob(scaled)
            expected = expected - np.log((mdp.high - mdp.low) / 2).sum()
        else:
            expected = model.policy.get_distribution(state).log_prob(units)
        expected = expected.detach().numpy() - mdp.dim * np.log(mdp.scale)
        assert found[index] == pytest.approx(expected, abs=5e-3)


def global_state():
    arrays = np.random.get_state()[1].tolist()  # noqa: NPY002
    return random.getstate(), arrays, torch.get_rng_state().tolist(), torch.get_num_threads()


def test_the_same_seed_gives_the_same_policy_and_leaves_global_randomness_alone():
    known, rate = two_clusters()
    config = SearchConfig(steps=2000, ppo=PpoSettings(net=(16,), envs=16, rollout=16, batch=64))
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    before = global_state()
    first, second, other = (train_diagnostic(known, rate, config, seed=seed) for seed in (7, 7, 8))
    assert global_state() == before
    density = first.log_density(known, known)
    assert np.array_equal(density, second.log_density(known, known))
    assert not np.array_equal(density, other.log_density(known, known))


def test_progress_counts_up_to_the_end():
    known, rate = two_clusters()
    seen = []
    config = SearchConfig(steps=3000, ppo=PpoSettings(net=(8,), envs=16, rollout=16, batch=64))
    train_diagnostic(known, rate, config, on_progress=lambda done, total, info: seen.append((done, total)))
    assert seen[-1] == (3000, 3000)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert 50 < len(seen) <= 101


def test_shaping_needs_a_potential():
    known, rate = two_clusters()
    with pytest.raises(StudyError, match="potential"):
        train_diagnostic(known, rate, SearchConfig(shaping=True))


def test_training_leaves_no_log_folder_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rng = np.random.default_rng(0)
    train_diagnostic(rng.normal(size=(6, 4)).astype(np.float32), np.linspace(0, 1, 6), SearchConfig(steps=64))
    assert not list(tmp_path.glob("SB3*"))
