"""Where robomimic is not installed: every command that needs it says how to get it, in one sentence."""

import importlib.util
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from faultfield.policies.checkpoints import ROBOMIMIC
from faultfield.policies.robomimic import INSTALL
from tests.repair import toy
from tests.shell import Shell
from tests.study.test_hunt import TEXT

WHERE = ("--environment", "tests.repair.toy:GripReach", "--episodes", "1", "--workers", "1")


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    find = importlib.util.find_spec

    def found(name: str, *more: Any) -> Any:
        return None if name.partition(".")[0] == "robomimic" else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    return Shell(capsys, monkeypatch)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    folder = tmp_path / "robomimic"
    folder.mkdir()
    config = {
        "observation": {"modalities": {}}, "train": {}, "algo_name": "bc", "algo": {"rnn": {"enabled": True}},
    }  # fmt: skip
    torch.save(
        {
            "model": {}, "algo_name": "bc", "config": json.dumps(config),
            "shape_metadata": {"all_shapes": OrderedDict(state=[9]), "ac_dim": 4},
        },
        folder / "model.pth",
    )  # fmt: skip
    return folder


def told(said: tuple[int, str, str]) -> None:
    code, out, err = said
    assert (code, out) == (2, ""), err
    sentences = [line for line in err.splitlines() if line.startswith("faultfield: ")]
    assert sentences == [f"faultfield: {INSTALL}"]
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["run", "hunt"])
def test_a_study_of_its_policy(shell: Shell, checkpoint: Path, tmp_path: Path, command: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        TEXT.replace('{type: "tests.toy:PointPolicy"}', f'{{type: "{ROBOMIMIC}", checkpoint: "{checkpoint}"}}')
    )
    more = ("--budget", "12") if command == "hunt" else ()
    told(shell(command, file, "--out", tmp_path / "out", *more))


@pytest.mark.parametrize("name", ["", "model.pth"])
def test_measuring_its_policy(shell: Shell, checkpoint: Path, name: str) -> None:
    told(shell("policy", "eval", checkpoint / name, *WHERE))


@pytest.mark.parametrize("after", [False, True])
def test_mending_its_policy(shell: Shell, checkpoint: Path, tmp_path: Path, after: bool) -> None:
    made = toy.study(tmp_path / "study", checkpoint, policy=ROBOMIMIC)
    more = ("--after", checkpoint) if after else ("--budget-episodes", "4")
    told(shell("repair", made.directory, *more, "--episodes", "1", "--nominal", "2", "--elsewhere", "0"))
    assert not list(made.directory.rglob("*.npz"))
