import json
from pathlib import Path

import pytest

from faultfield.detector import aha_scores
from faultfield.detector.judge import Judgement
from faultfield.errors import DetectorError
from faultfield.faults.llava import Problem


def _entry(key: str, truth: str) -> dict[str, object]:
    return {
        "id": key,
        "image": f"{key}.png",
        "conversations": [{"from": "human", "value": "<image>\nDid it work?"}, {"from": "gpt", "value": truth}],
    }


TRUTH = [
    _entry("0", "Yes"),
    _entry("1", "No, the robot gripper failed to close the gripper"),
    _entry("2", "No, the robot gripper moved with an offset along the y direction"),
    _entry("3", "Yes, the robot succeed at the sub-task."),
    _entry("4", "No, the robot gripper slipped"),
    _entry("5", "No, it slipped"),
]
ANSWERS = {
    "0": "yes",  # right: 1
    "1": "No, the robot gripper slips the gripper",  # right; 5 words in order of 6 and 8: F1 = 2*5/(6+8)
    "2": "Yes",  # wrong: 0
    "3": "No, the cube fell",  # wrong: 0
    "4": "No the robot gripper slipped",  # no comma: the verdict is not the bare word, wrong: 0
    # 5 is missing: wrong, 0
}


def test_hand_computed_numbers() -> None:
    scores = aha_scores.score(TRUTH, ANSWERS)
    # "the robot gripper … the gripper" is the longest common subsequence: five of six and of eight words.
    assert scores.accuracy.value == pytest.approx(2 / 6)
    assert scores.rouge_l.value == pytest.approx((1 + 2 * 5 / (6 + 8)) / 6)
    assert (scores.accuracy.count, scores.rouge_l.count, scores.missing) == (6, 6, 1)


def test_a_reason_without_a_comma_is_none_and_a_wrong_verdict_earns_nothing() -> None:
    reason = "the robot gripper slipped"
    assert aha_scores.question_rouge(f"No, {reason}", f"No, {reason}") == 1.0
    assert aha_scores.question_rouge("No", f"No, {reason}") == 0.0
    assert aha_scores.question_rouge(f"Yes, {reason}", f"No, {reason}") == 0.0
    assert aha_scores.question_rouge("Yes", "Yes, anything at all") == 1.0
    assert aha_scores.question_rouge(f"Maybe, {reason}", f"Maybe, {reason}") == 0.0


def test_words_count_by_their_stems() -> None:
    assert aha_scores.question_rouge("No, it slipped", "No, it slips") == 1.0


def test_a_judge_sees_whole_answers_and_may_abstain() -> None:
    class Half:
        def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
            assert "Did it work?" in question
            return Judgement(None if reason == "yes" else float(reason == reference), "")

    answers = {entry["id"]: entry["conversations"][1]["value"] for entry in TRUTH} | {"0": "yes", "5": "No"}  # type: ignore[index]
    assert aha_scores.score(TRUTH, answers, Half()).fuzzy.value == pytest.approx(4 / 5)


def test_no_answer_is_wrong_without_a_judge_and_one_that_cannot_be_judged_is_told() -> None:
    class Away:
        def judge(self, reason: str, reference: str, question: str = "") -> Judgement:
            assert reason
            if reason == "Yes":
                raise DetectorError("The endpoint is away.")
            return Judgement(1.0, "")

    problems: list[Problem] = []
    scores = aha_scores.score(TRUTH, ANSWERS, Away(), problems)
    # Four are judged right, one has no answer, one was not judged.
    assert (scores.fuzzy.value, scores.fuzzy.count, scores.accuracy.count) == (pytest.approx(4 / 5), 5, 6)
    assert [problem.id for problem in problems] == ["2"]
    with pytest.raises(DetectorError, match="is away"):
        aha_scores.score(TRUTH, ANSWERS, Away())


def test_answers_are_written_as_ahas_scripts_read_them(tmp_path: Path) -> None:
    aha_scores.write_answers(tmp_path / "a.jsonl", [("7", "Yes"), ("lift-7", "No, it slipped"), ("007", "Yes")])
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    # Its scripts compare `question_id` with the whole number that the conversation's id spells.
    assert lines[0] == {"question_id": 7, "text": "Yes"}
    assert lines[1] == {"question_id": "lift-7", "text": "No, it slipped"}
    assert lines[2]["question_id"] == "007"
    assert aha_scores.read_answers(tmp_path / "a.jsonl") == {"7": "Yes", "lift-7": "No, it slipped", "007": "Yes"}


def test_lines_and_other_names_of_the_roles_are_read(tmp_path: Path) -> None:
    turns = [{"from": "user", "value": "Did it work?"}, {"from": "assistant", "value": "No, it slipped"}]
    (tmp_path / "q.jsonl").write_text(json.dumps({"id": 4, "conversations": turns}) + "\n")
    found = aha_scores.score(aha_scores.read_conversations(tmp_path / "q.jsonl"), {"4": "No, it slipped"})
    assert (found.accuracy.value, found.rouge_l.value) == (1.0, 1.0)


def test_the_first_of_two_answers_counts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question_id": 1, "text": "Yes"}\n\n{"question_id": "1", "text": "No"}\n')
    assert aha_scores.read_answers(tmp_path / "a.jsonl") == {"1": "Yes"}


def test_a_byte_order_mark_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question_id": 1, "text": "Yes"}\n', encoding="utf-8-sig")
    assert aha_scores.read_answers(tmp_path / "a.jsonl") == {"1": "Yes"}


def test_what_ends_a_line_in_unicode_ends_no_answer(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"question_id": 1, "text": "No, it slipped\u2028and fell"}\r\n', newline="")
    assert aha_scores.read_answers(tmp_path / "a.jsonl") == {"1": "No, it slipped\u2028and fell"}


@pytest.mark.parametrize(
    "line", ['{"question_id": null, "text": "Yes"}', '{"question_id": 1, "text": null}', "[" * 200_000]
)
def test_what_is_no_answer_is_not_taken_for_one(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(line + "\n")
    with pytest.raises(DetectorError, match=r"Line 1 of '.*' is no answer"):
        aha_scores.read_answers(tmp_path / "a.jsonl")


def test_turns_that_say_nothing_are_passed_over() -> None:
    """As they are where the same entry is read to be judged: else hours of answers would end in an error."""
    odd = _entry("1", "No, it slipped")
    odd["conversations"] = [{"from": {}, "value": "?"}, {"from": "gpt", "value": None}, *odd["conversations"]]
    assert aha_scores.score([odd], {"1": "No, it slipped"}).rouge_l.value == 1.0


def test_an_entry_without_an_id_was_not_judged(tmp_path: Path) -> None:
    entries = [{**_entry("True", "Yes"), "id": True}, {**_entry("None", "Yes"), "id": None}]
    right = [_entry("True", "No, it slipped"), _entry("None", "No, it fell")]
    (tmp_path / "q.json").write_text(json.dumps([*entries, *right]))
    assert aha_scores.read_judged(tmp_path / "q.json", {"True", "None"}) == right


def test_bad_files_are_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match=r"no file of answers '.*none.jsonl'"):
        aha_scores.read_answers(tmp_path / "none.jsonl")
    (tmp_path / "a.jsonl").write_text('{"question_id": 1, "text": "Yes"}\n{"id": 2}\n')
    with pytest.raises(DetectorError, match="Line 2 of"):
        aha_scores.read_answers(tmp_path / "a.jsonl")
    (tmp_path / "q.json").write_text('{"id": 1}')
    with pytest.raises(DetectorError, match="a list of conversations, not a dict"):
        aha_scores.read_conversations(tmp_path / "q.json")
    (tmp_path / "q.json").write_text("[1]")
    with pytest.raises(DetectorError, match="a list of LLaVA conversations"):
        aha_scores.read_conversations(tmp_path / "q.json")
    for nameless in ({"id": True}, {"id": None}, {"id": ""}, {}):
        (tmp_path / "q.json").write_text(json.dumps([_entry("1", "Yes"), nameless]))
        with pytest.raises(DetectorError, match=r"Sample 2 of '.*' has no id"):
            aha_scores.read_conversations(tmp_path / "q.json")
    with pytest.raises(DetectorError, match="Conversation '9' has no answer"):
        aha_scores.score([{"id": "9", "conversations": [{"from": "human", "value": "?"}]}], {})
    with pytest.raises(DetectorError, match="no questions"):
        aha_scores.score([], {})
