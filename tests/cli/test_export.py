"""`faultfield export` from the command line."""

import json
import shutil
from pathlib import Path

import h5py
import pytest

from faultfield.faults.llava import read
from faultfield.rollouts import Ledger
from faultfield.rollouts.verdict import Round, Verdict
from faultfield.study import Study
from tests.exports.conftest import STUDY, study  # noqa: F401  (a fixture)
from tests.shell import Shell


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)


@pytest.fixture
def folder(study: Study, tmp_path: Path) -> Path:  # noqa: F811
    return Path(shutil.copytree(study.directory, tmp_path / "point"))


def test_chosen_episodes_become_one_file(shell: Shell, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "demos.hdf5"
    where = ("--variation", "{}", "--variation", "{goal_color: green}", "--workers", "1")
    code, said, err = shell("export", folder, "--format", "robomimic", "--out", out, *where, "--failures", "--json")
    assert code == 0, err
    counts = json.loads(said)
    assert (counts["demonstrations"], counts["successes"]) == (3, 0), "red enough under {}, never under green"
    assert sorted(path.name for path in out.parent.iterdir()) == ["demos.hdf5"], "nothing else stays"
    with h5py.File(out) as file:
        assert {json.loads(demo.attrs["variation"])["goal_color"] for demo in file["data"].values()} == {"green"}


def test_a_folder_appears_whole_and_is_not_overwritten(shell: Shell, folder: Path, tmp_path: Path) -> None:
    told = tmp_path / "said.json"
    out = tmp_path / "talk"
    arguments = ("export", folder, "--format", "llava", "--out", out, "--workers", "1")
    assert shell(*arguments, "--media", "video", "--episodes", "2")[0] == 0
    items = read(out / "conversations.json").items
    assert len(items) == 2
    for there in (out, ".", "/"):
        code, _, err = shell(*arguments[:-3], there, *arguments[-2:])
        assert (code, "exists already" in err) == (2, True)
    shutil.rmtree(out)
    reason = {"id": "nobody", "failed": True, "reason": "It fell."}
    told.write_text(json.dumps({"verdicts": [reason, {**reason, "id": items[0].id}]}))
    assert shell(*arguments, "--verdicts", told, "--failures", "--json")[0] == 0
    assert {item.failed for item in read(out / "conversations.json").items} == {True}


@pytest.mark.parametrize(
    ("format", "option", "says"),
    [
        ("lerobot", ("--valid", "0.2"), "--valid is of the format robomimic"),
        ("robomimic", ("--media", "video"), "--media is of the format llava"),
        ("lerobot", ("--sparse",), "--sparse is of the format llava"),
        ("llava", ("--sparse", "--verdicts", "said.json"), "leave one of them out"),
    ],
)
def test_an_option_of_another_format_is_refused(
    shell: Shell, folder: Path, tmp_path: Path, format: str, option: tuple[str, ...], says: str
) -> None:
    code, said, err = shell("export", folder, "--format", format, "--out", tmp_path / "out", *option)
    assert (code, said, says in err) == (2, "", True), err
    assert not (tmp_path / "out").exists()


def test_reasons_in_the_ledger_are_told(shell: Shell, folder: Path, tmp_path: Path) -> None:
    with Ledger(folder / "ledger") as ledger:
        failures = [episode for episode in ledger.iterate(load="none") if not episode.success]
        said = {"fell": Round(0.9, "It fell.", 0.1, 0.1), "fine": Round(0.1, "All is well.", 0.1, 0.1)}
        pairs = zip(failures, said.values(), strict=False)
        ledger.add_verdicts("eye", {episode.key: Verdict.of((answer,), best=0) for episode, answer in pairs})
    out = tmp_path / "talk"
    code, counts, err = shell(
        "export",
        folder,
        "--format",
        "llava",
        "--media",
        "video",
        "--out",
        out,
        "--failures",
        "--workers",
        "1",
        "--json",
    )
    assert code == 0, err
    assert json.loads(counts)["reasons"] == 1
    assert {item.reason for item in read(out / "conversations.json").items} == {None, "It fell."}


def test_a_control_can_be_exported(shell: Shell, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "expert"
    code, said, _ = shell(
        "export", folder, "--format", "lerobot", "--out", out, "--role", "expert", "--workers", "1", "--json"
    )
    assert code == 0
    counts = json.loads(said)
    assert (counts["episodes"], counts["successes"]) == (8, 8)
    assert (out / "meta" / "info.json").is_file()


def test_bad_input_is_one_sentence_and_exit_code_two(shell: Shell, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for more, message in (
        (("--successes", "--failures"), "exclude each other"),
        (("--variation", "red"), "YAML mapping"),
        (("--variation", "{goal_colour: red}"), "did you mean 'goal_color'"),
        (("--variation", "{wind: 2.0}"), "as asked for"),
        (("--stage", "verify"), "has no episodes of the stage 'verify'; its stages are known."),
        (("--role", "expert", "--stage", "known"), "The expert of"),
        (("--role", "blind"), "no blind control"),
        (("--role", "cook"), "must be policy"),
        (("--verdicts", tmp_path / "none.json"), "no output of"),
    ):
        code, _, err = shell("export", folder, "--format", "llava", "--out", out, *more)
        assert (code, message in err) == (2, True), err
        assert not out.exists()
    assert STUDY
    assert shell("export", tmp_path, "--format", "llava", "--out", out)[0] == 2
