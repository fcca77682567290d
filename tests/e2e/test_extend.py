"""The example of docs/extend.md, taken from the page itself and run."""

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from faultfield.diagnosis.result import Diagnosis
from faultfield.rollouts.episode import Episode
from tests.e2e.conftest import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    page = (ROOT / "docs/extend.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "my_robot.py").write_text("\n\n".join(blocks))
    (tmp_path / "study.yaml").write_text(re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)[0])
    return tmp_path


def test_the_example_runs_as_written(folder: Path) -> None:
    def faultfield(*arguments: str) -> str:
        command = [sys.executable, "-m", "faultfield", *arguments]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    faultfield("run", "study.yaml", "--out", "runs/follow")
    diagnosis = Diagnosis.read(folder / "runs/follow/diagnosis.json")
    assert diagnosis.selection is not None
    assert "my_robot:Darkness" in [score.estimator for score in diagnosis.selection.scores]
    rates = {entry.text: entry.rate for entry in diagnosis.known}
    assert rates["Change the blob color to red."] == 1.0, "the policy looks for green"
    assert rates["Change the blob color to green."] < 0.5
    (folder / "asked.yaml").write_text("- {blob_color: magenta}\n- {blob_color: lime}\n")
    asked = ("predict", "runs/follow", "--variations", "asked.yaml", "--json")
    magenta, lime = json.loads(faultfield(*asked))["variations"]
    assert magenta["failure_probability"] > lime["failure_probability"]


def test_the_strategy_asks_for_darker_scenes_until_something_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(folder))
    my_robot = importlib.import_module("my_robot")
    strategy = my_robot.Darker(my_robot.Follow().variation_space)
    assert [v["light"] for v in strategy.ask(3)] == [1.0, 0.5, 0.25]
    first, *_ = strategy.ask(1)
    known = strategy.space.variation({"blob_color": "red"})
    strategy.tell([Episode(known, 0, False, 1, "p", "e", "known")])
    assert strategy.ask(1)[0]["light"] == 1.0
    strategy.tell([Episode(first, 0, True, 1, "p", "e", "hunt")])
    assert strategy.ask(1)[0]["light"] == 0.5
