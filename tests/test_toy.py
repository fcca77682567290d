"""The toy environment keeps the contract that tests of everything else rely on."""

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from faultfield.envs.base import CanObserve
from faultfield.policies.base import Policy
from faultfield.variations import Variation
from tests.toy import PointBlind, PointExpert, PointPolicy, PointReach


def failures(policy: Policy, variation: Variation, count: int) -> int:
    env = PointReach()
    failed = 0
    for seed in range(count):
        observation, info = env.reset(seed=seed, options={"variation": variation})
        done = False
        while not done:
            action = policy.infer(observation)["actions"][0]
            observation, _, terminated, truncated, info = env.step(action)
            done = terminated or truncated
        failed += not info["success"]
    return failed


def test_it_is_a_gymnasium_environment_with_snapshots() -> None:
    check_env(PointReach(), skip_render_check=True)
    assert isinstance(PointReach(), CanObserve)


def test_observe_pictures_a_stored_state_as_the_episode_saw_it() -> None:
    env = PointReach()
    variation = env.variation_space.variation({"goal_color": "blue", "brightness": 0.7})
    first, _ = env.reset(seed=3, options={"variation": variation})
    snapshot = env.snapshot()
    env.step(np.ones(2, dtype=np.float32))
    again = env.observe(snapshot, variation)
    assert all(np.array_equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize(
    "values",
    [{}, {"goal_color": "blue"}, {"brightness": 0.4}, {"brightness": 0.6, "goal_color": [0.9, 0.2, 0.1]}],
    ids=str,
)
def test_failures_follow_the_formula(values: dict[str, object]) -> None:
    variation = PointReach().variation_space.variation(values)
    policy, count = PointPolicy(), 200
    rate = policy.failure_rate(variation)
    spread = 4 * np.sqrt(rate * (1 - rate) / count) + 0.01
    assert abs(failures(policy, variation, count) / count - rate) <= spread


def test_the_expert_fails_only_against_the_wind_and_the_blind_policy_always() -> None:
    space = PointReach().variation_space
    assert failures(PointExpert(), space.variation({"goal_color": "blue", "brightness": 0.1}), 50) == 0
    assert failures(PointExpert(), space.variation({"wind": 2.0}), 50) > 25
    assert failures(PointBlind(), space.nominal, 50) == 50
