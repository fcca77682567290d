from pathlib import Path

import pytest

from faultfield.detector.endpoint import Endpoint
from faultfield.detector.judge import PROMPT, EndpointJudge, SlotJudge, read_judgement, read_prompt
from faultfield.errors import DetectorError
from tests.detector.server import served


@pytest.mark.parametrize(("answer", "score"), [
    ("Same fault.\nJudgement: correct", 1.0),
    ("Judgement: Incorrect.", 0.0),
    ("**Judgment:** partially correct", 0.5),
    ("Judgement: partially-correct", 0.5),
    ("At first sight judgement: correct, but no.\nJudgement: incorrect", 0.0),
    ("It is correct.", None),
    ("", None),
])  # fmt: skip
def test_the_last_judgement_counts(answer: str, score: float | None) -> None:
    assert read_judgement(answer) == score


def test_an_endpoint_judges_one_reason() -> None:
    with served(lambda body: "The object differs.\nJudgement: partially correct") as (url, seen):
        judged = EndpointJudge(Endpoint(url, "m")).judge("it slipped {reference}", "it fell", "What happened?")
    assert judged.score == 0.5
    assert judged.explanation.startswith("The object differs.")
    asked = seen[0]["body"]["messages"][0]["content"]
    assert "Explanation to grade: it slipped {reference}" in asked
    assert "Reference explanation: it fell" in asked
    assert "Question: What happened?" in asked


def test_prompt_and_reading_are_the_users() -> None:
    with served(lambda body: body["messages"][0]["content"]) as (url, _):
        judge = EndpointJudge(Endpoint(url, "m"), "{reason}|{reference}|{x}", lambda answer: answer.count("|") / 4)
        assert judge.judge("a", "b") == type(judge.judge("a", "b"))(0.5, "a|b|{x}")


@pytest.mark.parametrize(("reason", "score"), [
    ("the robot gripper moved to the desired position with an offset along the y direction", 1.0),
    ("the robot gripper moved to the desired position with an offset along the x direction", None),
    ("the robot gripper fails to close", 0.0),
])  # fmt: skip
def test_slots_tell_directions_apart(reason: str, score: float | None) -> None:
    reference = "the robot gripper moved to the desired position with an offset along the y direction"
    judged = SlotJudge().judge(reason, reference)
    assert judged.score == score if score is not None else 0.0 <= (judged.score or 0.0) < 1.0


@pytest.mark.parametrize(("reason", "reference", "score"), [
    ("It collided.", "it  collided.", 1.0),
    ("I like the cube.", "The cube was pushed over.", None),
    ("The gripper did not close.", "It collided.", None),
    ("The robot was unsuccessful.", "The robot was unsuccessful.", 1.0),
])  # fmt: skip
def test_of_a_reference_that_cannot_be_read_nothing_is_decided_but_that_the_same_is_right(
    reason: str, reference: str, score: float | None
) -> None:
    assert SlotJudge().judge(reason, reference).score == score


def test_a_prompt_has_a_place_for_both_reasons(tmp_path: Path) -> None:
    file = tmp_path / "prompt.txt"
    file.write_text(PROMPT, encoding="utf-8-sig")
    assert read_prompt(file) == PROMPT
    file.write_text("{question}")
    with pytest.raises(DetectorError, match=r"must contain \{reference\} and \{reason\}"):
        read_prompt(file)
    with pytest.raises(DetectorError, match="cannot be read"):
        read_prompt(tmp_path)
