"""`faultfield compare` from the command line: exit codes, JSON, and nothing changed."""

import hashlib
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.shell import Shell
from tests.studies import directory, episodes


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture
def before(tmp_path: Path) -> Path:
    known = episodes({"": "11111111", "red": "11111111"})
    others = episodes({"red": "00000000"}, policy="the blind control", stage="blind")
    return directory(tmp_path / "before", *known, *others, *episodes({"blue": "1111"}, stage="verify"))


@pytest.fixture
def worse(tmp_path: Path) -> Path:
    return directory(tmp_path / "after", *episodes({"": "11111111", "red": "00000000"}, policy="after"))


def digests(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_the_gate_fails_where_success_dropped_and_only_when_asked(shell: Shell, before: Path, worse: Path) -> None:
    was = digests(before) | digests(worse)
    code, out, _ = shell("compare", before, worse)
    assert code == 0
    assert "Significantly worse over all and under 1 of 2 variations" in out
    assert shell("compare", before, worse, "--fail-on-regression")[0] == 1
    assert shell("compare", worse, before, "--fail-on-regression")[0] == 0
    assert shell("compare", before, worse, "--fail-on-regression", "--alpha", "0.001")[0] == 0
    assert digests(before) | digests(worse) == was, "what is compared stays as it is"


def test_json_is_one_object_and_junit_lies_beside(shell: Shell, before: Path, worse: Path, tmp_path: Path) -> None:
    xml = tmp_path / "gate.xml"
    code, out, _ = shell("compare", before, worse, "--json", "--junit", xml, "--fail-on-regression")
    assert code == 1
    found = json.loads(out)
    assert found["regressed"] is True
    assert (found["before"]["policy"], found["after"]["policy"]) == ("before", "after")
    assert found["overall"]["pairs"] == 16, "the blind control is another policy and no part of it"
    assert [row["verdict"] for row in found["variations"]] == ["no change shown", "worse"]
    assert [row["variation"] for row in found["only_before"]] == [{"color": "blue"}]
    assert ElementTree.parse(xml).getroot().get("failures") == "2"


def test_a_stage_can_be_chosen(shell: Shell, before: Path, worse: Path) -> None:
    assert json.loads(shell("compare", before, worse, "--stage", "known", "--json")[1])["only_before"] == []


def test_bad_input_is_one_sentence_and_exit_code_two(shell: Shell, before: Path, worse: Path, tmp_path: Path) -> None:
    other = directory(tmp_path / "other", *episodes({"": "1"}, environment="elsewhere"))
    strange = directory(tmp_path / "strange", *episodes({"green": "111"}, policy="after"))
    broken = directory(tmp_path / "broken", *episodes({"": "1"}))
    (broken / "identity.json").write_text("{")
    for arguments, message in (
        ((before, tmp_path / "nowhere"), "not a study's directory"),
        ((before, tmp_path), "not a study's directory"),
        ((before, other), "different environments"),
        ((before, strange), "nothing can be paired"),
        ((before, broken), "damaged"),
        ((before, worse, "--stage", "verified"), "no episodes of the stage 'verified'"),
        ((before, worse, "--alpha", "5"), "between 0 and 1"),
    ):
        code, out, err = shell("compare", *arguments, "--fail-on-regression")
        assert (code, out) == (2, "")
        assert message in err
        assert "Traceback" not in err


def test_a_path_that_cannot_be_written_is_no_regression(
    shell: Shell, before: Path, worse: Path, tmp_path: Path
) -> None:
    """Exit code 1 would say that the policy got worse."""
    code, _, err = shell("compare", before, worse, "--fail-on-regression", "--junit", tmp_path)
    assert (code, err.count("faultfield: ")) == (2, 1)
    assert "directory" in err.lower()
    assert "Traceback" not in err
