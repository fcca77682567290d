"""What is asked and what is to be learned in each phase: the continuations of every sample's prefix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from faultfield.detector.prompts import NOTHING, Said, masked
from faultfield.detector.training.packing import Part
from faultfield.detector.training.replies import Answer, Asks
from faultfield.detector.training.schedule import CAPTIONS, CONDITIONED, ONLINE, PLAIN


class Script(Protocol):
    """Token ids of prompts and answers, by row of the training data."""

    def label(self, row: int) -> bool:
        """Whether the episode failed."""
        ...

    def detect(self, row: int, said: Said) -> Sequence[int]:
        """The detection prompt behind the prefix."""
        ...

    def reason(self, row: int, said: Said) -> Sequence[int]:
        """The reasoning prompt behind the prefix."""
        ...

    def annotated(self, row: int) -> str | None:
        """The annotated reason; None of a sparse sample."""
        ...

    def words(self, text: str) -> tuple[int, ...]:
        """Token ids of an answer, without its end."""
        ...

    def text(self, words: Sequence[int]) -> str:
        """An answer as text again."""
        ...

    def plain(self, row: int) -> tuple[Sequence[int], Sequence[int]]:
        """Prompt and answer of plain fine-tuning: `<think>…</think><answer>…</answer>`, empty thoughts if sparse."""
        ...

    def captions(self, row: int, draw: int) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        """Some questions about what is seen, with their answers; which ones, `draw` decides."""
        ...

    @property
    def end(self) -> int:
        """Id of the token that ends an answer to learn."""
        ...

    @property
    def ends(self) -> frozenset[int]:
        """Ids of all tokens that end an answer of the model's."""
        ...


@dataclass(frozen=True)
class Lesson:
    """What one pass through the model is to learn.

    Attributes:
        parts: Continuations; `sample` counts rows of this batch.
        failed: Label of each part without targets, in order.
        rounds: How often each sample is asked; the loss is a sum over rounds of means over samples.
    """

    parts: tuple[Part, ...]
    failed: tuple[bool, ...]
    rounds: int = 1

    @property
    def detections(self) -> float:
        """Weight of all detections, by round."""
        return sum(part.weight for part in self.parts if not part.targets) / self.rounds

    @property
    def targets(self) -> float:
        """Weight of all targets, by round."""
        return sum(part.weight * part.targets for part in self.parts) / self.rounds


def lesson(
    phase: str,
    rows: Sequence[int],
    script: Script,
    detects: Sequence[bool],
    answers: Sequence[Sequence[Answer]] = (),
    whole: bool = False,
    draw: int = 0,
) -> Lesson:
    """The parts of a batch.

    Args:
        phase: Its name in the schedule.
        rows: Of the training data.
        script: Prompts and answers.
        detects: In the conditioned phase, whether each row's task is the detection; else it is the reasoning.
        answers: The model's own, one list a round, all rounds but the last; online phase only.
        whole: Whether both losses must be there, if with weight 0: processes that share a model have to use the same
            parameters in every step.
        draw: Which captions are learned.
    """
    found = _Parts(script)
    rounds = 1
    for place, row in enumerate(rows):
        if phase == PLAIN:
            prompt, answer = script.plain(row)
            found.learn(place, prompt, answer)
        elif phase == CAPTIONS:
            for prompt, answer in script.captions(row, draw):
                found.learn(place, prompt, answer)
        elif phase == CONDITIONED:
            _conditioned(found, place, row, detects[place])
        elif phase == ONLINE:
            rounds = len(answers) + 1
            for before in (NOTHING, *(_said(script, each[place]) for each in answers)):
                found.both(place, row, before)
        else:
            found.both(place, row, NOTHING)
    if whole and phase not in (PLAIN, CAPTIONS):
        found.fill(rows[0])
    return Lesson(tuple(found.parts), tuple(found.failed), rounds)


def asks(rows: Sequence[int], script: Script) -> Asks:
    """The prompts with which the model is asked for its own answers."""

    def prompts(place: int, said: Answer | None) -> tuple[Sequence[int], Sequence[int]]:
        before = NOTHING if said is None else _said(script, said)
        return script.detect(rows[place], before), script.reason(rows[place], before)

    return prompts


def _conditioned(found: "_Parts", place: int, row: int, detect: bool) -> None:
    """One task, told the annotation of the other: its own would only be copied (A.2)."""
    annotation = Said(found.script.label(row), found.script.annotated(row))
    if detect:
        found.detect(place, row, masked(annotation, "detection"))
    else:
        found.reason(place, row, masked(annotation, "reasoning"))


def _said(script: Script, answer: Answer) -> Said:
    return Said(answer.failed, script.text(answer.reason))


class _Parts:
    def __init__(self, script: Script) -> None:
        self.script = script
        self.parts: list[Part] = []
        self.failed: list[bool] = []

    def both(self, place: int, row: int, said: Said) -> None:
        self.detect(place, row, said)
        self.reason(place, row, said)

    def detect(self, place: int, row: int, said: Said, weight: float = 1.0) -> None:
        self.parts.append(Part(place, tuple(self.script.detect(row, said)), 0, weight))
        self.failed.append(self.script.label(row))

    def reason(self, place: int, row: int, said: Said) -> None:
        reason = self.script.annotated(row)
        if reason is not None:
            self.learn(place, self.script.reason(row, said), self.script.words(reason))

    def learn(self, place: int, prompt: Sequence[int], answer: Sequence[int], weight: float = 1.0) -> None:
        ids = (*prompt, *answer, self.script.end)
        self.parts.append(Part(place, ids, len(answer) + 1, weight))

    def fill(self, row: int) -> None:
        """What is lacking of the two tasks, without weight."""
        if all(part.targets for part in self.parts):
            self.detect(0, row, NOTHING, weight=0.0)
        if not any(part.targets for part in self.parts):
            self.learn(0, self.script.reason(row, NOTHING), (), weight=0.0)
