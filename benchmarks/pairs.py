"""Pairs of variations of different true failure rate, and how many of them are put in the right order (Table 1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.metrics import Differs, Truth, distinct_pairs
from faultfield.errors import StudyError
from pages import spread


@dataclass(frozen=True)
class Pairs:
    """Drawn pairs.

    Attributes:
        worse: Row of the variation that failed more, int64 (p,).
        better: Row of the one that failed less, int64 (p,).
        first: Whether the worse one is shown first, to whom the two are shown, bool (p,).
        available: Of how many different pairs they were drawn.
    """

    worse: NDArray[np.int64]
    better: NDArray[np.int64]
    first: NDArray[np.bool_]
    available: int

    def __len__(self) -> int:
        return len(self.worse)


def draw(truth: Truth, count: int, seed: int, *, differs: Differs = "gap", gap: float = 0.4) -> Pairs:
    """`count` pairs of variations whose true rates differ beyond noise, without replacement while there are enough.

    Args:
        truth: Fresh episodes, one row a variation.
        count: Pairs.
        seed: Of the draw and of the order within each pair.
        differs: When two rates differ, see `distinct_pairs`.
        gap: Least difference of the rates.

    Raises:
        StudyError: No two rates differ so much.
    """
    every = distinct_pairs(truth, differs, gap)
    if not len(every):
        raise StudyError(f"No two of {len(truth.rates)} variations differ in their true failure rate by {gap:g}.")
    rng = np.random.default_rng(seed)
    chosen = every[rng.choice(len(every), size=count, replace=count > len(every))]
    return Pairs(chosen[:, 0], chosen[:, 1], rng.random(count) < 0.5, len(every))


def right(scores: NDArray[np.float64], pairs: Pairs) -> NDArray[np.float64]:
    """1 where the variation that fails more has the higher score, ½ where both have the same, float64 (p,)."""
    worse, better = scores[pairs.worse], scores[pairs.better]
    return np.asarray((worse > better) + 0.5 * (worse == better), dtype=np.float64)


def accuracy(
    marks: NDArray[np.float64], pairs: Pairs, variations: int, draws: int = 2000, seed: int = 0
) -> dict[str, float]:
    """Mean mark, with a bootstrap interval (95 %) over variations: pairs that share a variation are not independent.

    Args:
        marks: 0–1 for each pair, float64 (p,), averaged over seeds where there are several.
        pairs: Whose.
        variations: How many rows the pairs were drawn from.
        draws: Bootstrap samples.
        seed: Of the bootstrap.
    """
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(variations, np.full(variations, 1.0 / variations), size=draws)
    # A pair is in a sample as often as both its variations were drawn.
    weights = (counts[:, pairs.worse] * counts[:, pairs.better]).astype(np.float64)
    total = weights.sum(axis=1)
    means = np.divide(weights @ marks, total, out=np.full(draws, np.nan), where=total > 0)
    return spread(float(marks.mean()), means)
