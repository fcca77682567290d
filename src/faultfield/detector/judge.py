"""Whether a reason in words is right: by its claim, offline, or by a language model anywhere."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faultfield.detector.endpoint import Endpoint
from faultfield.errors import DetectorError


@dataclass(frozen=True)
class Judgement:
    """What a judge says of one reason.

    Attributes:
        score: 0 (wrong) to 1 (right); None where the judge could not decide.
        explanation: Why, in words.
    """

    score: float | None
    explanation: str


class Judge(Protocol):
    """Scores a reason against the annotated one."""

    def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
        """Score one reason.

        Args:
            reason: What the detector said.
            reference: What was annotated.
            question: What it was asked.
        """
        ...


class SlotJudge:
    """Compares what the two reasons claim: which fault, which object, which direction; which step, if one was left out.

    It reads our wording, AHA's and what is near to both. Of a reference of which it cannot read what went wrong it
    decides nothing, but that the same words are right: such reasons want a language model (`EndpointJudge`).
    Deterministic and offline. Similarity of sentence embeddings is no substitute: it does not tell left from right.
    """

    def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
        """Score one reason by the slots that the reference fills."""
        from faultfield.faults.claims import agreement, parse

        if reason.casefold().split() == reference.casefold().split():
            return Judgement(1.0, "the same words")
        claimed, annotated = parse(reason), parse(reference)
        if annotated.kind is None:
            return Judgement(None, f"cannot read what went wrong in '{reference}'")
        return Judgement(agreement(claimed, annotated), f"claimed {claimed}, annotated {annotated}")


PROMPT = """You grade explanations of what a robot did. Wording does not matter, meaning does: the same kind of \
failure, the same object and the same direction must be named.

Question: {question}
Reference explanation: {reference}
Explanation to grade: {reason}

Give your grounds in one sentence, then end with exactly one of these lines:
Judgement: correct
Judgement: partially correct
Judgement: incorrect"""

_SCORES = {"correct": 1.0, "partially correct": 0.5, "incorrect": 0.0}


def read_judgement(answer: str) -> float | None:
    """1, ½ or 0 from the last line of the form 'Judgement: …'; None where there is none."""
    found = re.findall(r"judge?ment\W*(partially[\s-]+correct|correct|incorrect)\b", answer, re.IGNORECASE)
    return _SCORES[re.sub(r"[\s-]+", " ", found[-1].lower())] if found else None


def read_prompt(path: str | Path) -> str:
    """A judge's prompt from a file.

    Raises:
        DetectorError: The file cannot be read, or has no place for the reason or for the annotated one.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DetectorError(f"The judge's prompt '{path}' cannot be read.") from error
    missing = [each for each in ("{reference}", "{reason}") if each not in text]
    if missing:
        raise DetectorError(f"The judge's prompt '{path}' must contain {' and '.join(missing)}.")
    return text


class EndpointJudge:
    """A language model as the judge (ARMOR's LLM fuzzy match, B.3), behind any OpenAI-compatible endpoint.

    Args:
        endpoint: Where it is served.
        prompt: What it is asked, with `{question}`, `{reference}` and `{reason}` in it.
        read: Takes the score, 0–1, from its answer; None where it says nothing clear.
    """

    def __init__(
        self, endpoint: Endpoint, prompt: str = PROMPT, read: Callable[[str], float | None] = read_judgement
    ) -> None:
        self._endpoint, self._prompt, self._read = endpoint, prompt, read

    def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
        """Ask the model.

        Raises:
            DetectorError: The endpoint does not answer this question.
            UnreachableError: There is no server.
        """
        # One pass over the template: what a reason holds in braces is text, not a placeholder.
        words = {"reason": reason, "reference": reference, "question": question}
        text = re.sub(r"\{(reason|reference|question)\}", lambda found: words[found[1]], self._prompt)
        answer = self._endpoint.complete([{"role": "user", "content": text}])
        return Judgement(self._read(answer), answer.strip())
