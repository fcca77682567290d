"""A detector on samples: verdicts, what could not be judged, and how good the verdicts are."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from faultfield.detector.data import Sample
from faultfield.detector.judge import Judge, SlotJudge
from faultfield.detector.metrics import Scores, detection, mean, rouge_all
from faultfield.errors import DetectorError, UnreachableError
from faultfield.faults.llava import Problem
from faultfield.faults.wording import answer
from faultfield.rollouts.clip import CAMERAS, Clip
from faultfield.rollouts.verdict import Verdict


class Detector(Protocol):
    """Anything that judges clips; one whose `alone` is true gains nothing from several at once, and gets one."""

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        """One verdict a clip, in their order."""
        ...


@dataclass(frozen=True)
class Judged:
    """What a detector said of samples.

    Attributes:
        verdicts: By sample id, in the samples' order.
        problems: Samples that could not be judged.
    """

    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class CutShortError(UnreachableError):
    """A server that has gone away after some samples were judged: what it said of them is not lost.

    Args:
        text: What happened.
        judged: What was said before.
    """

    def __init__(self, text: str, judged: Judged) -> None:
        super().__init__(text)
        self.judged = judged


class StoppedError(KeyboardInterrupt):
    """Ctrl-C after some samples were judged: what was said of them is not lost.

    Args:
        judged: What was said before.
    """

    def __init__(self, judged: Judged) -> None:
        super().__init__("Stopped.")
        self.judged = judged


def judge(
    detector: Detector,
    samples: Sequence[Sample],
    batch: int = 8,
    on_progress: Callable[[int], None] | None = None,
    cameras: Sequence[str] = CAMERAS,
) -> Judged:
    """Judge samples, a batch at a time; one that cannot be read or judged is told, and the rest goes on.

    Args:
        detector: What judges.
        samples: Whose pictures are read when they are needed.
        batch: Clips at once, but one for a detector that judges `alone`: its answers were paid for one by one, and a
            bad one must not cost the others'.
        on_progress: Told how many samples are done.
        cameras: By which they are judged, where they have them.

    Raises:
        UnreachableError: The detector is behind an endpoint whose server is gone: the rest cannot be judged either.
        CutShortError: It has gone after some were judged, which the error carries; a batch at most is lost.
        StoppedError: Ctrl-C came after some were judged, likewise.
    """
    verdicts: dict[str, Verdict] = {}
    problems: list[Problem] = []

    def so_far() -> Judged:
        order = {sample.id: verdicts[sample.id] for sample in samples if sample.id in verdicts}
        return Judged(order, tuple(problems))

    size = 1 if getattr(detector, "alone", False) else batch
    try:
        for clips in batches(samples, size, cameras, problems):
            verdicts |= _judged(detector, clips, problems)
            if on_progress is not None:
                on_progress(len(verdicts) + len(problems))
    except KeyboardInterrupt:
        if not verdicts:
            raise
        raise StoppedError(so_far()) from None
    except UnreachableError as error:
        if not verdicts:
            raise
        text = f"{error} {len(verdicts)} of {len(samples)} samples were judged before."
        raise CutShortError(text, so_far()) from error
    return so_far()


def score(
    samples: Sequence[Sample],
    verdicts: Mapping[str, Verdict],
    judge: Judge | None = None,
    problems: list[Problem] | None = None,
) -> Scores:
    """All numbers of verdicts on labelled samples.

    Detection counts every sample with a label; reasons count every sample with an annotated reason, whatever the
    detection was, as ARMOR scores them apart (section 5, Metrics).

    Args:
        samples: Those without a verdict or without a label are left out.
        verdicts: By sample id.
        judge: Of the reasons; by default their claims are compared slot by slot.
        problems: Takes the reasons that the judge could not be asked of, which count nowhere then.

    Raises:
        DetectorError: None of them has both; or what the judge raises, where there is nothing to take it.
        UnreachableError: The judge is behind an endpoint whose server is gone.
    """
    judge = judge or SlotJudge()
    both = [sample for sample in samples if sample.id in verdicts and sample.failed is not None]
    if not both:
        raise DetectorError("No sample has both a label and a verdict, so there is nothing to score.")
    scores = detection([verdicts[s.id].failure_probability for s in both], [bool(s.failed) for s in both])
    dense = [(sample, sample.reason) for sample in both if sample.reason is not None]
    if not dense:
        return scores
    said = [verdicts[sample.id].reason for sample, _ in dense]
    annotated = [reason for _, reason in dense]
    judged = []
    for reason, (sample, reference) in zip(said, dense, strict=True):
        try:
            judged.append(judge.judge(reason, reference, sample.instruction).score)
        except DetectorError as error:
            if problems is None:
                raise
            problems.append(Problem(sample.id, f"The reason of '{sample.id}' was not judged: {error}"))
    known = np.array([each for each in judged if each is not None], dtype=np.float64)
    return replace(scores, rouge_l=mean(rouge_all(said, annotated)), reason=mean(known))


def answers(verdicts: Mapping[str, Verdict]) -> list[tuple[str, str]]:
    """Verdicts as AHA's answer files have them: (question id, text); one that could not be read, as it was said."""
    return [
        (key, each.reason if np.isnan(each.failure_probability) else answer(each.failed, each.reason))
        for key, each in verdicts.items()
    ]


def batches(
    samples: Sequence[Sample], size: int, cameras: Sequence[str], problems: list[Problem]
) -> Iterator[list[Clip]]:
    """The samples' clips, `size` at a time; what is wrong with a sample that cannot be read goes to `problems`."""
    clips: list[Clip] = []
    for sample in samples:
        try:
            # A sample's name is what it is reported by, whatever its file is called.
            clips.append(replace(sample.clip(), id=sample.id).seen_by(cameras))
        except DetectorError as error:
            problems.append(Problem(sample.id, str(error)))
        if len(clips) == size:
            yield clips
            clips = []
    if clips:
        yield clips


def _judged(detector: Detector, clips: Sequence[Clip], problems: list[Problem]) -> dict[str, Verdict]:
    try:
        return {clip.id: verdict for clip, verdict in zip(clips, detector.judge(clips), strict=True)}
    except DetectorError as error:
        if len(clips) == 1:
            problems.append(Problem(clips[0].id, str(error)))
            return {}
    # One of them is to blame: alone, the others can still be judged.
    found: dict[str, Verdict] = {}
    for clip in clips:
        found |= _judged(detector, [clip], problems)
    return found
