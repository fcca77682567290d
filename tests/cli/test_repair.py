"""`faultfield repair` from the command line: what it prints, and what it says of bad input."""

import json
from pathlib import Path

import pytest

from faultfield.rollouts.states import StateBank
from faultfield.study import Silent, stages
from tests.repair import toy
from tests.shell import Shell

SMALL = ("--episodes", "1", "--nominal", "2", "--elsewhere", "3")


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


def test_it_prints_the_statement_or_json(shell: Shell, tmp_path: Path) -> None:
    study = toy.study(tmp_path / "study", toy.untaught(tmp_path / "checkpoint")).directory
    demos = toy.demonstrations(tmp_path / "d.npz", 5)
    arguments = ("repair", study, "--budget-episodes", "4", "--steps", "5", "--original", demos, *SMALL)
    code, out, _ = shell(*arguments)
    assert code == 0
    assert out.startswith("With 4 demonstrations under 4 variations, the policy")
    assert str(study / "repairs" / "targeted-4" / "repair.html") in out
    code, out, _ = shell(*arguments, "--json")
    assert code == 0
    assert json.loads(out) | {"created": ""} == json.loads(
        (study / "repairs" / "targeted-4" / "repair.json").read_text()
    ) | {"created": ""}
    some = tmp_path / "some.yaml"
    some.write_text("[{brightness: 0.33}, {}]")
    code, out, _ = shell(*arguments, "--variations", some, "--json")
    assert code == 0
    rows = json.loads(out)["rows"]
    assert [row["variation"] for row in rows[:2]] == [{}, {"brightness": 0.33}]
    assert [row["group"] for row in rows] == ["nominal", "unseen", *3 * ["elsewhere"]]


def test_the_report_of_the_study_is_written_anew_and_cannot_spoil_the_repair(shell: Shell, tmp_path: Path) -> None:
    expert = "tests.repair.toy:GripExpert"
    opened = toy.study(tmp_path / "study", policy=expert)
    page = opened.directory / "report.html"
    page.write_text("old")
    arguments = ("repair", opened.directory, "--after", expert, *SMALL)
    code, out, err = shell(*arguments, "--json")
    assert (code, page.read_text()) == (0, "old")
    assert json.loads(out)["study"] == "study"
    assert "The report was not written anew: There is no bank of states" in err
    StateBank.choose(stages.collect_nominal(opened, Silent())).save(opened.directory / "states.npz")
    code, _, err = shell(*arguments)
    assert code == 0
    assert f"Report: {page}" in err
    assert "Both are the same policy." in err
    assert 'href="repairs/after/repair.html"' in page.read_text()


def test_a_policy_of_another_trainer_is_told_what_to_do_next(shell: Shell, tmp_path: Path) -> None:
    study = toy.study(tmp_path / "study", policy="tests.repair.toy:GripExpert").directory
    code, out, err = shell("repair", study, "--budget-episodes", "4", "--mode", "worst-2")
    assert code == 0
    assert out.strip() == str(study / "repairs" / "worst-2-4" / "demonstrations.hdf5")
    assert f"faultfield repair {study} --budget-episodes 4 --mode worst-2 --after CHECKPOINT" in err
    code, out, _ = shell(
        "repair", study, "--budget-episodes", "4", "--mode", "worst-2", "--after", "tests.repair.toy:GripExpert", *SMALL
    )
    assert code == 0
    assert "this may be luck" in out


def test_options_that_would_decide_nothing_are_refused(shell: Shell, tmp_path: Path) -> None:
    ours = toy.study(tmp_path / "ours", toy.untaught(tmp_path / "checkpoint")).directory
    theirs = toy.study(tmp_path / "theirs", policy="tests.repair.toy:GripExpert").directory
    for study, option, says in (
        (ours, ("--format", "lerobot"), "--format is of a policy that is mended elsewhere"),
        (theirs, ("--original", tmp_path / "none.npz"), "--original is of a policy that is fine-tuned here"),
        (theirs, ("--looks", "3"), "--looks is of a policy that is fine-tuned here"),
        (theirs, ("--widen", "2"), "Only a VisualBC policy's eye can be made wider here"),
    ):
        code, out, err = shell("repair", study, "--budget-episodes", "4", *option)
        assert (code, out, says in err) == (2, "", True)
        assert not (study / "repairs").exists()


def test_bad_input_is_one_sentence_and_exit_code_two(shell: Shell, tmp_path: Path) -> None:
    checkpoint = toy.untaught(tmp_path / "checkpoint")
    study = toy.study(tmp_path / "study", checkpoint).directory
    healthy = toy.study(tmp_path / "healthy", checkpoint, fails=False).directory
    budget = ("--budget-episodes", "4")
    for arguments, says in (
        ((study,), "--budget-episodes N"),
        ((healthy, *budget), "nothing to repair"),
        ((study, "--budget-episodes", "0"), "smaller than one variation"),
        ((study, *budget, "--mode", "all-of-them"), "no mode 'all-of-them'"),
        ((study, *budget, "--original", checkpoint / "config.json"), "damaged or is not a file of demonstrations"),
        ((study, *budget, "--weights", "7"), "YAML mapping"),
        ((study, *budget, "--weights", "{wind: much}"), "weight of 'wind' must be a number"),
        ((study, *budget, "--weights", "{winds: 2}"), "no factor 'winds'; did you mean 'wind'"),
        ((study, *budget, "--share", "1.5"), "share of original data"),
        ((study, *budget, "--widen", "5"), "1 to 4 times as wide, not 5"),
        ((study, "--after", "nowhere"), "no checkpoint at 'nowhere'"),
        ((tmp_path / "none", *budget), "no study at"),
        ((study, *budget, "--variations", tmp_path / "none.yaml"), "none.yaml cannot be read"),
    ):
        code, out, err = shell("repair", *arguments)
        assert (code, out) == (2, ""), arguments
        assert says in err
        assert len(err.strip().splitlines()) == 1
        assert "Traceback" not in err
    assert not (study / "repairs").exists()
