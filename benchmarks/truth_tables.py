"""The tables of `truth.py` in Markdown."""

from collections.abc import Mapping
from typing import Any

COLUMNS = {
    "variation_pairs": "pairs of variations",
    "episode_pairs": "500 episode pairs",
    "spearman": "Spearman",
    "brier": "Brier",
    "calibration_error": "ECE",
    "coverage": "coverage of 90 %",
    "width": "width",
}


def markdown(result: Mapping[str, Any]) -> str:
    """The whole result as a page."""
    count = len(result["variations"])
    episodes = [row["episodes"] for row in result["variations"]]
    lines = [
        "# What was predicted against what happened", "",
        f"{count} variations that no stage saw, {min(episodes)}–{max(episodes)} fresh episodes each "
        f"({sum(episodes)} in all); {len(result['infeasible'])} more left out because the expert fails too.", "",
        f"`{result['command']}`, {result['date']}, {result['seconds']:.0f} s, {result['machine']}.", "",
        "In brackets: bootstrap 95 % over variations. Pairs of variations: those whose rates differ by 0.4 or more. "
        "Ranking: higher is better; Brier and ECE (expected calibration error): lower is better.", "",
    ]  # fmt: skip
    for title, table in result["tables"].items():
        if not table:
            continue
        lines += [f"## {title[0].upper()}{title[1:]}", ""]
        subsets = list(dict.fromkeys(s for row in table.values() for s in row.get("subsets", {})))
        for subset in subsets:
            rows = {name: row["subsets"][subset] for name, row in table.items() if subset in row.get("subsets", {})}
            size = next(iter(rows.values()))["variations"]
            lines += [f"### {subset[0].upper()}{subset[1:]} ({size} variations)", "", *_table(rows), ""]
        missing = {name: row["error"] for name, row in table.items() if "error" in row}
        lines += [f"- {name}: not to be had. {error}" for name, error in missing.items()]
        times = ", ".join(f"{name} {row['seconds']:.0f}" for name, row in table.items() if "seconds" in row)
        lines += ["", f"CPU seconds to fit and estimate: {times}.", ""]
    return "\n".join(lines)


def _table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    best = sorted(rows, key=lambda name: _order(rows[name]))
    lines = ["| estimator | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name in best:
        cells = [_cell(rows[name][column]) for column in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def _order(row: Mapping[str, Any]) -> float:
    # NaN (nothing to rank) sorts last.
    value = row["variation_pairs"]["value"]
    return -value if value == value else 1.0


def _cell(measured: Mapping[str, float]) -> str:
    value, low, high = measured["value"], measured["low"], measured["high"]
    return "–" if value != value else f"{value:.2f} [{low:.2f}, {high:.2f}]"
