"""How well predictions agreed with the rollouts that came after them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faultfield.diagnosis.result import Ranked


@dataclass(frozen=True)
class Agreement:
    """Over the ranked variations that were rolled out.

    Attributes:
        count: How many there are.
        covered: How many measured rates lie in the predicted interval (90 %).
        error: Mean absolute difference between predicted probability and measured rate, 0–1.
        brier: Mean squared difference between predicted probability and each episode's outcome, 0–1.
        spearman: Rank correlation of prediction and rate, −1–1; None where either is constant.
    """

    count: int
    covered: int
    error: float
    brier: float
    spearman: float | None


def agreement(ranking: Sequence[Ranked]) -> Agreement | None:
    """Compare prediction and rollouts; None where nothing was rolled out.

    Example:
        >>> agreement([]) is None
        True
    """
    rolled = [(entry, entry.verified) for entry in ranking if entry.verified is not None and entry.verified.episodes]
    if not rolled:
        return None
    predicted = np.array([entry.failure_probability for entry, _ in rolled])
    rates = np.array([found.rate for _, found in rolled])
    episodes = np.array([found.episodes for _, found in rolled])
    # An episode is 0 or 1, so its mean squared difference to p follows from the rate alone.
    squared = rates * (1 - predicted) ** 2 + (1 - rates) * predicted**2
    spearman = None
    if np.ptp(predicted) > 0 and np.ptp(rates) > 0:
        from scipy.stats import spearmanr

        spearman = float(spearmanr(predicted, rates).statistic)
    return Agreement(
        count=len(rolled),
        covered=sum(entry.low <= found.rate <= entry.high for entry, found in rolled),
        error=float(np.abs(predicted - rates).mean()),
        brier=float(np.average(squared, weights=episodes)),
        spearman=spearman,
    )
