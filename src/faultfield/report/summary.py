"""The end of a run, on the terminal: the verdict and the worst variations."""

from typing import TYPE_CHECKING

from faultfield.diagnosis.result import Diagnosis
from faultfield.report.words import heard, percent, span, verdict, weaknesses

if TYPE_CHECKING:
    from rich.console import Console


def print_worst(diagnosis: Diagnosis, console: "Console", count: int = 10) -> None:
    """Print the verdict and a table of the `count` worst variations: probability, interval, support, verified rate."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console.print(Text(verdict(diagnosis), style="bold"))
    if diagnosis.detector is not None:
        console.print(Text(heard(diagnosis.detector)))
    worst = weaknesses(diagnosis)[:count]
    if not worst:
        return
    # Text objects throughout: a variation's words must not be read as rich's markup.
    table = Table(box=box.SIMPLE_HEAD, title=f"The {len(worst)} worst never tried", title_justify="left")
    table.add_column("#", justify="right", style="dim")
    table.add_column("variation", ratio=1, overflow="fold")
    for name in ("fails", "90% interval", "support", "rolled out"):
        table.add_column(name, justify="right", no_wrap=True)
    for place, entry in enumerate(worst, start=1):
        found = entry.verified
        table.add_row(
            Text(str(entry.rank or place)),
            Text(entry.text),
            Text(percent(entry.failure_probability), style="bold"),
            Text(span(entry.low, entry.high)),
            Text(f"{entry.support:.2f}"),
            Text("–" if found is None else f"{percent(found.rate)} ({found.failures}/{found.episodes})"),
        )
    console.print(table)
