"""Search strategies, and the virtual MDP in which the diagnostic policy learns without rollouts."""

from faultfield.search.base import Strategy

__all__ = ["Strategy"]
