"""When a failure is verified, and when a variation is left: one sequential rule for every strategy."""

from dataclasses import dataclass
from typing import Literal

from faultfield.errors import StudyError
from faultfield.rollouts.intervals import wilson

Verdict = Literal["open", "verified", "left"]


@dataclass(frozen=True)
class Verification:
    """Rolls a variation out one episode after another until it is verified or left.

    A failure is verified when the lower Wilson bound (95 %) of its failure rate exceeds the upper bound of the nominal
    rate, on at least `failures` failed episodes. A variation is left as soon as it has shown `patience` more successes
    than failures, a random walk between two barriers (Wald 1945), or after `most` episodes.

    Attributes:
        bound: Upper bound of the nominal failure rate, 0–1.
        failures: Failed episodes that a claim rests on at least. The interval alone lets a single failed episode pass
            under any good nominal rate; seen once, a failure may be chance.
        patience: Successes ahead of failures at which a variation is left.
        most: Episodes of one variation.

    Raises:
        StudyError: No failure can be verified under it.

    Example:
        >>> rule = Verification(bound=0.16, failures=2)
        >>> rule.verdict(failures=1, episodes=1), rule.verdict(failures=2, episodes=3), rule.verdict(0, 1)
        ('open', 'verified', 'left')
    """

    bound: float
    failures: int = 2
    patience: int = 1
    most: int = 20

    def __post_init__(self) -> None:
        if min(self.failures, self.patience, self.most) < 1:
            raise StudyError("A verification needs at least one failure, one success of patience and one episode.")
        if self.failures > self.most:
            raise StudyError(
                f"A verified failure rests on at most {self.most} failed episodes, not {self.failures}: no variation "
                "is rolled out more often."
            )
        if not any(self.verified(n, n) for n in range(1, self.most + 1)):
            raise StudyError(
                f"No {self.most} failed episodes would lie above the nominal failure rate's upper bound of "
                f"{self.bound:.2f}; roll out more nominal episodes, or find out why they fail."
            )

    @property
    def least(self) -> int:
        """Episodes that a verified failure takes at the least."""
        return next(n for n in range(1, self.most + 1) if self.verified(n, n))

    def check_budget(self, budget: int) -> None:
        """Refuse a budget that cannot verify a single failure.

        Raises:
            StudyError: It is smaller than one variation.
        """
        if budget < self.least:
            raise StudyError(
                f"A budget of {budget} rollouts is smaller than one variation: to verify a failure takes at least "
                f"{self.least}."
            )

    def verified(self, failures: int, episodes: int) -> bool:
        """Whether so many failures of so many episodes are a failure verified."""
        return failures >= self.failures and wilson(failures, episodes)[0] > self.bound

    def verdict(self, failures: int, episodes: int) -> Verdict:
        """What is to be done with a variation after so many failures of so many episodes."""
        if self.verified(failures, episodes):
            return "verified"
        if episodes - 2 * failures >= self.patience or episodes >= self.most:
            return "left"
        return "open"
