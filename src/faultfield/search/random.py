"""Random search: the floor that every other strategy has to beat."""

from collections.abc import Sequence

import numpy as np

from faultfield.rollouts.episode import Episode
from faultfield.search._fresh import Fresh
from faultfield.search.base import Strategy
from faultfield.variations import Variation, VariationSpace


class RandomSearch(Strategy):
    """Draws variations at random: how many factors, which, and their values (`VariationSpace.sample`).

    Args:
        space: Every proposal lies in it.
        seed: Of the draws.
        order: How many factors change together at most.

    Example:
        >>> from faultfield.variations import Continuous
        >>> space = VariationSpace([Continuous("light", "Set the light to {}.", low=0.0, high=2.0)])
        >>> len(set(RandomSearch(space, seed=0).ask(5)))
        5
    """

    def __init__(self, space: VariationSpace, seed: int = 0, order: int = 3) -> None:
        super().__init__(space, seed)
        rng = np.random.default_rng(seed)
        self._fresh = Fresh(lambda count: space.sample(rng, count, most=order))

    def ask(self, count: int) -> list[Variation]:
        """`count` variations, none proposed before while the space has any left."""
        return self._fresh.take(count)

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Learns nothing: chance has no memory."""
