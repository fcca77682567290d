"""The diagnostic policy as a strategy: learn in the field where failures lie, propose candidates from there."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from faultfield.rollouts.episode import Episode
from faultfield.search.base import Strategy
from faultfield.search.config import SearchConfig
from faultfield.search.diagnostic import train_diagnostic
from faultfield.search.policy import DiagnosticPolicy
from faultfield.search.sobol import SobolSearch
from faultfield.variations import Variation, VariationSpace

Embed = Callable[[Sequence[Variation]], NDArray[np.float32]]
"""Embeds variations in the field without rolling them out: n variations to float32 (n, d)."""

_VOTES_PER_PROPOSAL = 32


class DiagnosticSearch(Strategy):
    """Proposes the candidates that the diagnostic policy's actions land on.

    Before the first episode it proposes at random. After, it trains the diagnostic policy on the embeddings and failure
    rates of what was told (virtual steps only), draws actions, and gives each to the nearest candidate of a pool. The
    candidate with the most actions is proposed first; those near it then count for less, so that the proposals spread
    over failures instead of crowding on one.

    Args:
        space: Every proposal lies in it.
        embed: Places candidates in the field.
        seed: Of the pool, the training and the draws.
        config: How the diagnostic policy learns.
        pool: What may be proposed; when None, `pool_size` variations of a Sobol sequence, new ones at each `ask`.
        pool_size: See `pool`.
    """

    def __init__(
        self,
        space: VariationSpace,
        embed: Embed,
        seed: int = 0,
        config: SearchConfig | None = None,
        pool: Sequence[Variation] | None = None,
        pool_size: int = 256,
    ) -> None:
        super().__init__(space, seed)
        self.config = config or SearchConfig()
        self.policy: DiagnosticPolicy | None = None
        self._embed = embed
        self._pool = None if pool is None else [space.validate(candidate) for candidate in pool]
        self._pool_size = pool_size
        self._sobol = SobolSearch(space, seed)
        self._rng = np.random.default_rng(seed)
        self._outcomes: dict[Variation, list[bool]] = defaultdict(list)
        self._proposed: set[Variation] = set()

    def ask(self, count: int) -> list[Variation]:
        """`count` variations, none proposed before; fewer only where a given pool is used up."""
        pool = [v for v in self._candidates(count) if v not in self._proposed]
        if self._outcomes and pool:
            chosen = self._choose(pool, min(count, len(pool)))
        else:
            chosen = [pool[i] for i in self._rng.permutation(len(pool))[:count]]
        self._proposed.update(chosen)
        return chosen

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Add outcomes; the next `ask` learns from all of them."""
        for episode in episodes:
            self._outcomes[episode.variation].append(not episode.success)
        self.policy = None

    def _candidates(self, count: int) -> list[Variation]:
        return self._sobol.ask(max(self._pool_size, count)) if self._pool is None else self._pool

    def _choose(self, pool: list[Variation], count: int) -> list[Variation]:
        if self.policy is None:
            known = self._embed(list(self._outcomes))
            rates = np.array([np.mean(failures) for failures in self._outcomes.values()])
            self.policy = train_diagnostic(known, rates, self.config, self.seed)
        embeddings = np.asarray(self._embed(pool), dtype=np.float64)
        actions = self.policy.propose(_VOTES_PER_PROPOSAL * count, self._rng)
        votes = np.bincount(_nearest(actions, embeddings), minlength=len(pool)).astype(np.float64)
        # Candidates that no action landed on still need an order, below a single vote: not that of the density, which
        # mostly tells how near the middle of the field they lie, but of where training has moved it.
        ratio = self.policy.log_ratio(self.policy.states, embeddings.astype(np.float32)).mean(axis=0)
        votes += ratio.argsort().argsort() / (2.0 * len(pool))
        return [pool[index] for index in _spread(embeddings, votes, count)]


def _nearest(points: NDArray[np.float32], targets: NDArray[np.float64]) -> NDArray[np.int64]:
    scores = points @ targets.T - 0.5 * np.einsum("nd,nd->n", targets, targets)
    return np.asarray(scores.argmax(axis=1))


def _spread(points: NDArray[np.float64], weights: NDArray[np.float64], count: int) -> list[int]:
    """Pick the heaviest, make its neighbours lighter, and again (local penalisation, González et al. 2016)."""
    norms = np.einsum("nd,nd->n", points, points)
    squares = np.maximum(norms[:, None] + norms[None, :] - 2.0 * points @ points.T, 0.0)
    # Half of the candidates have a neighbour within reach.
    others = squares + np.diag(np.full(len(points), np.inf))
    reach = float(np.median(others.min(axis=1))) if len(points) > 1 else 1.0
    weights = weights.copy()
    chosen: list[int] = []
    for _ in range(count):
        best = int(weights.argmax())
        chosen.append(best)
        weights *= -np.expm1(-squares[best] / max(reach, 1e-12))
        weights[chosen] = -1.0
    return chosen
