"""How often a variation failed."""

from collections.abc import Iterable
from dataclasses import dataclass

from faultfield.rollouts.episode import Episode
from faultfield.rollouts.intervals import wilson
from faultfield.variations import Variation


@dataclass(frozen=True)
class Outcome:
    """All episodes of one variation, counted.

    Attributes:
        variation: What was changed.
        episodes: How many there are, at least 1.
        failures: How many of them failed.

    Raises:
        ValueError: No episodes, or more failures than episodes.

    Example:
        >>> from faultfield.variations import NOMINAL
        >>> low, high = Outcome(NOMINAL, episodes=10, failures=1).interval()
        >>> f"{low:.3f} {high:.3f}"
        '0.018 0.404'
    """

    variation: Variation
    episodes: int
    failures: int

    def __post_init__(self) -> None:
        if not 0 <= self.failures <= self.episodes or self.episodes == 0:
            raise ValueError(f"{self.failures} failures of {self.episodes} episodes cannot be.")

    @property
    def rate(self) -> float:
        """Share of episodes that failed, 0–1."""
        return self.failures / self.episodes

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Confidence interval of the failure rate (Wilson 1927), within 0–1.

        Args:
            level: Confidence, 0–1.
        """
        return wilson(self.failures, self.episodes, level)


def outcomes(episodes: Iterable[Episode]) -> list[Outcome]:
    """Episodes counted by variation, in the order in which the variations first appear."""
    counts: dict[Variation, tuple[int, int]] = {}
    for episode in episodes:
        total, failed = counts.get(episode.variation, (0, 0))
        counts[episode.variation] = (total + 1, failed + (not episode.success))
    return [Outcome(variation, total, failed) for variation, (total, failed) in counts.items()]
