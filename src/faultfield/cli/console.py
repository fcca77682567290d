"""What a person sees: progress bars with the time left on standard error; results on standard output."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

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

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Bars:
    """Progress bars on standard error: done, total, time spent, time left."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Callable[[int], None]]:
        """One bar, which stays on the screen when it is full; without a terminal, one line at the end."""
        with self.stages() as update:
            update(name, 0, total)
            yield lambda done: update(name, done, total)

    @contextmanager
    def stages(self) -> Iterator[Callable[[str, int, int], None]]:
        """A bar for each name that is told, called with the name, how much is done, and of how much."""
        columns = (
            TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
        )  # fmt: skip
        tasks: dict[str, TaskID] = {}
        with Progress(*columns, console=err, disable=not err.is_terminal) as bars:

            def update(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bars.add_task(name, total=total)
                bars.update(tasks[name], completed=done, total=total)

            yield update
        if not err.is_terminal:
            for name in tasks:
                err.print(f"{name}: done")


def print_json(value: Any) -> None:
    """The value as JSON on standard output, and nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
