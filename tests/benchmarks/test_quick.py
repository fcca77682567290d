"""The small size of every program: none is forgotten, and a failure is seen."""

import re
import shutil
import sys
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import quick

MAIN = 'if __name__ == "__main__":\n    main()\n'


def test_every_program_has_a_small_size_or_a_reason() -> None:
    steps = {step.name: step for step in quick.steps()}
    assert set(steps) == set(quick.programs()) - {"quick"}
    assert {"search", "table1", "truth", "lerobot_loads"} <= set(steps)
    assert steps["search"].arguments == ("benchmarks/search.py", "--quick", "--out", "{tmp}/search")
    for name in quick.HELP:
        assert steps[name].arguments[1:] == ("--help",)
    folder = quick.HERE
    for step in steps.values():
        # What is written goes nowhere but into the directory.
        outs = [
            step.arguments[i + 1] for i, word in enumerate(step.arguments) if word in ("--out", "--cache", "--runs")
        ]
        assert all(out.startswith("{tmp}/") for out in outs)
        assert (folder.parent / step.arguments[0]).is_file()


def test_a_new_program_without_a_small_size_is_refused(tmp_path: Path) -> None:
    for file in quick.HERE.glob("*.py"):
        shutil.copy(file, tmp_path)
    assert quick.steps(tmp_path) == quick.steps()
    (tmp_path / "shared.py").write_text("VALUE = 1\n")
    (tmp_path / "ready.py").write_text('parser.add_argument("--quick")\n' + MAIN)
    assert quick.Step("ready", ("benchmarks/ready.py", "--quick", "--out", "{tmp}/ready")) in quick.steps(tmp_path)
    (tmp_path / "forgotten.py").write_text(MAIN)
    with pytest.raises(LookupError, match="no small size: forgotten"):
        quick.steps(tmp_path)
    (tmp_path / "forgotten.py").unlink()
    (tmp_path / "known.py").unlink()
    with pytest.raises(LookupError, match="no program any more: known"):
        quick.steps(tmp_path)


def test_no_program_stands_in_for_a_library() -> None:
    """A program's folder comes first on the path: numba took `coverage.py` for the package it can do without."""
    named = {
        re.split(r"[^\w.-]", asked)[0].replace("-", "_").lower()
        for installed in metadata.distributions()
        for asked in (installed.metadata["Name"], *(installed.requires or ()))
    }
    taken = named | set(metadata.packages_distributions()) | set(sys.stdlib_module_names)
    assert "coverage" in taken
    assert not taken & {file.stem for file in quick.HERE.glob("*.py")}


def test_what_others_need_is_made_first() -> None:
    by_name = {step.name: step for step in quick.steps()}
    assert quick.needed([by_name["truth"]]) == [quick.STUDY, quick.TRUTH]
    assert quick.needed([by_name["detector"]]) == [quick.FAULTS]
    assert quick.needed([by_name["search"]]) == []


def test_a_failure_is_told_with_what_was_said_last(tmp_path: Path) -> None:
    good = quick.run(quick.Step("good", ("-c", "print(sum(range(3 * 10**6)))"), "sum.txt"), tmp_path)
    assert good.code == 0
    assert (tmp_path / "sum.txt").read_text() == "4499998500000\n"
    assert good.cpu > 0.01
    assert "FAILED" not in quick.told(good)
    bad = quick.run(quick.Step("bad", ("-c", "import sys; print('why'); sys.exit(3)")), tmp_path)
    assert (bad.code, "why" in quick.told(bad), "FAILED WITH EXIT CODE 3" in quick.told(bad)) == (3, True, True)
    slow = quick.run(quick.Step("slow", ("-c", "import time; time.sleep(60)")), tmp_path, longest=0.3)
    assert slow.code is None
    assert "TOOK TOO LONG" in quick.told(slow)


def test_the_exit_code_is_1_where_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [quick.Step("a", ("-c", "pass")), quick.Step("b", ("-c", "raise SystemExit(5)"))]
    monkeypatch.setattr(quick, "steps", lambda: steps)
    monkeypatch.setattr(sys, "argv", ["quick.py", "--keep", str(tmp_path)])
    with pytest.raises(SystemExit, match="failed: b"):
        quick.main()
    steps.pop()
    quick.main()
