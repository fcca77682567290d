"""RoboMD's measures of a repair (Tables 5 and 11): success, and how far its distribution is from an ideal policy's.

The paper names the distances and does not define them. Taken here: the success of each of n variations, divided by the
sum over all, against an ideal policy's 1/n each. With n = 21 the paper's own columns agree with that: its chi-square is
n² · MSE / 10⁴ in every row of both tables to the digits printed (cut, not rounded), if its mean square is in squared
percentage points, and its Wasserstein error lies below the root of its mean square, as a mean distance of shares does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faultfield.errors import FaultfieldError


@dataclass(frozen=True)
class Distances:
    """How a policy fares over variations, each counted alike.

    Attributes:
        accuracy: Mean success, 0–1.
        mean_square: Mean squared difference of the shares from 1/n, percentage points².
        chi_square: Pearson's Σ (share − 1/n)² / (1/n).
        wasserstein: Between the shares and n times 1/n, both taken as samples.

    The last three are None where nothing succeeds. They tell how even success is, not how high: a policy that fails
    everywhere alike is at distance 0.
    """

    accuracy: float
    mean_square: float | None
    chi_square: float | None
    wasserstein: float | None


def distances(success: Sequence[float]) -> Distances:
    """The measures from the success of each variation, 0–1.

    Raises:
        FaultfieldError: There are none, or one is outside 0–1.

    Example:
        >>> distances([1.0, 1.0]).chi_square, distances([1.0, 0.0]).chi_square
        (0.0, 1.0)
    """
    from scipy.stats import chisquare, wasserstein_distance

    rates = np.asarray(success, dtype=np.float64)
    if not len(rates) or not ((rates >= 0) & (rates <= 1)).all():
        raise FaultfieldError("The measures of a repair take the success of at least one variation, each in 0–1.")
    if not rates.any():
        return Distances(0.0, None, None, None)
    shares, ideal = rates / rates.sum(), np.full(len(rates), 1 / len(rates))
    return Distances(
        float(rates.mean()),
        float(((100 * (shares - ideal)) ** 2).mean()),
        float(chisquare(shares, ideal).statistic),
        float(wasserstein_distance(shares, ideal)),
    )
