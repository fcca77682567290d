"""The bookkeeping of Algorithm 2: what each sample is told, how sure each round was, when to stop, what to return."""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from faultfield.detector.hunch import Guess
from faultfield.detector.prompts import NOTHING, Said
from faultfield.detector.sampling import binary_entropy
from faultfield.errors import DetectorError
from faultfield.faults.claims import SUCCESS, parse
from faultfield.faults.wording import bare
from faultfield.rollouts.verdict import Round, Verdict


@dataclass(frozen=True)
class Refinement:
    """How answers are refined.

    Samples, rounds, weight, tolerance and temperature are the paper's by default (Table 5); all else is ours.

    Attributes:
        samples: M, trajectories of answers.
        rounds: How often each answers at most, the first answer counted.
        weight: λ, of the reason's entropy beside the detection's.
        tolerance: ε, nats by which the best sample's score has to fall for another round; −inf always goes on.
        temperature: Of the draws of the reason's tokens; 0 takes the likeliest, and the likelier detection.
        longest: Tokens that a reason may have.
        batch: Clips computed at once.
        seed: Of the draws; a clip's also depend on its id, and on nothing else.
        agreeing: Whether an answer whose reason contradicts its verdict counts as wholly unsure of the verdict (ours;
            the paper's Algorithm 2 does not look at what is said).
        hunch: Whether the eyes judge, where they learned to (ours: `faultfield.detector.hunch`); without, the head
            alone judges and reasons begin as the language model has it, as in the paper.
        divides: Log-odds of failure from which on a clip counts as failed, by what the robot was asked to do (kept as
            `bare` has it): the verdict's are counted from there (`faultfield.detector.calibration`). 0 where it is not
            named, as in the paper.

    Raises:
        DetectorError: A value that it cannot have.
    """

    samples: int = 3
    rounds: int = 4
    weight: float = 0.1
    tolerance: float = 1e-4
    temperature: float = 0.7
    longest: int = 128
    batch: int = 8
    seed: int = 0
    agreeing: bool = True
    hunch: bool = True
    divides: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "divides", {bare(task): odds for task, odds in self.divides.items()})
        numbers = self.temperature, self.weight
        if min(self.samples, self.rounds, self.longest, self.batch) < 1 or not all(0 <= x < math.inf for x in numbers):
            raise DetectorError(
                "Refinement takes at least one sample, round, token and clip, and a weight and a temperature from 0 on."
            )

    def divide(self, instruction: str) -> float:
        """Log-odds of failure from which on a clip counts as failed in which this was asked."""
        return self.divides.get(bare(instruction), 0.0)


class Trajectories:
    """The samples of one clip.

    Args:
        id: The clip's, for the draws.
        how: Samples, rounds and their like.
        instruction: What the robot was asked to do.
        guess: What the eyes make of it; None leaves it to the head.

    Attributes:
        divide: Log-odds of failure from which on it counts as failed.
        instruction: As given.
        guess: As given.
        said: What each sample is told in the next round, `samples` of them.
        answers: Token ids of each sample's last reason.
        draws: What decides the tokens, uniform in [0, 1), float64 (rounds, samples, longest).
        coins: What decides the detections, uniform in [0, 1), float64 (rounds, samples).
        chances: Failure probability by what the model is told.
    """

    def __init__(self, id: str, how: Refinement, instruction: str = "", guess: Guess | None = None) -> None:
        self._how, self.instruction, self.guess = how, instruction, guess
        self.divide = how.divide(instruction)
        rng = np.random.default_rng([how.seed, zlib.crc32(id.encode())])
        self.coins: NDArray[np.float64] = rng.random((how.rounds, how.samples))
        self.draws: NDArray[np.float64] = rng.random((how.rounds, how.samples, how.longest))
        self.said: list[Said] = [NOTHING] * how.samples
        self.answers: list[tuple[int, ...]] = [()] * how.samples
        self.chances: dict[Said, float] = {}
        self._rounds: list[Round] = []
        self._scores: list[float] = []

    def learn(self, said: Said, head: float) -> None:
        """Take the head's log-odds of failure for what it was told."""
        odds = head if self.guess is None else self.guess.beside(head)
        self.chances[said] = float(expit(odds - self.divide))

    def lead(self, sample: int) -> int | None:
        """Which explanation a sample's next reason begins with; None where the eyes make nothing of it.

        It is judged and not drawn, whatever the temperature: of the words behind it some may be as good as others.
        """
        return None if self.guess is None else self.guess.best(self.chances[self.said[sample]] >= 0.5)

    def answer(
        self, answers: Sequence[Sequence[int]], reasons: Sequence[str], reason_entropies: Sequence[float]
    ) -> None:
        """Take a round's answers; `chances` has what was asked with each of `said`.

        Args:
            answers: Token ids of each sample's reason, without the end.
            reasons: Their texts.
            reason_entropies: Mean entropies of their drawn tokens, nats: those that a reason begins with are not.
        """
        chances = [self.chances[said] for said in self.said]
        doubts = [binary_entropy(chance) for chance in chances]
        torn = [
            self._how.agreeing and contradicts(chance, reason) for chance, reason in zip(chances, reasons, strict=True)
        ]
        scores = [
            (math.log(2.0) if split else doubt) + self._how.weight * each
            for split, doubt, each in zip(torn, doubts, reason_entropies, strict=True)
        ]
        best = int(np.argmin(scores))
        # The sampled detection is what the model is told, as the sampled reason is: not the likelier one.
        coins = 1.0 - self.coins[self.number] if self._how.temperature else np.full(self._how.samples, 0.5)
        failed = [bool(chance >= coin) for chance, coin in zip(chances, coins, strict=True)]
        self.said = [Said(each, reason) for each, reason in zip(failed, reasons, strict=True)]
        self.answers = [tuple(each) for each in answers]
        self._rounds.append(Round(chances[best], reasons[best], doubts[best], reason_entropies[best]))
        self._scores.append(scores[best])

    @property
    def number(self) -> int:
        """How many rounds have been answered."""
        return len(self._rounds)

    @property
    def settled(self) -> bool:
        """Whether the last round was not surer than the best before it, by the tolerance (Algorithm 2, line 10)."""
        *before, last = self._scores
        return bool(before) and last >= min(before) - self._how.tolerance

    def verdict(self) -> Verdict:
        """Of the surest round: read literally, Algorithm 2 returns the one that did not improve."""
        return Verdict.of(tuple(self._rounds), best=int(np.argmin(self._scores)))


def contradicts(chance: float, reason: str) -> bool:
    """Whether a reason says that the robot succeeded where the verdict says that it failed, or the other way round.

    Example:
        >>> contradicts(0.9, "The robot succeeded."), contradicts(0.9, "The gripper never closed.")
        (True, False)
    """
    kind = parse(reason).kind
    return kind is not None and (kind == SUCCESS) == (chance >= 0.5)
