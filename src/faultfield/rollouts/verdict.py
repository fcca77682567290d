"""The detector's answer on an episode: failed or not, why, how sure, and how it came to it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """The surest of the samples of one round of refinement.

    Attributes:
        failure_probability: 0–1.
        reason: Why it failed, or that it succeeded, in words.
        detection_entropy: Of failed or not, nats, 0 to ln 2.
        reason_entropy: Mean over the reason's tokens, nats, at least 0.
    """

    failure_probability: float
    reason: str
    detection_entropy: float
    reason_entropy: float


@dataclass(frozen=True)
class Verdict:
    """What was found of an episode, and the history of every round.

    Attributes:
        failure_probability: 0–1, of the best round.
        reason: Its reason, in words.
        detection_entropy: Its entropy of failed or not, nats.
        reason_entropy: Its mean token entropy, nats.
        rounds: All rounds in order, the last one that did not improve among them.

    Example:
        >>> verdict = Verdict.of((Round(0.9, "It slipped.", 0.3, 0.5), Round(0.8, "It fell.", 0.5, 0.5)), best=0)
        >>> verdict.failed, verdict.reason
        (True, 'It slipped.')
    """

    failure_probability: float
    reason: str
    detection_entropy: float
    reason_entropy: float
    rounds: tuple[Round, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether failure is at least as likely as success."""
        return self.failure_probability >= 0.5

    @classmethod
    def of(cls, rounds: tuple[Round, ...], best: int) -> "Verdict":
        """The verdict that a round gives."""
        return cls(**vars(rounds[best]), rounds=rounds)
