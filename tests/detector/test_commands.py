"""`faultfield explain` and `faultfield detector train|eval` from the command line, in this process."""

import json
from pathlib import Path

import numpy as np
import pytest

from faultfield.cli import explain
from faultfield.detector import aha_scores, checkpoint
from faultfield.faults.pictures import write_picture
from faultfield.rollouts.video import write as write_video
from tests.detector import pockets
from tests.detector.server import closed, served
from tests.shell import Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    checkpoint.save(pockets.model(), folder)
    return folder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return pockets.conversations(tmp_path / "data.json", pockets.samples(4))


ROOT = Path(__file__).parents[2]
QUICK = ("--rounds", "1", "--samples", "1")
KEYS = {"failure_probability", "reason", "detection_entropy", "reason_entropy"}


def test_explain_prints_verdicts_as_json_and_nothing_else(shell: Shell, detector: Path, data: Path) -> None:
    film = data.parent / "film.mp4"
    write_video(film, np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3)).astype(np.uint8), 5.0)
    how = ("--rounds", "2", "--samples", "2", "--instruction", "Lift it.")
    code, out, _ = shell("explain", data, film, "--model", detector, "--json", *how)
    assert code == 0
    printed = json.loads(out)
    assert set(printed) == {"verdicts"}
    assert [each["id"] for each in printed["verdicts"]] == ["s0", "s1", "s2", "s3", "film"]
    for each in printed["verdicts"]:
        assert set(each) == {"id", "failed", "failure_probability", "reason", "rounds"}
        assert each["failed"] == (each["failure_probability"] >= 0.5)
        assert 1 <= len(each["rounds"]) <= 2
        assert all(set(one) == KEYS for one in each["rounds"])


def test_explain_tells_people_how_it_changed_over_the_rounds(shell: Shell, detector: Path, data: Path) -> None:
    code, out, _ = shell("explain", data.parent / "images" / "s0.png", "--model", detector, *QUICK)
    assert code == 0
    assert out.startswith(("s0: failed (", "s0: succeeded ("))
    assert "round 1: failure 0." in out


def test_files_of_one_name_keep_apart(shell: Shell, detector: Path, data: Path) -> None:
    twin = data.parent / "other" / "s0.png"
    twin.parent.mkdir()
    twin.write_bytes((data.parent / "images" / "s0.png").read_bytes())
    arguments = ("explain", data.parent / "images" / "s0.png", twin, "--model", detector, "--json", *QUICK)
    code, out, _ = shell(*arguments)
    assert code == 0
    assert len({each["id"] for each in json.loads(out)["verdicts"]}) == 2


def test_a_bad_item_in_a_batch_is_reported_and_the_rest_goes_on(shell: Shell, detector: Path, data: Path) -> None:
    entries = json.loads(data.read_text())
    entries[1]["image"] = "images/none.png"
    (data.parent / "images" / "s2.png").write_bytes(b"")
    data.write_text(json.dumps(entries))
    code, out, err = shell("explain", data, data.parent / "no.mp4", "--model", detector, "--json", *QUICK)
    assert code == 0
    assert [each["id"] for each in json.loads(out)["verdicts"]] == ["s0", "s3"]
    told = [line for line in err.splitlines() if line.startswith("Left out: ")]
    assert len(told) == 3
    assert any("'images/none.png' of the conversation 's1' is missing" in line for line in told)


@pytest.mark.parametrize(("name", "content", "sentence"), [
    ("a.mp4", b"", "is empty: a file of zero bytes"),
    ("a.mp4", b"no film at all", "no video that can be read"),
    ("a.png", b"no picture", "no picture that can be read"),
    ("a.json", b"{", "is not valid JSON"),
    ("a.json", b"[]", "holds no conversation"),
    ("a.txt", b"", "its kind '.txt' is unknown"),
    (None, b"", "There is no file"),
])  # fmt: skip
def test_a_single_bad_input_is_one_sentence_and_exit_code_2(
    shell: Shell, detector: Path, tmp_path: Path, name: str | None, content: bytes, sentence: str
) -> None:
    path = tmp_path / (name or "none.mp4")
    if name is not None:
        path.write_bytes(content)
    code, out, err = shell("explain", path, "--model", detector, "--json")
    assert (code, out) == (2, "")
    assert err.startswith("faultfield: ")
    assert sentence in err
    assert len(err.strip().splitlines()) == 1


def test_a_directory_or_a_model_that_is_none_is_said_in_one_sentence(shell: Shell, detector: Path, data: Path) -> None:
    code, _, err = shell("explain", data.parent, "--model", detector)
    assert (code, "holds no study" in err) == (2, True)
    code, _, err = shell("explain", data, "--model", data.parent)
    assert (code, "is no detector" in err) == (2, True)


def test_the_detector_that_ships_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (explain.shipped() / checkpoint.SETTINGS).samefile(ROOT / "models" / "detector" / checkpoint.SETTINGS)
    (tmp_path / explain.SHIPPED).mkdir(parents=True)
    assert explain.shipped().samefile(tmp_path / "models" / "detector")


def test_where_the_detector_was_looked_for_is_said(
    shell: Shell, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(explain, "_REPOSITORY", tmp_path / "site")
    code, out, err = shell("explain", data)
    assert (code, out) == (2, "")
    assert f"no detector in 'models/detector' nor in '{tmp_path}/site/models/detector'" in err
    assert "--model" in err


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


def test_train_makes_a_detector_that_eval_can_read(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    settings = "{warm_up_epochs: 1, conditioned_epochs: 1, online_epochs: 1, rounds: 2, batch: 2, max_reason: 3}"
    common = ("detector", "train", "--data", data, "--out", out, "--view", "{frames: 2, cell: 42}", "--settings")
    code, _, err = shell(*common, settings)
    assert code == 0
    assert "5 steps on 4 samples (2 dense)" in err
    # Nothing else taught its eyes.
    assert json.loads((out / "training.json").read_text())["config"]["freeze_vision"] is False
    code, printed, _ = shell("detector", "eval", "--data", data, "--model", out, "--json", *QUICK)
    assert (code, json.loads(printed)["samples"]) == (0, 4)
    assert "Already trained" not in err
    code, _, err = shell(*common, settings)
    assert (code, "Already trained: 5 steps on 4 samples (2 dense)" in err) == (0, True)
    picture, other = (data.parent / "images" / f"s{number}.png" for number in (0, 1))
    whole = picture.read_bytes()
    picture.write_bytes(other.read_bytes())
    code, _, err = shell(*common, settings)
    assert (code, "was trained otherwise" in err) == (2, True)
    picture.write_bytes(whole)
    code, _, err = shell(*common, "{lr: fast}")
    assert (code, "'lr' cannot be 'fast'" in err) == (2, True)
    code, _, err = shell(*common, "lr")
    assert (code, "YAML mapping" in err) == (2, True)
    code, _, err = shell(*common, settings, "--model", out)
    assert (code, "leave --view out" in err) == (2, True)


def test_a_wrong_type_to_store_is_said_before_anything_is_trained(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "trained"
    code, _, err = shell("detector", "train", "--data", data, "--out", out, "--store", "fp16")
    assert (code, "not 'fp16'" in err) == (2, True)
    assert not out.exists()


def test_splits_are_of_directories(shell: Shell, data: Path, tmp_path: Path) -> None:
    code, _, err = shell("detector", "train", "--data", data, "--out", tmp_path / "trained", "--split", "train-dense")
    assert (code, "Files have no splits" in err) == (2, True)
    assert not (tmp_path / "trained").exists()


@pytest.mark.parametrize("option", [
    ("--limit", "3"), ("--failed-only",), ("--variation", "{table_color: red}"), ("--stage", "hunt"),
    ("--workers", "2"),
])  # fmt: skip
def test_what_is_chosen_of_studies_is_not_chosen_of_files(
    shell: Shell, data: Path, tmp_path: Path, option: tuple[str, ...]
) -> None:
    # No detector is needed to see it.
    code, out, err = shell("explain", data, "--model", tmp_path / "none", *option)
    assert (code, out) == (2, "")
    assert f"{option[0]} is for a study's directory" in err


@pytest.mark.parametrize("place", ["", "none/answers.jsonl"])
def test_answers_that_cannot_be_written_are_said_before_anything_is_judged(
    shell: Shell, data: Path, tmp_path: Path, place: str
) -> None:
    where = tmp_path / place
    code, out, err = shell("detector", "eval", "--data", data, "--model", tmp_path / "none", "--answers", where)
    assert (code, out) == (2, "")
    assert f"cannot be written to '{where}'" in err
    assert not (tmp_path / "none").exists()


def test_worked_examples_are_for_prompted_models(shell: Shell, detector: Path, data: Path) -> None:
    code, out, err = shell("detector", "eval", "--data", data, "--model", detector, "--shots", data)
    assert (code, out) == (2, "")
    assert "leave --shots out" in err
    code, out, err = shell("detector", "eval", "--data", data, "--model", detector, "--url", "http://127.0.0.1:1/v1")
    assert (code, out) == (2, "")
    assert "--url is of the baseline 'endpoint'" in err


def test_train_leaves_out_what_cannot_be_read(shell: Shell, data: Path, tmp_path: Path) -> None:
    cut = data.parent / "images" / "s1.png"
    cut.write_bytes(cut.read_bytes()[:-300])
    settings = "{warm_up_epochs: 1, conditioned_epochs: 0, online_epochs: 0, batch: 3}"
    how = ("--view", "{frames: 2, cell: 42}", "--settings", settings)
    code, _, err = shell("detector", "train", "--data", data, "--out", tmp_path / "trained", *how)
    assert code == 0
    assert "Left out: " in err
    assert "1 steps on 3 samples (2 dense)" in err


def test_a_picture_of_one_frame_is_judged(shell: Shell, detector: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "photo.png", np.full((40, 64, 3), 90, np.uint8))
    code, out, _ = shell("explain", tmp_path / "photo.png", "--model", detector, "--json", *QUICK)
    assert (code, json.loads(out)["verdicts"][0]["id"]) == (0, "photo")


STUDY = """
policy: {type: "tests.toy:PointPolicy"}
environment: {type: "tests.toy:PointReach"}
known: {goal_color: [red, green]}
unseen: {goal_color: [blue]}
"""


def test_the_episodes_of_a_study_are_judged(shell: Shell, detector: Path, tmp_path: Path) -> None:
    from faultfield.rollouts.episode import Episode
    from faultfield.study import Study
    from faultfield.variations import NOMINAL

    file, folder = tmp_path / "study.yaml", tmp_path / "run"
    file.write_text(STUDY)
    film = np.random.default_rng(0).integers(0, 255, (5, 28, 28, 3)).astype(np.uint8)
    with Study.open(file, folder) as study:
        for seed, video in ((0, film), (1, None)):
            identity = study.identity["policy"], study.identity["environment"]
            study.ledger.append(Episode(NOMINAL, seed, True, 5, *identity, "known", video=video))
    code, out, err = shell("explain", folder, "--model", detector, "--json", *QUICK)
    assert code == 0
    (verdict,) = json.loads(out)["verdicts"]
    assert verdict["id"].endswith("-0")
    assert set(verdict) == {"id", "failed", "failure_probability", "reason", "rounds"}
    assert "1 new verdicts, 1 in all" in err
    assert "Left out: The episode of seed 1" in err
    with Study.open(folder) as study:
        ((key, kept),) = study.ledger.verdicts().items()
    assert (key[3], kept.failure_probability, kept.reason) == (0, verdict["failure_probability"], verdict["reason"])
    code, again, err = shell("explain", folder, "--model", detector, "--json", "--limit", "1", *QUICK)
    assert (code, again) == (0, out)
    assert "0 new verdicts, 1 in all" in err


@pytest.mark.parametrize(("option", "sentence"), [
    (("--variation", "red"), "A variation is a YAML mapping such as"),
    (("--variation", "{goal_colour: red}"), "goal_colour"),
    (("--stage", "verify"), "has no episode of the kind asked for"),
])  # fmt: skip
def test_what_cannot_be_chosen_of_a_study_is_one_sentence(
    shell: Shell, detector: Path, tmp_path: Path, option: tuple[str, str], sentence: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "study.yaml").write_text(STUDY)
    code, out, err = shell("explain", tmp_path / "run", "--model", detector, *option, *QUICK)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.split())
    assert "Traceback" not in err


def test_a_baseline_behind_an_endpoint_is_measured_by_the_same_command(shell: Shell, data: Path) -> None:
    with served(lambda body: f"<think>{pockets.REASON}</think><answer>No</answer>") as (url, seen):
        code, out, _ = shell(
            "detector", "eval", "--data", data, "--baseline", "endpoint", "--url", url, "--shots", data, "--json",
            "--shots-count", "1", "--view", "{frames: 2, cell: 14}",
        )  # fmt: skip
    assert (code, len(seen)) == (0, 4)
    text = seen[0]["body"]["messages"][1]["content"][-1]["text"]
    assert (text.count("Example 1:"), text.count("Example 2:")) == (1, 0)
    scores = json.loads(out)["scores"]
    assert scores["accuracy"]["value"] == 0.5
    assert scores["recall"]["value"] == 1.0


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
