"""What a step of the virtual MDP is worth: Eq. 2, the uncertainty bonus of Theorem 2, and shaping.

Each formula takes one number or an array of any shape, and compiled code may call it too.
"""

from typing import Any, Protocol

import numpy as np
from numba.extending import register_jitable

Floats = Any
"""A number, or float64 of any shape."""


class Constants(Protocol):
    """The numbers of Eq. 2; `SearchConfig` has them."""

    @property
    def failure_reward(self) -> float:
        """K_failure."""

    @property
    def success_cost(self) -> float:
        """K_success."""

    @property
    def repeat_penalty(self) -> float:
        """The factor k."""

    @property
    def horizon(self) -> int:
        """Steps of an episode at most."""


@register_jitable
def failure_reward(penalty: Floats, repeats: Any, config: Constants) -> Floats:
    """Eq. 2 where the policy fails: K_failure / (penalty + 1) − k · N(a).

    Args:
        penalty: Distance of the action from the known embedding that it was taken for, ≥ 0, any shape.
        repeats: N(a), how often in a row that embedding had been reached before, same shape.
        config: The constants.
    """
    return config.failure_reward / (penalty + 1.0) - config.repeat_penalty * repeats


@register_jitable
def success_reward(penalty: Floats, config: Constants) -> Floats:
    """Eq. 2 where the policy succeeds: −K_success / (horizon · (penalty + 1)), of any shape."""
    return -config.success_cost / (config.horizon * (penalty + 1.0))


def entropy(probability: Floats) -> Floats:
    """H of Theorem 2: entropy in nats of an outcome that fails with this probability, 0 at certainty, any shape."""
    p = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return np.asarray(-p * np.log(p) - (1.0 - p) * np.log1p(-p))


@register_jitable
def shaping(before: Floats, after: Floats, ended: Any, discount: float) -> Floats:
    """Potential-based shaping F = γ Φ(s′) − Φ(s) (Ng et al. 1999; RoboMD, 3.2 and Theorem 1).

    Where a failure ends the episode, s′ is followed by nothing and its potential counts as 0: otherwise the shaping
    would not telescope and would change which policy is best.

    Args:
        before: Φ(s), any shape.
        after: Φ(s′), same shape.
        ended: Whether s′ is terminal, same shape.
        discount: γ.
    """
    return discount * after * (1.0 - ended) - before
