"""Pairs of outcomes: McNemar's exact test, an interval of the difference, and Holm's correction for many tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from faultfield.errors import FaultfieldError
from faultfield.rollouts.intervals import wilson

Alternative = Literal["two-sided", "drop"]
"""What is asked: whether success changed, or whether it dropped (twice as sensitive, and blind to a gain)."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of episodes, counted by what became of them.

    Attributes:
        both: Succeeded before and after.
        lost: Succeeded before, failed after.
        gained: Failed before, succeeded after.
        neither: Failed before and after.

    Raises:
        FaultfieldError: A negative count, or no pair at all.

    Example:
        >>> pairs = Pairs(both=4, lost=6, gained=0, neither=0)
        >>> pairs.before, pairs.after, pairs.difference, pairs.p()
        (1.0, 0.4, -0.6, 0.03125)
    """

    both: int
    lost: int
    gained: int
    neither: int

    def __post_init__(self) -> None:
        counts = (self.both, self.lost, self.gained, self.neither)
        if min(counts) < 0 or sum(counts) == 0:
            raise FaultfieldError(f"A comparison takes at least one pair and no negative count, not {counts}.")

    @property
    def count(self) -> int:
        """How many pairs there are."""
        return self.both + self.lost + self.gained + self.neither

    @property
    def before(self) -> float:
        """Success before, 0–1."""
        return (self.both + self.lost) / self.count

    @property
    def after(self) -> float:
        """Success after, 0–1."""
        return (self.both + self.gained) / self.count

    @property
    def difference(self) -> float:
        """Success after minus success before, −1–1."""
        return (self.gained - self.lost) / self.count

    def p(self, alternative: Alternative = "two-sided") -> float:
        """The exact test of McNemar 1947: among the pairs that differ, losses and gains are a fair coin's; 0–1.

        Args:
            alternative: `two-sided`, or `drop`: only losses count against it.
        """
        from scipy.stats import binomtest

        differing = self.lost + self.gained
        if differing == 0:
            return 1.0
        sides = "two-sided" if alternative == "two-sided" else "greater"
        return float(binomtest(self.lost, differing, 0.5, alternative=sides).pvalue)

    def least_p(self, alternative: Alternative = "two-sided") -> float:
        """The smallest p-value that this test could have, with as many pairs that differ, 0–1."""
        sides = 2.0 if alternative == "two-sided" else 1.0
        return float(min(1.0, sides * 0.5 ** (self.lost + self.gained)))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the difference: Newcombe 1998 for paired proportions, method 10.

        Two Wilson intervals, squared and added with the correlation of the pairs, which is corrected towards 0. It
        stays within −1–1 and holds its level at ten pairs too, where the usual normal interval does not.

        Args:
            level: Confidence, 0–1.
        """
        n, first, second = self.count, self.both + self.gained, self.both + self.lost
        (low_a, high_a), (low_b, high_b) = wilson(first, n, level), wilson(second, n, level)
        below_a, above_a = self.after - low_a, high_a - self.after
        below_b, above_b = self.before - low_b, high_b - self.before
        phi = self._correlation()
        down = sqrt(max(below_a**2 - 2 * phi * below_a * above_b + above_b**2, 0.0))
        up = sqrt(max(above_a**2 - 2 * phi * above_a * below_b + below_b**2, 0.0))
        return max(-1.0, self.difference - down), min(1.0, self.difference + up)

    def _correlation(self) -> float:
        margins = (
            (self.both + self.lost)
            * (self.gained + self.neither)
            * (self.both + self.gained)
            * (self.lost + self.neither)
        )
        if margins == 0:
            return 0.0
        product = self.both * self.neither - self.lost * self.gained
        if product > 0:
            return max(product - self.count / 2, 0.0) / sqrt(margins)
        return product / sqrt(margins)


def holm(p: Sequence[float]) -> list[float]:
    """P-values corrected for their number, in their order (Holm 1979): any false alarm among all is at most α.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    from statsmodels.stats.multitest import multipletests

    return [float(value) for value in multipletests(p, method="holm")[1]]


def tarone_holm(p: Sequence[float], least: Sequence[float], alpha: float) -> list[float]:
    """Holm's correction over the tests that can be significant at all (Tarone 1990); 1 for the others.

    How small a p-value can be is known before its test is made: it rests on how many pairs differ, not on which way.
    So the choice costs nothing of the level, and variations under which nothing differs do not drown a total loss under
    another.

    Args:
        p: P-values, 0–1.
        least: The smallest that each could be.
        alpha: Level of significance of all tests together, 0–1.

    Example:
        >>> tarone_holm([0.002, 1.0, 1.0], [0.002, 1.0, 0.5], 0.05)
        [0.002, 1.0, 1.0]
    """
    # With as many tests as there are, at the latest, no more than that can reach their share.
    count = next(k for k in range(1, len(p) + 1) if sum(each <= alpha / k for each in least) <= k)
    able = [index for index, each in enumerate(least) if each <= alpha / count]
    adjusted = [1.0] * len(p)
    if able:
        for index, value in zip(able, holm([p[index] for index in able]), strict=True):
            adjusted[index] = value
    return adjusted
