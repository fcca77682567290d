"""Which study a path means, and of which policy."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from faultfield.cli import app
from faultfield.errors import FaultfieldError, StudyError
from faultfield.rollouts.episode import Episode
from faultfield.study import Study
from faultfield.variations import NOMINAL

FILE = """
policy: {type: "tests.toy:PointPolicy", chunk: 2}
environment: {type: "tests.toy:PointReach"}
known: {goal_color: [red, blue]}
unseen: {goal_color: [yellow]}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "colors.yaml"
    path.write_text(FILE)
    return path


def test_a_named_policy_takes_the_files_place_with_arguments_and_directory_of_its_own(file: Path) -> None:
    of_file, named = Study.open(file), Study.open(file, policy="tests.toy:PointPolicy")
    assert (of_file.directory, named.directory) == (Path("runs/colors"), Path("runs/colors-PointPolicy"))
    assert (dict(of_file.policy_spec.arguments), dict(named.policy_spec.arguments)) == ({"chunk": 2}, {})
    assert of_file.identity["environment"] == named.identity["environment"]
    assert of_file.identity["policy"] != named.identity["policy"]
    again = Study.open(named.directory)
    assert again.config == named.config, "the directory knows whose study it is"


def test_a_checkpoint_is_read_by_the_class_that_its_file_is_of(file: Path) -> None:
    for checkpoint in ("robomimic.pth", "bc"):
        (file.parent / checkpoint).write_bytes(b"weights")
    lstm, plain = (Study.open(file, policy=name) for name in ("robomimic.pth", "bc"))
    assert lstm.policy_spec.type == "faultfield.policies.robomimic:Robomimic"
    assert lstm.directory == Path("runs/colors-robomimic")
    assert plain.policy_spec.type == "faultfield.policies.bc:VisualBC"
    assert plain.policy_spec.arguments == {"checkpoint": "bc"}


def test_a_directory_is_the_study_of_one_policy(file: Path) -> None:
    directory = Study.open(file).directory
    with pytest.raises(StudyError, match="give the study's file"):
        Study.open(directory, policy="tests.toy:PointPolicy")


def test_a_misspelt_policy_leaves_nothing_that_is_in_the_way(file: Path) -> None:
    out = file.parent / "out"
    with pytest.raises(StudyError, match="cannot be imported"):
        Study.open(file, out, policy="no:Thing")
    assert not out.exists()
    misspelt = Study.open(file, out, policy="nowhere")
    assert len(misspelt.ledger) == 0
    mended = Study.open(file, out)
    mended.ledger.append(Episode(NOMINAL, 0, True, 5, mended.identity["policy"], "here", "known"))
    with pytest.raises(StudyError, match="a study of another policy"):
        Study.open(file, out, policy="nowhere")
    assert Study.open(file, out).identity == mended.identity


@pytest.mark.parametrize(
    "asked",
    [
        ["hunt", "--budget", "8", "--strategy", "nosuch"],
        ["hunt", "--budget", "1"],
        ["repair", "--budget-episodes", "4"],
        ["fit"],
        ["search"],
        ["report"],
    ],
)
def test_a_refused_command_leaves_no_directory(file: Path, asked: list[str]) -> None:
    with pytest.raises(FaultfieldError):
        CliRunner().invoke(app, [asked[0], str(file), *asked[1:]], catch_exceptions=False)
    assert not (file.parent / "runs" / "colors").exists()


def test_a_refused_command_takes_nothing_back_that_was_there(file: Path) -> None:
    directory = Study.open(file).directory
    with pytest.raises(FaultfieldError), Study.open(file):
        raise StudyError("no")
    assert (directory / "study.yaml").is_file()


def test_a_directory_that_somebody_made_stays(file: Path) -> None:
    made = file.parent / "made"
    made.mkdir()
    with pytest.raises(StudyError), Study.open(file, made):
        raise StudyError("no")
    assert list(made.iterdir()) == []
