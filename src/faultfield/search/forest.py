"""Tree surrogate with diversity: a random forest says where failures may be, and proposals keep their distance."""

from collections.abc import Sequence

import numpy as np

from faultfield.search.pool import Features, Floats, PoolSearch, Told, spacing, squared_distances
from faultfield.variations import Variation, VariationSpace


class ForestSearch(PoolSearch):
    """Random forest on failure rates; score = mean + deviation over the trees (as SMAC's, Hutter et al. 2011).

    A candidate near a failure that is known already, or near another of the same batch, counts for less (local
    penalisation, González et al. 2016), so that the search finds failures of other kinds.

    Args:
        space: Every proposal lies in it.
        seed: Of the candidates and of the trees.
        pool, pool_size, features, start, failures: As in `PoolSearch`.
        trees: How many.
        reach: How far a failure shadows its neighbourhood, in typical distances between candidates; 0 for not at all.

    Example:
        >>> from faultfield.variations import Continuous
        >>> space = VariationSpace([Continuous("light", "Set the light to {}.", low=0.0, high=2.0)])
        >>> len(ForestSearch(space, seed=0).ask(3))
        3
    """

    def __init__(
        self,
        space: VariationSpace,
        seed: int = 0,
        *,
        pool: Sequence[Variation] | None = None,
        pool_size: int = 256,
        order: int = 3,
        features: Features | None = None,
        start: int = 10,
        failures: int | None = None,
        trees: int = 100,
        reach: float = 1.0,
    ) -> None:
        super().__init__(
            space, seed, pool=pool, pool_size=pool_size, order=order, features=features, start=start, failures=failures
        )
        self._trees, self._reach = trees, reach

    def choose(self, candidates: Sequence[Variation], rows: Floats, told: Told, count: int) -> list[int]:
        """The largest score far enough from known failures and from each other."""
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(self._trees, min_samples_leaf=2, random_state=self.seed, n_jobs=1)
        forest.fit(told.rows, told.failures / told.episodes, sample_weight=told.episodes)
        trees = np.stack([tree.predict(rows) for tree in forest.estimators_])
        score = trees.mean(axis=0) + trees.std(axis=0)
        failing = told.rows[told.failures > told.episodes / 2]
        squares = squared_distances(rows, np.concatenate([failing, rows]))
        width = max(self._reach * spacing(rows), 1e-9) ** 2
        # A floor keeps the order of the scores where everything is in some failure's shadow.
        shade = 0.05 + 0.95 * -np.expm1(-squares / width)
        score = score * shade[:, : len(failing)].min(axis=1, initial=1.0)
        chosen: list[int] = []
        for _ in range(count):
            best = int(score.argmax())
            chosen.append(best)
            score = score * shade[:, len(failing) + best]
            score[chosen] = -1.0
        return chosen
