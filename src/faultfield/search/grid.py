"""Grid search: every factor alone over its range, then every two together, and so on."""

from collections.abc import Iterator, Sequence

import numpy as np

from faultfield.rollouts.episode import Episode
from faultfield.search.base import Strategy
from faultfield.variations import Variation, VariationSpace


class GridSearch(Strategy):
    """Proposes the grid of single factors, then of pairs, up to `order` together; shuffled within each.

    Args:
        space: Every proposal lies in it.
        seed: Of the shuffling.
        values: Per factor, about.
        order: How many factors change together at most.

    Example:
        >>> from faultfield.variations import Categorical
        >>> space = VariationSpace([Categorical("cup", "Use a {} cup.", choices=("red", "blue"))])
        >>> search = GridSearch(space)
        >>> len(search.ask(2)), len(search.ask(2))
        (2, 0)
    """

    def __init__(self, space: VariationSpace, seed: int = 0, values: int = 5, order: int = 2) -> None:
        super().__init__(space, seed)
        self._rest = self._walk(values, min(order, len(space.factors)))

    def ask(self, count: int) -> list[Variation]:
        """The next `count`; fewer, in the end none, once the grid is used up."""
        return [variation for _, variation in zip(range(count), self._rest, strict=False)]

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Learns nothing: the grid is fixed."""

    def _walk(self, values: int, order: int) -> Iterator[Variation]:
        rng = np.random.default_rng(self.seed)
        seen: set[Variation] = set()
        for together in range(1, order + 1):
            grid = self.space.grid(values, order=together)
            for index in rng.permutation(len(grid)):
                if grid[index] not in seen:
                    seen.add(grid[index])
                    yield grid[index]
