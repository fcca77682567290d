"""What every learned signal must offer before it is calibrated: a score that grows with failure."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation


@dataclass(frozen=True)
class Scores:
    """One row a candidate, before calibration.

    Attributes:
        logit: Failure logit, or any number of about that scale that grows with failure, float64 (n,).
        spread: What the scorer itself knows of its error, as a standard deviation of `logit`, float64 (n,); 0 where it
            knows nothing.
        support: How near to what is known, float64 (n,), 1 on a known variation, towards 0 far away.
    """

    logit: NDArray[np.float64]
    spread: NDArray[np.float64]
    support: NDArray[np.float64]


class Scorer(ABC):
    """Learns a signal of failure from episodes. `calibration.Calibrated` makes an estimator of it.

    Attributes:
        name: Short, unique, for tables.
    """

    name: str

    @abstractmethod
    def fit(self, episodes: Sequence[Episode]) -> "Scorer":
        """Learn from episodes of known variations; returns itself."""

    @abstractmethod
    def score(self, candidates: Sequence[Variation]) -> Scores:
        """Score of each candidate."""


class Scaling:
    """Columns to mean 0 and deviation 1 over the known rows; a column that hardly varies there is only centred.

    A deviation near 0 says that the known rows do not show how this column varies, not that it matters hugely;
    dividing by it would blow up every candidate that moves it.

    Args:
        known: Rows, float64 (m, d).
    """

    def __init__(self, known: NDArray[np.float64]) -> None:
        self.mean = known.mean(axis=0)
        deviation = known.std(axis=0)
        self.scale = np.where(deviation > 1e-3 * max(float(deviation.max(initial=0.0)), 1e-12), deviation, 1.0)

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scaled rows, float64 (n, d)."""
        return np.asarray((rows - self.mean) / self.scale)


def nearest_support(known: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Closeness to the nearest known row, exp(−distance / typical spacing), float64 (n,), in 0–1.

    The typical spacing is the median distance of a known row to its nearest known neighbour, so that 1/e means "as far
    as known variations are from each other" in whatever space the rows live.

    Args:
        known: Known rows, float64 (m, d); where there are none, nothing is near.
        rows: Candidates' rows, float64 (n, d).
    """
    if not len(known):
        return np.zeros(len(rows))
    between = np.linalg.norm(known[:, None] - known[None], axis=2)
    np.fill_diagonal(between, np.inf)
    nearest = between.min(axis=1)
    positive = nearest[np.isfinite(nearest) & (nearest > 1e-12)]
    spacing = float(np.median(positive)) if len(positive) else 1.0
    distance = np.linalg.norm(rows[:, None] - known[None], axis=2).min(axis=1)
    return np.asarray(np.exp(-distance / spacing))
