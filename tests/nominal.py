"""Nominal successes of a toy policy, and the states that the probe takes from them."""

from faultfield.envs.base import VariableEnv
from faultfield.policies.base import Policy
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.runner import rollout
from faultfield.rollouts.states import StateBank
from faultfield.variations import Variation


def episodes_of(env: VariableEnv, policy: Policy, variation: Variation, count: int, first: int = 0) -> list[Episode]:
    """Episodes with seeds from `first` on, nominal ones with their trajectories."""
    return [
        rollout(
            env, policy, variation, seed, policy_id="policy", env_id="toy", stage="known",
            keep_trajectory=variation.is_nominal,
        )
        for seed in range(first, first + count)
    ]  # fmt: skip


def bank_of(env: VariableEnv, policy: Policy, count: int = 6) -> StateBank:
    """States of `count` nominal episodes."""
    return StateBank.choose(episodes_of(env, policy, env.variation_space.nominal, count))
