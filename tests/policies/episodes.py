"""A rollout loop written out, so that policies are tested without our runner."""

import numpy as np

from faultfield.envs.base import VariableEnv
from faultfield.policies.base import Policy


def succeeds(env: VariableEnv, policy: Policy, seed: int, noise: float = 0.0) -> bool:
    """Whether one nominal episode ends in success; noise goes on the position deltas."""
    rng = np.random.default_rng(seed)
    observation, info = env.reset(seed=seed)
    policy.reset()
    over = False
    while not over:
        action = policy.infer(observation)["actions"][0].copy()
        action[:3] += noise * rng.standard_normal(3)
        observation, _, terminated, truncated, info = env.step(np.clip(action, -1.0, 1.0))
        over = terminated or truncated
    return bool(info["success"])
