import pytest

from faultfield.detector.prompts import (
    Example,
    Said,
    baseline_answer,
    baseline_question,
    conditioning,
    masked,
    parse_baseline,
    question,
    request,
)
from faultfield.faults import wording


def test_conditioning_tells_what_is_known_and_no_more() -> None:
    assert conditioning(Said()) == ""
    assert conditioning(Said(failed=False)) == "Given the previous detection is Yes.\n"
    assert conditioning(Said(reason="It slipped.")) == "Given the previous reasoning is It slipped.\n"
    both = conditioning(Said(True, "It\nslipped. "))
    assert both == "Given the previous detection is No.\nGiven the previous reasoning is It slipped.\n"


def test_a_task_is_not_told_its_own_annotation() -> None:
    annotation = Said(True, "It slipped.")
    assert masked(annotation, "detection") == Said(None, "It slipped.")
    assert masked(annotation, "reasoning") == Said(True, None)


def test_what_every_prompt_opens_with_is_what_detectors_were_trained_on() -> None:
    told = "the robot is attempting this task: Lift the cube.\nDid the robot succeed?\n"
    assert question("Lift the cube.") == f"In the image, {told}"
    assert question("Lift the cube.", video=True) == f"In the video, {told}"


def test_data_ask_what_prompts_ask() -> None:
    for video in (False, True):
        assert wording.question("Lift the cube.", video=video) + "\n" == question("Lift the cube.", video)


def test_question_names_the_task_once_whatever_its_full_stop() -> None:
    assert question("Lift the cube.") == question(" Lift the cube ")
    assert question("Lift the cube.").count("Lift the cube.") == 1
    assert "video" in question("Lift", video=True)
    assert "video" not in question("Lift")
    assert request("detection") != request("reasoning")


@pytest.mark.parametrize(
    ("text", "failed", "reason"),
    [
        ("<think>It slipped.</think>\n<answer>No</answer>", True, "It slipped."),
        ("<think>All\nwell.</think><answer> YES. </answer> and so on", False, "All\nwell."),
        ("<think></think>\n<answer>Yes</answer>", False, ""),
        ("No, it slipped.", None, "No, it slipped."),
        ("<think>It slipped.</think> No", None, "<think>It slipped.</think> No"),
        ("<think>Hm</think><answer>maybe</answer>", None, "<think>Hm</think><answer>maybe</answer>"),
        ("<think>Hm</think><answer>nothing</answer>", None, "<think>Hm</think><answer>nothing</answer>"),
        ("<answer>No</answer>", None, "<answer>No</answer>"),
        ("", None, ""),
    ],
)
def test_a_baseline_answer_is_taken_apart_or_counted_as_not_following(
    text: str, failed: bool | None, reason: str
) -> None:
    parsed = parse_baseline(text)
    assert (parsed.failed, parsed.reason) == (failed, reason)


@pytest.mark.parametrize("failed", [True, False])
@pytest.mark.parametrize("reason", ["It slipped.", None])
def test_what_plain_tuning_learns_is_what_is_parsed(failed: bool, reason: str | None) -> None:
    parsed = parse_baseline(baseline_answer(failed, reason))
    assert (parsed.failed, parsed.reason) == (failed, reason or "")


def test_few_shot_examples_come_before_the_question() -> None:
    text = baseline_question(
        "Open the door", examples=[Example("Lift it", True, "It fell."), Example("Push", False, "Ok")]
    )
    parts = [text.index(part) for part in ("Lift it", "It fell.", "<answer>No", "Push", "<answer>Yes", "Open the door")]
    assert parts == sorted(parts)
    assert baseline_question("Open the door") in text
