"""The page of a repair: its two sentences, its plot, and the whole in a real browser."""

import html
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from faultfield.diagnosis.context import PolicyInfo
from faultfield.repair.result import DataSet, Repair, TargetEntry, compared, measured
from faultfield.report.html import render as render_report
from faultfield.report.repair import failures, mended, print_repair, render, statement, write_repair_page
from faultfield.report.theme import LIGHT
from faultfield.rollouts.episode import Episode
from faultfield.variations import NOMINAL, Variation
from tests.report.browser import PATIENCE_MS, chromium
from tests.report.example import example as diagnosed

COLORS = ("red", "green", "blue", "gray", "cyan", "magenta", "brown", "black", "white", "teal", "tan", "pink")


def example(
    gain: float = 0.9,
    nominal: tuple[float, float] = (0.98, 0.98),
    targets: bool = True,
    elsewhere: tuple[float, float] | None = (0.9, 0.9),
) -> Repair:
    """A repair over 24 variations, half of which failed before, and 40 elsewhere."""
    rng = np.random.default_rng(0)
    asked: list[tuple[Variation, str, int]] = [(NOMINAL, "nominal", 0)]
    for i, color in enumerate(COLORS):
        asked.append(
            (Variation({"table_color": color}, f"Change the table color to {color}."), "known", 2 * (i % 2 == 0))
        )
        values = {"cube_color": color, "light_intensity": 0.2 + i / 10}
        asked.append((Variation(values, f"Change the cube color to {color}. Change the light."), "unseen", 0))
    if not targets:
        asked = [(variation, group, 0) for variation, group, _ in asked]
    if elsewhere is not None:
        asked += [(Variation({"light": i}, f"Change the light to {i}."), "elsewhere", 0) for i in range(40)]
    before, after = [], []
    for place, (variation, group, _) in enumerate(asked):
        usual = (0.1, gain) if place % 4 < 2 else (0.95, 0.95)
        was, now = {"nominal": nominal, "elsewhere": elsewhere or usual}.get(group, usual)
        for seed in range({"nominal": 50, "elsewhere": 1}.get(group, 10)):
            episode = Episode(variation, seed, bool(rng.random() < was), 9, "a", "e", "repair")
            before.append(episode)
            after.append(replace(episode, success=bool(rng.random() < now), policy="b"))
    groups, rows = compared(asked, before, after)  # type: ignore[arg-type]
    chosen = [
        TargetEntry(
            variation=v.to_json(),
            text=v.text,
            group="known",
            failure=0.9,
            weight=1.0,
            episodes=shown,
            reason="The gripper closed <too early>." if place == 1 else None,
        )
        for place, (v, _, shown) in enumerate(asked)
        if shown
    ]
    policy = {"type": "faultfield.policies.bc:VisualBC"}
    return Repair(
        created="2026-01-01T00:00:00+00:00", study="demo", instruction="lift the cube",
        before=PolicyInfo(**policy, fingerprint="a" * 16, arguments={"checkpoint": "models/lift-bc"}),
        after=PolicyInfo(**policy, fingerprint="b" * 16, arguments={"checkpoint": "runs/x/checkpoint"}),
        settings={"budget": 12, "mode": "targeted"} if targets else None, targets=chosen,
        targeted=DataSet(file="d.npz", demonstrations=12, steps=348, bytes=1_200_000) if targets else None,
        original=None, seeds=(300_000, 10), groups=groups, rows=rows, measures_before=measured(rows, "before"),
        measures_after=measured(rows, "after"), versions={"numpy": "1.26.4"},
    )  # fmt: skip


def test_the_statement_has_the_counts_the_intervals_and_what_was_forgotten() -> None:
    repair = example()
    together, nominal = repair.group("all"), repair.group("nominal")
    assert together is not None
    assert nominal is not None
    told = statement(repair)
    assert told.startswith("With 12 demonstrations under 6 variations, the policy succeeds in ")
    for side in (together.after, together.before):
        assert f"{100 * side.rate:.0f}% (95%: {100 * side.low:.0f}–{100 * side.high:.0f}%)" in told
    assert f"({100 * together.difference:+.0f} points, 95%: {100 * together.low:+.0f} to" in told
    assert "on the same 240 fresh episodes)" in told
    assert ", and nothing shows that it forgot the task. Under 40 other variations, one or two" in told
    assert told.endswith(").")
    assert statement(example(elsewhere=None)).endswith("nothing shows that it forgot the task.")
    assert "so keep the old one" in statement(example(elsewhere=(1.0, 0.6)))
    assert "so keep the old one" not in statement(example(elsewhere=(0.6, 1.0)))
    assert "it has lost some of what it could do" in statement(example(nominal=(1.0, 0.6)))
    doubtful = [group.model_copy(update={"low": -0.3}) for group in repair.groups]
    assert "a loss of up to 30 points is not ruled out" in statement(repair.model_copy(update={"groups": doubtful}))
    lucky = repair.model_copy(update={"groups": [group.model_copy(update={"p": 0.4}) for group in repair.groups]})
    assert "; this may be luck, p = 0.40)" in statement(lucky)
    assert statement(example(targets=False)).startswith("The mended policy succeeds in ")


def test_the_plot_shows_every_variation_twice() -> None:
    repair = example()
    axes = failures(repair, LIGHT).axes[0]
    bars = [bar for container in axes.containers for bar in container]
    drawn = [row for row in repair.rows if row.group != "elsewhere"]
    assert len(bars) == 2 * len(drawn) == 50
    widths = sorted(round(bar.get_width(), 9) for bar in bars)
    assert widths == sorted(round(1 - side.rate, 9) for row in drawn for side in (row.before, row.after))
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels[0] == "nominal"
    assert sum("(2 demonstrated)" in label for label in labels) == 6
    was = [1 - row.before.rate for row in drawn[1:]]
    shown = [round(bar.get_width(), 9) for bar in axes.containers[0]][1:]
    assert shown == sorted((round(x, 9) for x in was), reverse=True)


def test_the_terminal_gets_a_row_a_group() -> None:
    stream = io.StringIO()
    print_repair(example(), Console(file=stream, width=110))
    text = stream.getvalue()
    for name in (
        "All variations (24)",
        "Demonstrated in this repair (6)",
        "Nothing changed",
        "Anywhere else, never diagnosed (40)",
        "Chi-square: ",
    ):
        assert name in text


def test_texts_cannot_run_and_the_same_repair_gives_the_same_page(tmp_path: Path) -> None:
    repair = example()
    attack = "<script>alert(1)</script>"
    hostile = repair.model_copy(
        update={"study": attack, "rows": [row.model_copy(update={"text": attack}) for row in repair.rows]}
    )
    assert "<script" not in render(hostile)
    assert "<q>The gripper closed &lt;too early&gt;.</q>" in render(repair), "what a detector says is a text too"
    assert render(repair) == render(repair)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["desktop", "phone"])
def test_in_a_browser_nothing_is_missing_or_too_wide(width: int, scheme: str, tmp_path: Path) -> None:
    path = tmp_path / "repair.html"
    write_repair_page(example(), path)
    complaints: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        wide, screen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide == screen
        assert page.locator("h1").count() == 1
        assert page.locator("#every tbody tr").count() == 24
        assert page.eval_on_selector_all("img", "images => images.filter(i => !i.naturalWidth || !i.alt).length") == 0
        assert page.eval_on_selector_all("table", "tables => tables.filter(t => !t.caption).length") == 0
        page.close()
    assert complaints == []


def test_the_report_of_the_study_tells_of_its_repairs_with_the_plot_of_the_newest() -> None:
    newest = mended(example(), "repairs/targeted-60/repair.html", drawn=True)
    older = mended(example(gain=0.1), "repairs/random-60/repair.html", drawn=False)
    page = render_report(diagnosed(), {}, None, mended=[newest, older])
    (section,) = re.findall(r'<section id="mended">.*?</section>', page, re.DOTALL)
    assert re.findall(r'href="([^"]+)"', section) == [
        "repairs/targeted-60/repair.html",
        "repairs/random-60/repair.html",
    ]
    assert html.escape(statement(example())) in section
    assert html.escape(statement(example(gain=0.1))) in section
    assert newest.failures is not None
    assert section.count(newest.failures.light) == 1
    assert 'href="#mended"' in page
    assert "#mended" not in render_report(diagnosed(), {}, None)
