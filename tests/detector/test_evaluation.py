import math
from collections.abc import Sequence

import pytest

from faultfield.detector.evaluation import CutShortError, StoppedError, answers, judge, score
from faultfield.detector.judge import Judgement
from faultfield.errors import DetectorError, UnreachableError
from faultfield.faults.llava import Problem
from faultfield.rollouts.clip import Clip
from faultfield.rollouts.verdict import Verdict
from tests.detector import pockets


class Looks:
    """Sees red for failure; refuses the clip named in `refuses`."""

    def __init__(self, refuses: str = "") -> None:
        self.refuses = refuses
        self.batches: list[int] = []

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        self.batches.append(len(clips))
        if any(clip.id == self.refuses for clip in clips):
            raise DetectorError(f"The clip '{self.refuses}' is too odd.")
        red = [float(clip.frames["front"][..., 0].mean() > 128) for clip in clips]
        return [Verdict(p, pockets.REASON if p else "The robot succeeded.", 0.0, 0.0) for p in red]


def test_verdicts_come_in_the_samples_order() -> None:
    samples = pockets.samples(5)
    detector, seen = Looks(), []
    judged = judge(detector, samples, batch=2, on_progress=seen.append)
    assert list(judged.verdicts) == [each.id for each in samples]
    assert [verdict.failed for verdict in judged.verdicts.values()] == [each.failed for each in samples]
    assert (detector.batches, seen) == ([2, 2, 1], [2, 4, 5])


def test_it_is_judged_by_the_cameras_that_are_named() -> None:
    class Counts:
        def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
            seen.extend(sorted(clip.frames) for clip in clips)
            return Looks().judge(clips)

    seen: list[list[str]] = []
    judge(Counts(), pockets.samples(2), cameras=("front", "wrist"))
    assert seen == [["front", "wrist"]] * 2


def test_a_bad_sample_is_told_and_the_rest_is_judged() -> None:
    from dataclasses import replace
    from pathlib import Path

    samples = pockets.samples(6)
    samples[1] = replace(samples[1], given=None, image=Path("nowhere.png"))
    judged = judge(Looks(refuses="s3"), samples, batch=6)
    assert list(judged.verdicts) == ["s0", "s2", "s4", "s5"]
    assert [(problem.id, problem.text) for problem in judged.problems] == [
        ("s1", "There is no picture 'nowhere.png'."), ("s3", "The clip 's3' is too odd."),
    ]  # fmt: skip


def test_scores_count_detections_of_all_and_reasons_of_dense_samples() -> None:
    samples = pockets.samples(12)
    verdicts = dict(judge(Looks(), samples).verdicts)
    # A wrong detection with the right reason, and the other way round: they are scored apart.
    right = verdicts["s0"]
    verdicts["s0"] = Verdict(0.1, right.reason, 0.0, 0.0)
    verdicts["s3"] = Verdict(0.0, "The gripper went too high while lifting the cube.", 0.0, 0.0)
    scores = score(samples, verdicts)
    assert (scores.accuracy.value, scores.accuracy.count) == (pytest.approx(11 / 12), 12)
    assert (scores.reason.value, scores.reason.count) == (pytest.approx(3 / 4), 4)
    assert scores.rouge_l.count == 4
    assert 0.75 <= scores.rouge_l.value < 1.0


def test_a_judge_may_abstain_and_sees_the_question() -> None:
    class Shy:
        def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
            assert question == pockets.INSTRUCTION
            return Judgement(None if "not close" in reference else 0.5, "")

    samples = pockets.samples(12)
    scores = score(samples, judge(Looks(), samples).verdicts, Shy())
    assert (scores.reason.value, scores.reason.count) == (0.5, 2)


def test_a_judge_that_cannot_be_asked_costs_that_reason_alone() -> None:
    class Away:
        def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
            if "not close" in reference:
                raise DetectorError("The endpoint is away.")
            return Judgement(0.5, "")

    samples, problems = pockets.samples(12), list[Problem]()
    verdicts = judge(Looks(), samples).verdicts
    scores = score(samples, verdicts, Away(), problems)
    assert (scores.reason.value, scores.reason.count, scores.accuracy.count) == (0.5, 2, 12)
    assert [problem.id for problem in problems] == [each.id for each in samples if each.dense and each.failed]
    with pytest.raises(DetectorError, match="is away"):
        score(samples, verdicts, Away())


def test_a_server_that_is_gone_ends_what_needs_it() -> None:
    class Gone(Looks):
        def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
            if len(self.batches) == 1:
                raise UnreachableError("There is no server.")
            return super().judge(clips)

    class GoneJudge:
        def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
            raise UnreachableError("There is no server.")

    samples, detector, problems = pockets.samples(6), Gone(refuses="s1"), list[Problem]()
    detector.batches.append(0)
    with pytest.raises(UnreachableError, match=r"^There is no server\.$") as ended:
        judge(detector, samples, batch=2)
    assert not isinstance(ended.value, CutShortError)
    with pytest.raises(UnreachableError):
        score(samples, judge(Looks(), samples).verdicts, GoneJudge(), problems)
    assert not problems


def test_what_was_judged_before_ctrl_c_is_kept() -> None:
    class Stopped(Looks):
        def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().judge(clips)

    samples = pockets.samples(6)
    with pytest.raises(StoppedError) as ended:
        judge(Stopped(), samples, batch=2)
    assert list(ended.value.judged.verdicts) == [sample.id for sample in samples[:4]]


def test_what_was_judged_before_a_server_has_gone_is_kept() -> None:
    class Going(Looks):
        def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
            if len(self.batches) == 4:
                raise UnreachableError("There is no server.")
            return super().judge(clips)

    samples, detector = pockets.samples(8), Going(refuses="s1")
    with pytest.raises(CutShortError, match=r"There is no server\. 3 of 8 samples were judged before\.") as ended:
        judge(detector, samples, batch=2)
    # The first two were asked of together, then each alone.
    assert detector.batches == [2, 1, 1, 2]
    assert ended.value.judged == judge(Looks(refuses="s1"), samples[:4], batch=2)


def test_answers_are_ahas_and_an_unreadable_one_is_left_as_it_was_said() -> None:
    verdicts = {
        "1": Verdict(0.9, "it slipped.", 0.0, 0.0), "2": Verdict(0.2, "The robot succeeded.", 0.0, 0.0),
        "3": Verdict(math.nan, "I cannot tell", math.nan, math.nan),
    }  # fmt: skip
    assert answers(verdicts) == [
        ("1", "No, it slipped."), ("2", "Yes, The robot succeeded."), ("3", "I cannot tell"),
    ]  # fmt: skip


def test_nothing_to_score_is_said_in_one_sentence() -> None:
    with pytest.raises(DetectorError, match="nothing to score"):
        score(pockets.samples(2), {})
