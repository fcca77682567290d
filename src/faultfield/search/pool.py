"""What strategies with a model share: candidates, their rows of numbers, and what was counted of them."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.rollouts.episode import Episode
from faultfield.search.base import Strategy
from faultfield.search.sobol import SobolSearch
from faultfield.variations import Variation, VariationSpace

Floats = NDArray[np.float64]

Features = Callable[[Sequence[Variation]], Floats]
"""Further numbers of variations that were not rolled out, for instance the probe's: n variations to float64 (n, f)."""


@dataclass(frozen=True)
class Told:
    """What was rolled out so far, one row a variation.

    Attributes:
        variations: Each once, in the order in which they were first told; length m.
        rows: Their numbers, float64 (m, d).
        failures, episodes: Counts, float64 (m,).
    """

    variations: tuple[Variation, ...]
    rows: Floats
    failures: Floats
    episodes: Floats

    @property
    def rates(self) -> Floats:
        """Failure rates drawn a little towards one half, (k + ½) / (n + 1), float64 (m,)."""
        return np.asarray((self.failures + 0.5) / (self.episodes + 1.0))

    @property
    def logits(self) -> Floats:
        """Empirical logits, finite whatever was counted, float64 (m,)."""
        return np.asarray(np.log((self.failures + 0.5) / (self.episodes - self.failures + 0.5)))

    @property
    def logit_variances(self) -> Floats:
        """Variances of the empirical logits (Gart and Zweifel 1967), float64 (m,)."""
        return np.asarray(1.0 / (self.failures + 0.5) + 1.0 / (self.episodes - self.failures + 0.5))


class PoolSearch(Strategy):
    """Chooses among candidates by a model of what was told; the first few come from a Sobol sequence.

    A candidate's row is its code (`VariationSpace.encode`) and, where given, its features, each scaled to a deviation
    of one over the first candidates.

    Args:
        space: Every proposal lies in it.
        seed: Of the candidates and of all choices.
        pool: What may be proposed; when None, variations from a Sobol sequence.
        pool_size: How many of the sequence are candidates at first; each further `ask` adds a sixteenth as many.
        order: How many factors a variation of the sequence changes at most.
        features: Further numbers of each candidate.
        start: Variations told, a failure among them, before the model is asked; until then proposals are spread out.
        failures: Failed episodes that make a find, as in `Verification`. A variation that was left short of it, after
            more successes than failures, may then be proposed again; when None, nothing is proposed twice.
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
    ) -> None:
        super().__init__(space, seed)
        self.rng = np.random.default_rng(seed)
        self._pool = None if pool is None else [space.validate(candidate) for candidate in pool]
        self._pool_size, self._start = pool_size, start
        self._features, self._failures = features, failures
        self._scale: Floats | None = None
        self._sobol = SobolSearch(space, seed, order)
        self._drawn: list[Variation] = []
        self._asked: set[Variation] = set()
        self._counts: dict[Variation, tuple[int, int]] = {}
        self._hopeless: set[Variation] = set()
        self._rows: dict[Variation, Floats] = {}

    def ask(self, count: int) -> list[Variation]:
        """`count` variations, none found or begun already; fewer only where a given pool is used up."""
        candidates = [v for v in self._candidates(count) if v not in self._asked or self.again(v)]
        count = min(count, len(candidates))
        if count == 0:
            return []
        if self.ready():
            index = self.choose(candidates, self.rows(candidates), self.told(), count)
        else:
            index = self._spread_out(candidates, count)
        chosen = [candidates[i] for i in index]
        self._asked.update(chosen)
        return chosen

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Count; the next `ask` learns from all of it."""
        for episode in episodes:
            failures, total = self._counts.get(episode.variation, (0, 0))
            self._counts[episode.variation] = (failures + (not episode.success), total + 1)

    def disregard(self, variations: Sequence[Variation]) -> None:
        """From now on their failures count as successes: the model looks for the policy's own elsewhere."""
        self._hopeless.update(variations)

    def again(self, variation: Variation) -> bool:
        """Whether a variation that was proposed before may be proposed again: the model says whether it is worth it."""
        if self._failures is None or variation in self._hopeless:
            return False
        failures, episodes = self._counts.get(variation, (0, 0))
        return failures < self._failures and episodes > 2 * failures

    def ready(self) -> bool:
        """Whether enough was told for the model to choose."""
        return len(self._counts) >= self._start and any(
            failures for v, (failures, _) in self._counts.items() if v not in self._hopeless
        )

    @abstractmethod
    def choose(self, candidates: Sequence[Variation], rows: Floats, told: Told, count: int) -> list[int]:
        """Which `count` of the candidates come next.

        Args:
            candidates: n variations that may be proposed.
            rows: Theirs, float64 (n, d).
            told: What was rolled out.
            count: From 1 to n.
        """

    def told(self) -> Told:
        """Everything that was told."""
        variations = tuple(self._counts)
        counted = np.array([self._counts[v] for v in variations], dtype=np.float64).reshape(-1, 2)
        own = np.array([v not in self._hopeless for v in variations], dtype=np.float64)
        return Told(variations, self.rows(variations), counted[:, 0] * own, counted[:, 1])

    def rows(self, variations: Sequence[Variation]) -> Floats:
        """Codes and scaled features, float64 (n, d)."""
        new = [v for v in dict.fromkeys(variations) if v not in self._rows]
        if new:
            rows = self.space.encode_many(new)
            if self._features is not None:
                extra = np.asarray(self._features(new), dtype=np.float64)
                if self._scale is None:
                    deviation = extra.std(axis=0)
                    self._scale = np.where(deviation > 1e-9, deviation, 1.0)
                rows = np.concatenate([rows, extra / self._scale], axis=1)
            self._rows.update(zip(new, rows, strict=True))
        return np.stack([self._rows[v] for v in variations]) if variations else np.empty((0, self.space.dim))

    def _candidates(self, count: int) -> list[Variation]:
        if self._pool is not None:
            return self._pool
        # Kept from one call to the next: what a feature costs, a picture rendered or a policy asked, is paid once.
        self._drawn += self._sobol.ask(max(self._pool_size // 16 if self._drawn else self._pool_size, count))
        return self._drawn

    def _spread_out(self, candidates: Sequence[Variation], count: int) -> list[int]:
        if self._pool is None:
            # The sequence goes on: what was left after a success waits until a model says that it is worth more.
            return sorted(range(len(candidates)), key=lambda i: candidates[i] in self._asked)[:count]
        return [int(i) for i in self.rng.permutation(len(candidates))[:count]]


def squared_distances(a: Floats, b: Floats) -> Floats:
    """Between rows (n, d) and rows (m, d), float64 (n, m)."""
    squares = np.einsum("nd,nd->n", a, a)[:, None] + np.einsum("md,md->m", b, b)[None] - 2.0 * a @ b.T
    return np.asarray(np.maximum(squares, 0.0))


def spacing(rows: Floats) -> float:
    """Median distance of a row to its nearest neighbour that is not the same, a length; 1 where there is none."""
    if len(rows) < 2:
        return 1.0
    squares = squared_distances(rows, rows)
    squares[squares < 1e-12] = np.inf
    nearest = np.sqrt(squares.min(axis=1))
    nearest = nearest[np.isfinite(nearest)]
    return float(np.median(nearest)) if len(nearest) else 1.0
