"""The benchmarks as programs: what somebody who starts one with bad input is told."""

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def refusal(program: str, arguments: list[str | Path], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence with which a program ends with exit code 2, without its name."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", [program, *map(str, arguments)])
        runpy.run_path(str(FOLDER / program), run_name="__main__")
    assert ended.value.code == 2
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith(f"{program}: ")
    assert said.out == ""
    return line.removeprefix(f"{program}: ")
