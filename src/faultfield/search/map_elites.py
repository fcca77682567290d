"""MAP-Elites: keep the worst failure of every kind, and look near them for others (pyribs)."""

from collections.abc import Sequence

import numpy as np

from faultfield.errors import SetupError
from faultfield.search.pool import Features, Floats, PoolSearch, Told, squared_distances
from faultfield.variations import Variation, VariationSpace

BINS = 4
"""Bins of the distance from nominal."""


class MapElitesSearch(PoolSearch):
    """MAP-Elites (Mouret and Clune 2015) with pyribs' archive and its Gaussian emitter.

    A kind of failure is a cell of the archive: which factor changes most, and how far the variation is from nominal.
    The objective is the failure rate. Elites are mutated as rows of numbers, and every mutant becomes the nearest
    candidate that was not proposed yet.

    Args:
        space: Every proposal lies in it.
        seed: Of the candidates and of the mutations.
        pool, pool_size, features, start, failures: As in `PoolSearch`.
        sigma: Standard deviation of a mutation, per number.

    Raises:
        SetupError: pyribs is not installed.
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
        start: int = 20,
        failures: int | None = None,
        sigma: float = 0.5,
    ) -> None:
        super().__init__(
            space, seed, pool=pool, pool_size=pool_size, order=order, features=features, start=start, failures=failures
        )
        try:
            import ribs  # noqa: F401
        except ImportError:
            raise SetupError("MAP-Elites needs pyribs; install it with pip install 'faultfield[search]'.") from None
        self._sigma = sigma

    def choose(self, candidates: Sequence[Variation], rows: Floats, told: Told, count: int) -> list[int]:
        """Mutants of elites, snapped to the nearest candidates."""
        from ribs.archives import GridArchive
        from ribs.emitters import GaussianEmitter

        factors = list(self.space)
        archive = GridArchive(
            solution_dim=rows.shape[1], dims=(len(factors), BINS), ranges=[(0, len(factors)), (0.0, 2.0)],
            seed=int(self.rng.integers(2**31)),
        )  # fmt: skip
        archive.add(told.rows, told.rates, self._measures(told.variations))
        emitter = GaussianEmitter(
            archive, sigma=self._sigma, x0=told.rows[0], batch_size=count, seed=int(self.rng.integers(2**31))
        )
        squares = squared_distances(np.asarray(emitter.ask(), dtype=np.float64), rows)
        chosen: list[int] = []
        for mutant in squares:
            mutant[chosen] = np.inf
            chosen.append(int(mutant.argmin()))
        return chosen

    def _measures(self, variations: Sequence[Variation]) -> Floats:
        """(index of the factor that changes most + ½, distance from nominal), float64 (n, 2)."""
        rows = []
        for variation in variations:
            moved = [
                float(np.linalg.norm(factor.encode(variation.get(factor.name)) - factor.encode(None)))
                for factor in self.space
            ]
            rows.append([int(np.argmax(moved)) + 0.5, min(float(np.linalg.norm(moved)), 1.999)])
        return np.array(rows)
