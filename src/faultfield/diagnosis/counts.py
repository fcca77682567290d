"""What was counted of each known variation, as arrays; and how variations are dealt into folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import LedgerError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import outcomes
from faultfield.variations import Variation


@dataclass(frozen=True)
class Counts:
    """Failures by variation, one row a variation.

    Attributes:
        variations: Each once, in the order in which the episodes first named them; length n.
        failures: How many episodes failed, float64 (n,).
        episodes: Out of how many, float64 (n,), at least 1.
    """

    variations: tuple[Variation, ...]
    failures: NDArray[np.float64]
    episodes: NDArray[np.float64]

    @classmethod
    def of(cls, episodes: Sequence[Episode]) -> "Counts":
        """Count episodes.

        Raises:
            LedgerError: There are none.
        """
        if not episodes:
            raise LedgerError("There are no episodes to learn from; roll out the known variations first.")
        found = outcomes(episodes)
        failures = np.array([outcome.failures for outcome in found], dtype=np.float64)
        totals = np.array([outcome.episodes for outcome in found], dtype=np.float64)
        return cls(tuple(outcome.variation for outcome in found), failures, totals)

    @property
    def rates(self) -> NDArray[np.float64]:
        """Failure rates, float64 (n,)."""
        return self.failures / self.episodes

    @property
    def logits(self) -> NDArray[np.float64]:
        """Empirical logits log((k + ½) / (n − k + ½)), finite whatever was counted, float64 (n,)."""
        return np.asarray(np.log((self.failures + 0.5) / (self.episodes - self.failures + 0.5)))

    @property
    def logit_variances(self) -> NDArray[np.float64]:
        """Variances of the empirical logits, 1/(k + ½) + 1/(n − k + ½) (Gart and Zweifel 1967), float64 (n,)."""
        return np.asarray(1.0 / (self.failures + 0.5) + 1.0 / (self.episodes - self.failures + 0.5))

    def at(self, rows: Sequence[int] | NDArray[np.int64]) -> "Counts":
        """The counts of some rows."""
        index = np.asarray(rows, dtype=np.int64)
        return Counts(tuple(self.variations[i] for i in index), self.failures[index], self.episodes[index])


def deal(counts: Counts, folds: int, seed: int) -> list[NDArray[np.int64]]:
    """Rows of `counts` in `folds` groups of whole variations, alike in failure rate; nominal is in none.

    The nominal variation is known in every study, so it is never what must be predicted.

    Args:
        counts: One row a variation.
        folds: How many groups; at most one a variation.
        seed: Of the order among variations with equal rates.

    Returns:
        Sorted rows of each group; every row but the nominal one is in exactly one group.

    Raises:
        LedgerError: Fewer than two variations besides the nominal one.
    """
    rows = [i for i, v in enumerate(counts.variations) if not v.is_nominal]
    if len(rows) < 2:
        raise LedgerError(
            f"Cross-validation needs at least two known variations besides the nominal one, not {len(rows)}."
        )
    folds = min(folds, len(rows))
    shuffled = np.random.default_rng(seed).permutation(rows)
    by_rate = shuffled[np.argsort(counts.rates[shuffled], kind="stable")]
    return [np.sort(by_rate[start::folds]) for start in range(folds)]
