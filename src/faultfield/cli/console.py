"""What a person sees: progress bars with the time left on standard error; results on standard output."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)  # fmt: skip

# Names are printed as they are: "lift:train:0" has no train in it.
out = Console(highlight=False, emoji=False)
err = Console(stderr=True, highlight=False, emoji=False)


EVERY = 60.0
"""Seconds between two lines about the same task where there is no terminal to draw bars on."""


class Bars:
    """Progress on standard error: done, total, time spent, time left. Bars on a terminal, else a line a minute.

    Args:
        clock: Seconds, ever rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """One bar, which stays on the screen when it is full; without a terminal, lines, and one at the end."""
        with self.stages() as update:
            update(name, 0, total)
            yield lambda done: update(name, done, total)

    @contextmanager
    def stages(self) -> Iterator[Callable[[str, int, int], None]]:
        """A bar for each name that is told, called with the name, how much is done, and of how much."""
        if not err.is_terminal:
            lines = _Lines(self._clock)
            yield lines.update
            lines.end()
            return
        columns = (
            TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        tasks: dict[str, TaskID] = {}
        with Progress(*columns, console=err) as bars:

            def update(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total)
                bars.update(tasks[name], completed=done, total=total)

            yield update


class _Lines:
    """What a log file is told of tasks."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begun: dict[str, float] = {}
        self._since: dict[str, tuple[float, int]] = {}
        self._told: dict[str, float] = {}

    def update(self, name: str, done: int, total: int) -> None:
        """Say how far a task is, if that was not said within a minute."""
        now = self._clock()
        started = self._begun.setdefault(name, now)
        # The first that is done may be what lay there already, which took no time.
        since, first = self._since.setdefault(name, (now, done)) if done else (now, done)
        if now - self._told.setdefault(name, now) < EVERY or done >= total:
            return
        self._told[name] = now
        rest = f", {(now - since) / (done - first) * (total - done) / 60:.0f} min left" if done > first else ""
        err.print(f"{name}: {done} of {total}, {(now - started) / 60:.0f} min{rest}")

    def end(self) -> None:
        """Say that all are done."""
        for name in self._begun:
            err.print(f"{name}: done")


_results: TextIO | None = None
"""Where results go while standard output is kept for them."""


@contextmanager
def results_alone() -> Iterator[None]:
    """Keep standard output for `print_json`: what a simulator or a policy prints meanwhile goes to standard error."""
    global _results
    usual = sys.stdout
    descriptor: int | None = None
    with suppress(OSError, ValueError):  # No file at all, such as a test's.
        descriptor, others = usual.fileno(), sys.stderr.fileno()
    usual.flush()
    kept = None if descriptor is None else os.dup(descriptor)
    # What C code prints knows the descriptor alone.
    if descriptor is not None:
        os.dup2(others, descriptor)
    _results = usual if kept is None else open(kept, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - closed below
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout = usual
        results, _results = _results, None
        results.flush()
        if kept is not None and descriptor is not None:
            os.dup2(kept, descriptor)
            os.close(kept)


def print_json(value: Any) -> None:
    """The value as JSON on standard output, and nothing else."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # A file's name need not be UTF-8; what is not is a lone surrogate, which JSON has an escape for.
    (_results or sys.stdout).write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
