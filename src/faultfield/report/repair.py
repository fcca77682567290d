"""A repair for people: a few sentences, a table on the terminal, and a page with the failures before and after."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from faultfield import files
from faultfield.repair.result import APART, GroupRow, Repair, Row, Success
from faultfield.report.html import Drawing, Mended, source, template
from faultfield.report.theme import DARK, LIGHT, Theme, dress, figure, svg_uri
from faultfield.report.words import label, percent, points, shorten, span

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

NAMES = {
    "all": "All variations",
    "known": "Known before the diagnosis",
    "unseen": "Never tried before the diagnosis",
    "demonstrated": "Demonstrated in this repair",
    "not demonstrated": "Not demonstrated in this repair",
    "elsewhere": "Anywhere else, never diagnosed",
    "nominal": "Nothing changed",
}
"""What a group is called in front of people."""

MEASURES = {
    "accuracy": ("Accuracy", "mean success over the variations"),
    "mean_square": ("Mean square", "distance of the distribution of success from an even one, points²"),
    "chi_square": ("Chi-square", "distance of the same two, Pearson's"),
    "wasserstein": ("Wasserstein", "distance of the same two, of shares"),
}
"""RoboMD's measures, and what they are."""


TOLERATED = 0.1
"""A loss of nominal success that the interval must rule out before it is said that nothing was forgotten."""


def statement(repair: Repair) -> str:
    """What the repair did, for somebody who reads only this: two or three sentences with counts and intervals."""
    together, nominal = repair.group("all"), repair.group("nominal")
    assert together is not None
    assert nominal is not None
    means = "The mended policy"
    if repair.targets:
        shown = sum(target.episodes for target in repair.targets)
        means = f"With {shown} demonstrations under {len(repair.targets)} variations, the policy"
    verb = "succeeds" if together.difference else "still succeeds"
    same = f"{_points(together)} on the same {together.after.episodes} fresh episodes{_luck(together)}"
    told = (
        f"{means} {verb} in {_rate(together.after)} of episodes over {together.variations} variations, where it "
        f"succeeded in {_rate(together.before)} before ({same})."
    )
    if nominal.p <= 0.05 and nominal.difference < 0:
        forgot = "so it has lost some of what it could do"
    elif nominal.low < -TOLERATED:
        forgot = f"so that a loss of up to {-100 * nominal.low:.0f} points is not ruled out"
    else:
        forgot = "and nothing shows that it forgot the task"
    return (
        f"{told} With nothing changed it succeeds in {_rate(nominal.after)}, before in {_rate(nominal.before)} "
        f"({_points(nominal)}), {forgot}.{_elsewhere(repair)}"
    )


def _elsewhere(repair: Repair) -> str:
    """What became of variations that nobody diagnosed; empty where none were looked at."""
    group = repair.group("elsewhere")
    if group is None:
        return ""
    told = (
        f" Under {group.variations} other variations, one or two factors drawn from the whole space, it succeeds in "
        f"{_rate(group.after)}, "
        f"before in {_rate(group.before)} ({_points(group)})"
    )
    if group.p <= 0.05 and group.difference < 0:
        mend = ", and mend it with a larger share of its original data" if repair.original is not None else ""
        return f"{told}: it was mended at the price of what nobody had diagnosed, so keep the old one{mend}."
    return f"{told}."


def print_repair(repair: Repair, console: "Console") -> None:
    """Print the statement, a row a group, and the measures."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console.print(Text(statement(repair), style="bold"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", ratio=1, overflow="fold", min_width=12)
    for name in ("before", "after", "points", "95% interval", "lost", "gained", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in repair.groups:
        table.add_row(
            f"{NAMES[group.name]} ({group.variations})" if group.name != "nominal" else NAMES[group.name],
            f"{group.before.successes}/{group.before.episodes}", f"{group.after.successes}/{group.after.episodes}",
            points(group.difference), f"{points(group.low)} to {points(group.high)}",
            str(group.lost), str(group.gained), p_value(group.p),
        )  # fmt: skip
    console.print(table)
    if said := ended(repair):
        console.print(Text(f"{said[0].upper()}{said[1:]}."), soft_wrap=True)
    for name, (title, meaning) in MEASURES.items():
        before, after = getattr(repair.measures_before, name), getattr(repair.measures_after, name)
        console.print(Text(f"{title}: {figured(before)} before, {figured(after)} after ({meaning})"), soft_wrap=True)


def ended(repair: Repair) -> str:
    """That a repair ended before its last round, and why; empty where it did not."""
    planned = (repair.settings or {}).get("rounds")
    if repair.rounds_made is None or repair.rounds_made == planned:
        return ""
    return f"it ended after round {repair.rounds_made} of {planned}, as nothing failed any more that may be shown"


def write_repair_page(repair: Repair, out: str | Path) -> None:
    """Write the page of a repair, whole or not at all; the same repair gives the same bytes."""
    files.write_text(out, render(repair))


def render(repair: Repair) -> str:
    """The page as text."""
    rows = sorted((row for row in repair.rows if row.group not in APART), key=_by_gain)
    return template("repair.html.j2").render(
        r=repair,
        style=source("report.css"),
        statement=statement(repair),
        ended=ended(repair),
        drawing=_drawing(repair),
        rows=rows,
        together=repair.group("all"),
        nominal=repair.group("nominal"),
        elsewhere=repair.group("elsewhere"),
        fresh=repair.group("not demonstrated"),
        names=NAMES,
        measures=[
            (title, meaning, *(figured(getattr(s, name)) for s in (repair.measures_before, repair.measures_after)))
            for name, (title, meaning) in MEASURES.items()
        ],
        label=label,
        signed=points,
        p_value=p_value,
    )  # fmt: skip


def mended(repair: Repair, page: str, *, drawn: bool) -> Mended:
    """What the study's report tells of a repair whose own page lies at `page`."""
    return Mended(statement(repair), page, _drawing(repair) if drawn else None)


def _drawing(repair: Repair) -> Drawing:
    return Drawing(*(svg_uri(failures(repair, theme)) for theme in (LIGHT, DARK)))


def failures(repair: Repair, theme: Theme) -> "Figure":
    """Failure rate of every variation before and after, the worst before first (RoboMD, Fig. 9)."""
    rows = sorted(
        (row for row in repair.rows if row.group not in APART),
        key=lambda row: (row.before.rate, row.after.rate, row.key),
    )
    rows = [row for row in repair.rows if row.group == "nominal"] + rows
    drawn = figure(theme, 7.6, 1.1 + 0.2 * len(rows))
    axes = drawn.subplots()
    dress(axes, theme, grid="x")
    where = np.arange(len(rows))
    was = [1 - row.before.rate for row in rows]
    now = [1 - row.after.rate for row in rows]
    axes.barh(where - 0.2, was, height=0.36, color=theme.failure, alpha=0.9, label="before")
    axes.barh(where + 0.2, now, height=0.36, color=theme.success, alpha=0.9, label="after")
    for place, row in zip(where, rows, strict=True):
        for offset, side in ((-0.2, row.before), (0.2, row.after)):
            axes.plot([1 - side.high, 1 - side.low], [place + offset] * 2, color=theme.ink, linewidth=0.7, alpha=0.6)
    axes.axvline(0.0, color=theme.ink, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.set_yticks(where, [_tick(row) for row in rows], color=theme.ink, fontsize=7.5)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0], labels=["0", "25", "50", "75", "100%"])
    axes.xaxis.set_ticks_position("both")
    axes.tick_params(labeltop=True)
    axes.set_xlabel("episodes that fail; the dashed line is a policy that never does")
    drawn.legend(loc="outside upper right", frameon=False, fontsize=9, labelcolor=theme.ink, ncols=2)
    return drawn


def p_value(p: float) -> str:
    """A p-value in few characters.

    Example:
        >>> p_value(0.04), p_value(1e-7)
        ('0.040', '<0.001')
    """
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def figured(value: float | None) -> str:
    """A measure in three significant digits."""
    return "none" if value is None else f"{value:.3g}"


def _by_gain(row: Row) -> tuple[float, float, str]:
    return -row.difference, row.after.rate, row.key


def _tick(row: Row) -> str:
    shown = f"  ({row.demonstrations} demonstrated)" if row.demonstrations else ""
    return shorten(label(row.variation), 48) + shown


def _rate(success: Success) -> str:
    return f"{percent(success.rate, success.episodes)} (95%: {span(success.low, success.high)})"


def _points(group: GroupRow) -> str:
    return f"{points(group.difference)} points, 95%: {points(group.low)} to {points(group.high)}"


def _luck(group: GroupRow) -> str:
    return "" if group.p <= 0.05 else f"; this may be luck, p = {group.p:.2f}"
