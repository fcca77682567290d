"""`faultfield detector eval` from the command line, in this process."""

import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from faultfield.detector import aha_scores
from tests.detector import pockets
from tests.detector.server import closed, served
from tests.shell import Shell

QUICK = ("--rounds", "1", "--samples", "1")


def test_eval_writes_ahas_answers_and_its_numbers(shell: Shell, detector: Path, data: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    code, out, _ = shell(
        "detector", "eval", "--data", data, "--model", detector, "--answers", answers, "--json", *QUICK
    )  # fmt: skip
    assert code == 0
    printed = json.loads(out)
    assert printed["samples"] == 4
    assert printed["problems"] == []
    assert {"accuracy", "precision", "recall", "auroc", "rouge_l", "reason", "unreadable"} == set(printed["scores"])
    again = aha_scores.score(aha_scores.read_conversations(data), aha_scores.read_answers(answers))
    assert printed["aha"] == again.as_json()
    assert printed["aha"]["accuracy"]["value"] == printed["scores"]["accuracy"]["value"]
    assert printed["scores"]["reason"]["count"] == 2


def test_eval_with_labelled_episodes(shell: Shell, detector: Path, data: Path) -> None:
    known = Path(shutil.copy(data, data.with_name("known.json")))
    how = ("detector", "eval", "--data", data, "--model", detector, "--labelled", known, "--json", *QUICK)
    code, out, err = shell(*how)
    told = re.search(r"right on (\d) of 4 labelled episodes", err)
    assert (code, told is not None) == (0, True)
    assert told is not None
    assert json.loads(out)["scores"]["accuracy"]["value"] == int(told[1]) / 4
    code, _, err = shell(*how, "--baseline", "fine-tuned")
    assert (code, "leave --labelled out" in err) == (2, True)


def test_labelled_episodes_are_not_of_the_tested_file(shell: Shell, data: Path) -> None:
    same = data.parent / "." / data.name
    code, out, err = shell("detector", "eval", "--data", data, "--model", data.parent / "none", "--labelled", same)
    assert (code, out, "name another --labelled" in err) == (2, "", True)


def test_eval_by_one_camera(shell: Shell, detector: Path, data: Path, tmp_path: Path) -> None:
    found = []
    for cameras in ("front,wrist,overhead", "front", "overhead"):
        answers = tmp_path / f"{cameras}.jsonl"
        more = ("--cameras", cameras, "--answers", answers)
        assert shell("detector", "eval", "--data", data, "--model", detector, *more, *QUICK)[0] == 0
        found.append(answers.read_text())
    assert len(set(found)) == 3
    code, _, err = shell("detector", "eval", "--data", data, "--model", detector, "--cameras", "side")
    assert code == 2
    assert "some of front, wrist, overhead, with commas, not 'side'" in err


def test_eval_scores_the_rest_of_a_file_with_bad_entries(shell: Shell, detector: Path, data: Path) -> None:
    entries = json.loads(data.read_text())
    twice = {**entries[0], "conversations": entries[0]["conversations"][:1]}
    data.write_text(json.dumps([*entries, None, twice]))
    code, out, _ = shell("detector", "eval", "--data", data, "--model", detector, "--json", *QUICK)
    assert code == 0
    printed = json.loads(out)
    assert (printed["samples"], len(printed["problems"])) == (4, 2)
    assert printed["aha"]["accuracy"]["count"] == 4


def test_eval_needs_labels(shell: Shell, detector: Path, data: Path) -> None:
    entries = [{**each, "conversations": each["conversations"][:1]} for each in json.loads(data.read_text())]
    data.write_text(json.dumps(entries))
    code, out, err = shell("detector", "eval", "--data", data, "--model", detector, "--json")
    assert (code, out) == (2, "")
    assert "has no verdict" in err


def test_eval_says_why_nothing_could_be_judged(shell: Shell, detector: Path, data: Path) -> None:
    for number in range(4):
        picture = data.parent / "images" / f"s{number}.png"
        picture.write_bytes(picture.read_bytes()[:-300])
    code, out, err = shell("detector", "eval", "--data", data, "--model", detector, "--json", *QUICK)
    assert (code, out) == (2, "")
    assert "Nothing could be judged. " in err
    assert "s0.png" in err
    # Three causes are enough to tell.
    assert "s3.png" not in err
    assert "And 1 more." in err


# Nobody, whoever it is, makes a file in /proc.
@pytest.mark.parametrize("place", ["", "none/answers.jsonl", "/proc/answers.jsonl"])
def test_answers_that_cannot_be_written_are_said_before_anything_is_judged(
    shell: Shell, data: Path, tmp_path: Path, place: str
) -> None:
    where = tmp_path / place
    code, out, err = shell("detector", "eval", "--data", data, "--model", tmp_path / "none", "--answers", where)
    assert (code, out) == (2, "")
    assert f"cannot be written to '{where}'" in err
    assert not (tmp_path / "none").exists()


def test_answers_are_not_written_over_the_data(shell: Shell, detector: Path, data: Path) -> None:
    before, known = data.read_bytes(), Path(shutil.copy(data, data.with_name("known.json")))
    how = ("detector", "eval", "--data", data, "--model", detector)
    examples = ("--baseline", "prompted", "--shots", known)
    for over, more in ((data, ()), (known, ("--labelled", known)), (known, examples)):
        code, out, err = shell(*how, *more, "--answers", over.parent / "." / over.name)
        assert (code, out) == (2, "")
        assert "would be written over the data" in err
        assert over.read_bytes() == before


def test_worked_examples_are_for_prompted_models(shell: Shell, detector: Path, data: Path) -> None:
    code, out, err = shell("detector", "eval", "--data", data, "--model", detector, "--shots", data)
    assert (code, out) == (2, "")
    assert "leave --shots out" in err
    code, out, err = shell("detector", "eval", "--data", data, "--model", detector, "--url", "http://127.0.0.1:1/v1")
    assert (code, out) == (2, "")
    assert "--url is of the baseline 'endpoint'" in err


def test_a_baseline_behind_an_endpoint_is_measured_by_the_same_command(shell: Shell, data: Path) -> None:
    shots = Path(shutil.copy(data, data.with_name("shots.json")))
    with served(lambda body: f"<think>{pockets.REASON}</think><answer>No</answer>") as (url, seen):
        code, out, err = shell("detector", "eval", "--data", data, *PROMPTED, "--url", url, "--shots", data)
        assert (code, out, seen) == (2, "", [])
        assert "would tell its answers" in err
        code, out, _ = shell(
            "detector", "eval", "--data", data, "--baseline", "endpoint", "--url", url, "--shots", shots, "--json",
            "--shots-count", "1", "--view", "{frames: 2, cell: 14}",
        )  # fmt: skip
    assert (code, len(seen)) == (0, 4)
    text = seen[0]["body"]["messages"][1]["content"][-1]["text"]
    assert (text.count("Example 1:"), text.count("Example 2:")) == (1, 0)
    scores = json.loads(out)["scores"]
    assert scores["accuracy"]["value"] == 0.5
    assert scores["recall"]["value"] == 1.0


def test_a_baselines_key_and_the_length_of_its_answers_are_the_users(
    shell: Shell, detector: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THEIR_KEY", "secret")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    how = ("detector", "eval", "--data", data, "--json")
    sent = []
    with served(lambda body: "<answer>No</answer><think>It fell.</think>") as (url, seen):
        for more in ((), ("--key", "THEIR_KEY", "--max-tokens", "2000")):
            assert shell(*how, *PROMPTED, "--url", url, *more)[0] == 0
            sent.append((seen[-1]["key"], seen[-1]["body"]["max_tokens"]))
    assert sent == [(None, 256), ("Bearer secret", 2000)]
    for more, sentence in (
        (("--key", "THEIR_KEY"), "--key is of the baseline 'endpoint'"),
        (("--baseline", "prompted", "--key", "THEIR_KEY"), "--key is of the baseline 'endpoint'"),
        (("--max-tokens", "256"), "--max-tokens is of a baseline"),
        (("--view", "{kind: video}"), "--view is of a baseline"),
        (("--baseline", "prompted", "--rounds", "2"), "--rounds is of a detector and of no baseline"),
        (("--shots-count", "2"), "--shots-count needs --shots"),
        (("--judge-model", "m"), "--judge-model needs a judge"),
    ):
        code, out, err = shell(*how, "--model", detector, *more)
        assert (code, out) == (2, "")
        assert sentence in err


PROMPTED = ("--baseline", "endpoint", "--view", "{frames: 2, cell: 14}")


def test_a_server_that_is_gone_ends_the_run_and_one_bad_answer_does_not(
    shell: Shell, detector: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[float] = []
    monkeypatch.setattr("faultfield.detector.endpoint.time.sleep", told.append)
    for option in ((*PROMPTED, "--url", closed()), ("--model", detector, "--judge-url", closed(), *QUICK)):
        code, out, err = shell("detector", "eval", "--data", data, "--json", *option)
        assert (code, out) == (2, "")
        assert "cannot be reached" in err
        assert len(err.strip().splitlines()) == 1
    assert not told
    answers = iter([400, b"<html>", "<answer>Yes</answer><think>It did.</think>", "No."])
    with served(lambda body: next(answers)) as (url, _):
        code, out, err = shell("detector", "eval", "--data", data, "--json", *PROMPTED, "--url", url, "--batch", "1")
    assert (code, json.loads(out)["samples"]) == (0, 2)
    assert err.count("Left out: ") == 2


def leaving(after: int, said: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], str]:
    """What a server says that so many requests later has gone for good."""
    asked: list[Any] = []
    urlopen = urllib.request.urlopen

    def answer(body: Any) -> str:
        asked.append(body)
        return said

    def opened(*given: Any, **how: Any) -> Any:
        if len(asked) >= after:
            raise urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))
        return urlopen(*given, **how)

    monkeypatch.setattr("urllib.request.urlopen", opened)
    monkeypatch.setattr("faultfield.detector.endpoint.time.sleep", lambda seconds: None)
    return answer


@pytest.mark.parametrize("as_json", [True, False])
def test_what_was_judged_before_a_server_has_gone_is_written_and_scored(
    shell: Shell, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    answers = tmp_path / "answers.jsonl"
    with served(leaving(3, "<answer>No</answer><think>It fell.</think>", monkeypatch)) as (url, _):
        code, out, err = shell(
            "detector", "eval", "--data", data, *PROMPTED, "--url", url, "--batch", "1", "--answers", answers,
            *(["--json"] if as_json else []),
        )  # fmt: skip
    assert code == 2
    assert "cannot be reached" in err
    assert "3 of 4 samples were judged before." in err
    assert list(aha_scores.read_answers(answers)) == ["s0", "s1", "s2"]
    if not as_json:
        assert "accuracy   0.667" in out
        return
    printed = json.loads(out)
    assert (printed["samples"], printed["scores"]["accuracy"]["count"], printed["aha"]["missing"]) == (3, 3, 0)
    assert "cannot be reached" in printed["cut_short"]


def test_a_judge_that_has_gone_costs_its_own_number_alone(
    shell: Shell, detector: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(leaving(1, "Judgement: correct", monkeypatch)) as (url, _):
        code, out, err = shell(
            "detector", "eval", "--data", data, "--model", detector, "--judge-url", url, "--json", *QUICK
        )  # fmt: skip
    printed = json.loads(out)
    assert (code, printed["samples"], printed["scores"]["accuracy"]["count"]) == (2, 4, 4)
    assert (printed["scores"]["reason"], printed["scores"]["rouge_l"]["count"]) == (None, 2)
    assert "cannot be reached" in err
    assert "cannot be reached" in printed["cut_short"]


def test_answers_that_are_there_are_scored_without_a_model_or_pictures(shell: Shell, tmp_path: Path) -> None:
    truths = ("Yes", "No, it slipped", "No, it fell", "Yes")
    entries = [{"id": n, "conversations": [{"from": "gpt", "value": truth}]} for n, truth in enumerate(truths)]
    data, answers = tmp_path / "data.json", tmp_path / "answers.jsonl"
    data.write_text(json.dumps(entries))
    aha_scores.write_answers(answers, [("0", "Yes"), ("1", "No, it slipped"), ("2", "Yes")])
    code, out, err = shell("detector", "eval", "--data", data, "--score", answers, "--json")
    assert (code, err) == (0, "")
    printed = json.loads(out)
    assert (printed["questions"], printed["aha"]["missing"], printed["aha"]["fuzzy"]) == (4, 1, None)
    assert (printed["aha"]["accuracy"]["value"], printed["aha"]["rouge_l"]["value"]) == (0.5, 0.5)
    with served(lambda body: "Judgement: partially correct") as (url, seen):
        code, out, _ = shell("detector", "eval", "--data", data, "--score", answers, "--judge-url", url)
    assert (code, len(seen)) == (0, 3)
    assert "fuzzy      0.375" in out
    assert "missing    1" in out


def test_what_cannot_be_scored_is_one_sentence(shell: Shell, data: Path, tmp_path: Path) -> None:
    answers = tmp_path / "answers.jsonl"
    aha_scores.write_answers(answers, [("another", "Yes")])
    for more, sentence in (((), "answers none of the questions"), (("--model", tmp_path), "leave --model out")):
        code, out, err = shell("detector", "eval", "--data", data, "--score", answers, "--json", *more)
        assert (code, out) == (2, "")
        assert sentence in err


@pytest.mark.parametrize("typed", [
    ("--view", "{}"), ("--rounds", "4"), ("--samples", "2"), ("--shots-count", "3"), ("--name", "mine"),
    ("--batch", "8"), ("--seed", "0"), ("--device", "cpu"), ("--dtype", "float32"), ("--answers", "a.jsonl"),
    ("--baseline", "prompted"), ("--url", "http://127.0.0.1:1/v1"), ("--shots", "s.json"),
    ("--key", "K"), ("--max-tokens", "9"),
])  # fmt: skip
def test_what_a_score_of_answers_cannot_use_is_refused(
    shell: Shell, data: Path, tmp_path: Path, typed: tuple[str, str]
) -> None:
    answers = tmp_path / "answers.jsonl"
    aha_scores.write_answers(answers, [("s0", "Yes")])
    code, out, err = shell("detector", "eval", "--data", data, "--score", answers, "--json", *typed)
    assert (code, out) == (2, "")
    assert f"leave {typed[0]} out." in err


def test_the_judges_prompt_is_the_users(shell: Shell, detector: Path, data: Path, tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("Is {reason} the same as {reference}?")
    how = ("detector", "eval", "--data", data, "--model", detector, "--judge-prompt", prompt, *QUICK)
    with served(lambda body: "Judgement: correct") as (url, seen):
        code, out, _ = shell(*how, "--judge-url", url, "--json")
        assert (code, json.loads(out)["scores"]["reason"]["value"]) == (0, 1.0)
        asked = seen[0]["body"]["messages"][0]["content"]
        assert asked.startswith("Is ")
        assert asked.endswith(f" the same as {pockets.REASON}?")
        prompt.write_text("Is {reason} right?")
        code, _, err = shell(*how, "--judge-url", url)
        assert (code, "must contain {reference}." in err) == (2, True)
    code, _, err = shell(*how)
    assert (code, "name one with --judge-url" in err) == (2, True)
