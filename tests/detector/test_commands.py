"""`faultfield explain` and `faultfield detector train` from the command line, in this process."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from faultfield.cli import judging
from faultfield.detector import checkpoint
from faultfield.detector.training import run
from faultfield.faults.pictures import write_picture
from faultfield.rollouts.video import write as write_video
from tests.detector import pockets
from tests.shell import Shell

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


def test_the_likeliest_words_do_not_depend_on_the_seed(shell: Shell, detector: Path, data: Path) -> None:
    def reasons(temperature: str, seed: str) -> list[str]:
        how = ("--model", detector, "--json", "--temperature", temperature, "--seed", seed, *QUICK)
        code, out, _ = shell("explain", data, *how)
        assert code == 0
        return [each["reason"] for each in json.loads(out)["verdicts"]]

    assert reasons("0", "1") == reasons("0", "2")
    _, _, err = shell("explain", data, "--model", detector, "--seed", "1", "--rounds", "1")
    assert "nothing depends on --seed; --temperature 0.7 draws answers" in err
    assert reasons("2", "1") != reasons("2", "2")
    code, _, err = shell("explain", data, "--model", detector, "--temperature", "inf")
    assert (code, "a temperature from 0 on" in err) == (2, True)


def test_explain_tells_people_how_it_changed_over_the_rounds(shell: Shell, detector: Path, data: Path) -> None:
    code, out, _ = shell("explain", data.parent / "images" / "s0.png", "--model", detector, *QUICK)
    assert code == 0
    assert out.startswith(("s0: failed (", "s0: succeeded ("))
    assert "round 1: failure 0." in out


def test_the_head_alone_says_how_likely_and_not_why(shell: Shell, detector: Path, data: Path) -> None:
    how = ("explain", data, "--model", detector)
    _, whole, _ = shell(*how, "--json", *QUICK)
    code, out, _ = shell(*how, "--json", "--detect-only")
    assert code == 0
    for alone, explained in zip(json.loads(out)["verdicts"], json.loads(whole)["verdicts"], strict=True):
        assert set(alone) == set(explained)
        assert (alone["id"], alone["failed"], alone["reason"]) == (explained["id"], explained["failed"], "")
        assert alone["failure_probability"] == pytest.approx(explained["failure_probability"], abs=1e-5)
        assert (alone["rounds"], len(explained["rounds"])) == ([], 1)
    code, out, _ = shell(*how, "--detect-only")
    assert code == 0
    assert all(re.fullmatch(r"s\d: (failed|succeeded) \(\d+%\)", line) for line in out.splitlines())
    assert len(out.splitlines()) == 4


def test_the_head_alone_is_for_files_and_draws_nothing(shell: Shell, data: Path, tmp_path: Path) -> None:
    for what, sentence in (((data, "--rounds", "4"), "leave --rounds out"), ((tmp_path,), "leave --detect-only out")):
        # No detector is needed to see it.
        code, out, err = shell("explain", *what, "--detect-only", "--model", tmp_path / "none")
        assert (code, out) == (2, "")
        assert sentence in err


def test_labelled_episodes_say_where_verdicts_divide(shell: Shell, detector: Path, data: Path) -> None:
    # An untrained head holds blue for failure, so here it is.
    blue = [replace(each, failed=not each.failed, reason=None) for each in pockets.samples(4)]
    labelled = pockets.conversations(data.parent / "labelled.json", blue)
    how = ("explain", data, "--model", detector, "--json", *QUICK)
    _, plain, _ = shell(*how)
    code, out, err = shell(*how, "--labelled", labelled)
    assert code == 0
    told = re.search(r"right on (\d) of 4 labelled episodes, on (\d) without", err)
    assert told is not None
    truth = {each.id: each.failed for each in blue}
    right, before = (
        sum(each["failed"] == truth[each["id"]] for each in json.loads(printed)["verdicts"]) for printed in (out, plain)
    )
    assert (right, before) == (int(told[1]), int(told[2]))
    assert right > before
    # Of a task that nobody labelled, nothing changes, and that is told.
    other = data.parent / "other.json"
    other.write_text(labelled.read_text().replace("Lift the cube", "Stack the cubes"))
    code, out, err = shell(*how, "--labelled", other)
    assert (code, out) == (0, plain)
    assert "these change nothing; --instruction says it of both" in err


def test_labelled_episodes_of_one_kind_are_refused(shell: Shell, detector: Path, data: Path) -> None:
    said = json.loads(data.read_text())
    failures = data.parent / "failures.json"
    failures.write_text(json.dumps([said[0], said[2]]))
    for labelled, sentence in (
        (failures, "all 2 labelled episodes are failures"),
        (data.parent / "no.json", "no.json"),
    ):
        code, out, err = shell("explain", data, "--model", detector, "--labelled", labelled, "--json", *QUICK)
        assert (code, out) == (2, "")
        assert sentence in err


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


def test_a_photograph_is_no_episode(shell: Shell, detector: Path, tmp_path: Path) -> None:
    write_picture(tmp_path / "photograph.png", np.zeros((48, 64, 3), np.uint8))
    code, out, err = shell("explain", tmp_path / "photograph.png", "--model", detector)
    assert (code, out, len(err.strip().splitlines())) == (2, "", 1)
    assert "shows one moment, which is no episode" in err


def test_a_directory_or_a_model_that_is_none_is_said_in_one_sentence(shell: Shell, detector: Path, data: Path) -> None:
    code, _, err = shell("explain", data.parent, "--model", detector)
    assert (code, "holds no study" in err) == (2, True)
    code, _, err = shell("explain", data, "--model", data.parent)
    assert (code, "is no detector" in err) == (2, True)


def test_the_detector_that_ships_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert (judging.shipped() / checkpoint.SETTINGS).samefile(ROOT / "models" / "detector" / checkpoint.SETTINGS)
    (tmp_path / judging.SHIPPED).mkdir(parents=True)
    assert judging.shipped().samefile(tmp_path / "models" / "detector")


def test_where_the_detector_was_looked_for_is_said(
    shell: Shell, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(judging, "_REPOSITORY", tmp_path / "site")
    (tmp_path / "site" / judging.SHIPPED).mkdir(parents=True)
    # What a wheel was unpacked to is no repository, whatever lies there.
    code, out, err = shell("explain", data)
    assert (code, out) == (2, "")
    assert "no detector in 'models/detector'; name the directory of one with --model" in err
    (tmp_path / "site" / judging.SHIPPED).rmdir()
    (tmp_path / "site" / "pyproject.toml").touch()
    code, out, err = shell("explain", data)
    assert (code, out) == (2, "")
    assert f"no detector in 'models/detector' nor in '{tmp_path}/site/models/detector'; name" in err


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


def test_how_much_of_the_pictures_is_kept_can_be_said(
    shell: Shell, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms: list[int | None] = []

    def train(*_: object, room: int | None, **__: object) -> dict[str, object]:
        rooms.append(room)
        return {"last": None, "steps": 0, "samples": 4, "dense": 2}

    monkeypatch.setattr(run, "train", train)
    for said in ((), ("--keep", "0"), ("--keep", "4000")):
        how = ("--out", tmp_path / "out", "--view", "{frames: 2, cell: 42}", *said)
        assert shell("detector", "train", "--data", data, *how)[0] == 0
    assert rooms == [None, 0, 4_000_000_000]


def test_a_plainly_fine_tuned_model_is_asked_as_it_was_trained(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    how = ("--settings", "{method: sft-s+d, warm_up_epochs: 1, conditioned_epochs: 0, online_epochs: 0, batch: 2}")
    assert shell("detector", "train", "--data", data, "--out", out, "--view", "{frames: 2, cell: 42}", *how)[0] == 0
    code, out_text, err = shell("explain", data, "--model", out)
    assert (code, out_text) == (2, "")
    assert "was fine-tuned plainly" in err
    code, printed, _ = shell("detector", "eval", "--data", data, "--model", out, "--baseline", "fine-tuned", "--json")
    assert (code, json.loads(printed)["samples"]) == (0, 4)


def test_layers_that_are_not_there_cannot_be_adapted(shell: Shell, data: Path, tmp_path: Path) -> None:
    how = ("--view", "{frames: 2, cell: 42}", "--settings", "{lora: {targets: [foo]}}")
    code, _, err = shell("detector", "train", "--data", data, "--out", tmp_path / "out", *how)
    assert (code, "no layers named foo to adapt" in err) == (2, True)


def test_every_bad_entry_is_told_where_nothing_can_be_judged(shell: Shell, detector: Path, data: Path) -> None:
    entries = json.loads(data.read_text())[:2]
    entries[0]["image"] = "images/none.png"
    picture = data.parent / "images" / "s1.png"
    # Its beginning is a picture's, so that only who reads all of it finds it torn.
    picture.write_bytes(picture.read_bytes()[:-60])
    data.write_text(json.dumps(entries))
    code, _, err = shell("explain", data, "--model", detector, *QUICK)
    assert code == 2
    assert "none.png" in err
    assert "s1.png" in err


def test_an_episode_of_which_nobody_says_what_was_asked_is_told(shell: Shell, detector: Path, data: Path) -> None:
    picture = data.parent / "images" / "s0.png"
    code, _, err = shell("explain", picture, "--model", detector, *QUICK)
    assert (code, "say it with --instruction" in " ".join(err.split())) == (0, True)
    code, _, err = shell("explain", picture, "--model", detector, "--instruction", "Lift it.", *QUICK)
    assert (code, "--instruction" in err) == (0, False)


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


def test_train_leaves_out_what_cannot_be_read(shell: Shell, data: Path, tmp_path: Path) -> None:
    cut = data.parent / "images" / "s1.png"
    cut.write_bytes(cut.read_bytes()[:-300])
    settings = "{warm_up_epochs: 1, conditioned_epochs: 0, online_epochs: 0, batch: 3}"
    how = ("--view", "{frames: 2, cell: 42}", "--settings", settings)
    code, _, err = shell("detector", "train", "--data", data, "--out", tmp_path / "trained", *how)
    assert code == 0
    assert "Left out: " in err
    assert "1 steps on 3 samples (2 dense)" in err


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


def test_labelled_episodes_count_for_a_study_that_asks_the_same(
    shell: Shell, detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from faultfield.rollouts.episode import Episode
    from faultfield.study import Study
    from faultfield.variations import NOMINAL

    # As Lift's; a question in a file has no full stop of its own.
    monkeypatch.setattr("tests.toy.PointReach.instruction", "Reach the disc.")
    (tmp_path / "study.yaml").write_text(STUDY)
    film = np.random.default_rng(0).integers(0, 255, (5, 28, 28, 3)).astype(np.uint8)
    with Study.open(tmp_path / "study.yaml", tmp_path / "run") as study:
        identity = study.identity["policy"], study.identity["environment"]
        study.ledger.append(Episode(NOMINAL, 0, True, 5, *identity, "known", video=film))
    blue = [replace(each, failed=not each.failed, reason=None) for each in pockets.samples(4)]
    file = pockets.conversations(tmp_path / "labelled.json", blue)
    other = tmp_path / "other.json"
    other.write_text(file.read_text())
    file.write_text(other.read_text().replace(pockets.INSTRUCTION, "Reach the disc"))
    how = ("explain", tmp_path / "run", "--model", detector, "--json", *QUICK)

    def chance(*more: object) -> tuple[float, str]:
        code, out, err = shell(*how, *more)
        assert code == 0
        return json.loads(out)["verdicts"][0]["failure_probability"], " ".join(err.split())

    plain, _ = chance()
    moved, err = chance("--labelled", file)
    assert "these change nothing" not in err
    place = re.search(r"failed from log-odds ([+-][\d.]+) on", err)
    assert place is not None
    assert logit(plain) - logit(moved) == pytest.approx(float(place[1]), abs=0.051)
    assert abs(logit(plain) - logit(moved)) > 0.1
    unmoved, err = chance("--labelled", other)
    assert unmoved == plain
    assert "these change nothing" in err


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
