"""How likely a policy fails under variations, tried or not: the estimator's contract."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation


@dataclass(frozen=True)
class Estimates:
    """One row a candidate.

    Attributes:
        mean: Failure probability, float64 (n,), in 0–1.
        low, high: Where the failure rate of fresh episodes is expected to lie (90 %), float64 (n,).
        support: How near a candidate lies to what is known, float64 (n,), 1 on a known variation, towards 0 far away.
    """

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    support: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.mean)


class Estimator(ABC):
    """Learns from episodes; estimates variations that were never rolled out.

    Attributes:
        name: Short, unique, for tables (`probe`, `field`, `density`, …).
        episodes: Over how many fresh episodes the rate is taken that an interval is for; a study sets it to as many as
            it verifies with.
    """

    name: str
    episodes: int = 30

    @abstractmethod
    def fit(self, episodes: Sequence[Episode]) -> "Estimator":
        """Learn from episodes of known variations; returns itself."""

    @abstractmethod
    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """Failure probability, interval and support of each candidate."""
