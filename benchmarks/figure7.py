"""RoboMD's Fig. 7: failure likelihood of each variation as a radius, one polar plot an environment, a line a policy.

    python benchmarks/figure7.py STUDY_DIR|TASK_PAGE.json|COUNTS.json ... [--out docs/results/figure7]

From the known variations of diagnosed studies, of their pages, or from what `benchmarks/known.py` wrote. Policies of
one task that were tried under the same variations share a plot. Dots and bars are failure rates with their Wilson
intervals (95 %); a diamond is what the study's estimator said without having seen the variation. Writes `<out>.json`,
`.md` and `.png`.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faultfield.diagnosis.entries import Rate
from faultfield.report.theme import LIGHT, figure
from faultfield.report.words import label, shorten
from pages import facts, grid, run, write
from paper_numbers import ELSEWHERE
from table4 import Counted, read_all

COLORS = (LIGHT.failure, LIGHT.success, LIGHT.muted, LIGHT.ink)


def main() -> None:
    """Read, group, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, default=Path("docs/results/figure7"))
    options = parser.parse_args()
    found, missing = read_all(options.counts)
    result = facts(missing=missing, plots=[[policy(each) for each in group] for group in grouped(found)])
    draw(result, options.out.with_suffix(".png"))
    write(options.out, result, page(result, options.out.name))


def grouped(found: Sequence[Counted]) -> list[list[Counted]]:
    """Policies of one task whose variations mostly coincide, together: half of the smaller set at least."""
    groups: list[list[Counted]] = []
    for each in found:
        for group in groups:
            shared = set(group[0].keys) & set(each.keys)
            if each.task == group[0].task and 2 * len(shared) >= min(len(group[0].keys), len(each.keys)):
                group.append(each)
                break
        else:
            groups.append([each])
    return groups


def policy(counted: Counted) -> dict[str, Any]:
    """One line of a plot."""
    rows = []
    for key, failures, episodes, said in zip(
        counted.keys, counted.failures, counted.episodes, counted.said, strict=True
    ):
        rate = Rate.of(int(failures), int(episodes)).model_dump()
        rows.append({"variation": json.loads(key), "said": said, **rate})
    return {"name": counted.name, "policy": counted.policy, "task": counted.task, "what": counted.what, "rows": rows}


def draw(result: Mapping[str, Any], path: Path) -> None:
    """All plots, three side by side."""
    plots = result["plots"]
    wide, high = min(len(plots), 3), -(-len(plots) // 3)
    made = figure(LIGHT, 7.6 * wide, 7.4 * high if high == 1 else 8.6 * high)
    for number, lines in enumerate(plots):
        axes: Any = made.add_subplot(high, wide, number + 1, projection="polar")
        axes.patch.set_alpha(0.0)
        axes.set_theta_zero_location("N")
        axes.set_theta_direction(-1)
        keys = _order(lines)
        angles = {key: 2 * np.pi * place / len(keys) for place, key in enumerate(keys)}
        for place, (line, color) in enumerate(zip(lines, _colors(len(lines)), strict=True)):
            _line(axes, line, angles, color, 0.07 * (place - (len(lines) - 1) / 2))
        for key, angle in angles.items():
            _name(axes, angle, shorten(label(json.loads(key)), 30))
        axes.set_ylim(0, 1.0)
        axes.set_yticks([0.25, 0.5, 0.75, 1.0], ["", "50%", "", "100%"], color=LIGHT.muted, fontsize=8)
        axes.set_xticks([])
        axes.grid(True, color=LIGHT.rule, linewidth=0.8)
        axes.spines["polar"].set_color(LIGHT.rule)
        title = next((line["task"] for line in lines if line["task"]), "")
        if title and len(plots) > 1:
            axes.set_title(title, color=LIGHT.ink, fontsize=11, pad=84)
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.28), frameon=False, fontsize=9, labelcolor=LIGHT.ink,
            ncols=len(lines),
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(
        path, dpi=110 if high == 1 else 70, facecolor=LIGHT.paper, bbox_inches="tight", metadata={"Software": None}
    )


def _order(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """Variations of all lines, factor by factor, the likeliest failure of a factor first."""
    rates: dict[str, float] = {}
    for line in lines:
        for row in line["rows"]:
            key = json.dumps(row["variation"], sort_keys=True)
            rates[key] = max(row["rate"], rates.get(key, 0.0))
    return sorted(rates, key=lambda key: (sorted(json.loads(key)), -rates[key], key))


def _colors(count: int) -> list[str]:
    return [COLORS[place % len(COLORS)] for place in range(count)]


def _line(axes: Any, line: Mapping[str, Any], angles: Mapping[str, float], color: str, aside: float) -> None:
    rows = sorted(line["rows"], key=lambda row: angles[json.dumps(row["variation"], sort_keys=True)])
    where = np.array([angles[json.dumps(row["variation"], sort_keys=True)] for row in rows]) + aside
    rates = np.array([row["rate"] for row in rows])
    axes.fill(where, rates, color=color, alpha=0.10, linewidth=0)
    axes.plot([*where, where[0]], [*rates, rates[0]], color=color, linewidth=1.0, alpha=0.7, label=line["name"])
    for angle, row in zip(where, rows, strict=True):
        axes.plot([angle, angle], [row["low"], row["high"]], color=color, linewidth=1.1, alpha=0.6)
        if row["said"] is not None:
            axes.plot(angle, row["said"], marker="D", markersize=4, color=LIGHT.paper, markeredgecolor=color)
    axes.plot(where, rates, marker="o", markersize=4.5, linestyle="none", color=color, clip_on=False, zorder=4)


def _name(axes: Any, angle: float, text: str) -> None:
    # Left of the vertical the text is turned round, so that nothing stands on its head.
    degrees, left = 90 - np.degrees(angle), np.sin(angle) < -1e-9
    axes.text(
        angle, 1.06, text, rotation=degrees + 180 if left else degrees, rotation_mode="anchor", fontsize=8,
        ha="right" if left else "left", va="center", color=LIGHT.ink,
    )  # fmt: skip


def page(result: Mapping[str, Any], name: str) -> list[str]:
    """Every number of the figure."""
    lines = [
        "# Failure likelihood by variation (RoboMD, Fig. 7)", "",
        "Radius: failure rate, with its Wilson interval (95 %); diamonds: what the study's estimator said of a "
        f"variation held out of its fit. Infeasible variations are left out. {ELSEWHERE}", "",
        f"![Failure likelihoods]({name}.png)", "",
    ]  # fmt: skip
    for plot in result["plots"]:
        rows = []
        for key in _order(plot):
            cells = [label(json.loads(key))]
            for line in plot:
                found = [r for r in line["rows"] if json.dumps(r["variation"], sort_keys=True) == key]
                cells.append("–" if not found else _cell(found[0]))
            rows.append(cells)
        lines += [*grid(("failures", *(f"{line['name']} ({line['what']})" for line in plot)), rows), ""]
    return [*lines, *(f"- {each} was left out. {reason}" for each, reason in result["missing"].items())]


def _cell(row: Mapping[str, Any]) -> str:
    said = "" if row["said"] is None else f", said {row['said']:.2f}"
    return f"{row['failures']}/{row['episodes']} [{row['low']:.2f}, {row['high']:.2f}]{said}"


if __name__ == "__main__":
    run(main, "figure7.py")
