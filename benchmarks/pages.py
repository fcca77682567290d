"""What every program of a table has in common: facts about the run, Markdown tables, files, errors in one sentence."""

import argparse
import hashlib
import json
import math
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from faultfield.errors import FaultfieldError
from faultfield.files import write_text


def machine() -> str:
    """System, processor and Python, in words."""
    return f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"


def positive(text: str) -> int:
    """A whole number from 1 on, as an argument."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"it is a whole number from 1 on, not {number}")
    return number


def facts(**more: Any) -> dict[str, Any]:
    """The command, the day and the machine, and whatever else the program has to say of the run."""
    command = shlex.join(["python", *sys.argv])
    return {
        "command": command,
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        **more,
    }


def version(*programs: str) -> str:
    """Changes with how strategies, estimators, fields and these programs work: what another version gave is not theirs.

    Args:
        programs: Further files, such as `__file__`.
    """
    import faultfield.diagnosis
    import faultfield.field
    import faultfield.search

    digest = hashlib.sha256()
    packages = (faultfield.search, faultfield.diagnosis, faultfield.field)
    files = [file for package in packages for file in sorted(Path(package.__path__[0]).glob("*.py"))]
    for file in (*files, *map(Path, programs)):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, one line a row."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def cell(measured: Mapping[str, float], digits: int = 2) -> str:
    """A number and its interval, from `value`, `low` and `high`; a dash where it is undefined."""
    value, low, high = measured["value"], measured["low"], measured["high"]
    if not math.isfinite(value):
        return "–"
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def spread(value: float, drawn: ArrayLike) -> dict[str, float]:
    """A number and the 2.5–97.5 % range of what resampling gave; draws on which it is undefined are left out."""
    draws = np.asarray(drawn, dtype=np.float64)
    draws = draws[np.isfinite(draws)]
    if not len(draws) or not math.isfinite(value):
        return {"value": float(value), "low": float("nan"), "high": float("nan")}
    low, high = np.quantile(draws, [0.025, 0.975])
    return {"value": float(value), "low": float(low), "high": float(high)}


def write(out: Path, result: Mapping[str, Any], lines: Sequence[str]) -> None:
    """`<out>.json` and `<out>.md`, which ends with the command and the day."""
    end = ["", "```console", f"$ {result['command']}", "```", "", f"{result['date']}, {result['machine']}.", ""]
    write_text(out.with_suffix(".json"), json.dumps(plain(result), indent=1) + "\n")
    write_text(out.with_suffix(".md"), "\n".join([*lines, *end]))
    tell(f"Wrote {out.with_suffix('.md')} and .json")


def plain(value: Any) -> Any:
    """The same with None for every number that JSON has no word for."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def tell(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


def run(main: Callable[[], None], name: str) -> None:
    """Run a program; an error of ours is one sentence and exit code 2."""
    try:
        main()
    except FaultfieldError as error:
        tell(f"{name}: {error}")
        sys.exit(2)
