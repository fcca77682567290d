"""The figure of `theory.py`: a panel for each theorem, two for the second."""

from pathlib import Path
from typing import Any

import numpy as np

from faultfield.report.theme import LIGHT, dress, figure

STYLES = {
    "at random": (LIGHT.muted, ":"),
    "most entropy": (LIGHT.failure, "-"),
    "drawn by entropy": (LIGHT.failure, "--"),
    "straddle": (LIGHT.success, "-"),
}


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the figure as a PNG on white."""
    made = figure(LIGHT, 9.6, 7.2)
    (one, two), (three, four) = made.subplots(2, 2)
    _advantages(one, result["advantages"])
    _concentration(two, result["concentration"])
    _precision(three, result["precision"])
    _critic(four, result["critic"])
    for axes in (one, two, three, four):
        dress(axes, LIGHT, grid="y")
        axes.title.set_color(LIGHT.ink)
        if axes.get_legend_handles_labels()[0]:
            # Above the dotted line of the second panel, where no curve runs.
            place = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.17)} if axes is two else {}
            axes.legend(frameon=False, fontsize=8.5, labelcolor=LIGHT.ink, **place)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=120, facecolor=LIGHT.paper, metadata={"Software": None})


def _advantages(axes: Any, measured: dict[str, Any]) -> None:
    columns = [
        np.maximum(measured["random"][name]["all"], 1e-16) for name in ("as built", "as written")
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    for place, (column, color) in enumerate(zip(columns, (LIGHT.success, LIGHT.failure), strict=True)):
        across = place + rng.uniform(-0.18, 0.18, size=len(column))
        axes.scatter(across, column, s=7, color=color, alpha=0.6, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylim(1e-17, 1e3)
    axes.set_xticks([0, 1], ["Φ = 0 where an episode ends\n(as built)", "Φ(s′) counted there too\n(as written)"])
    axes.set_title("Theorem 1: the largest change of an advantage by shaping")


def _concentration(axes: Any, measured: dict[str, Any]) -> None:
    for setting, color in (("one action", LIGHT.failure), ("episodes", LIGHT.success)):
        rows = {float(name.rsplit(" ", 1)[1]): row for name, row in measured.items() if name.startswith(setting)}
        middle, low, high = (np.array([row[key] for row in rows.values()]) for key in ("median", "low", "high"))
        axes.errorbar(
            list(rows), middle, [middle - low, high - middle], color=color, marker="o", markersize=4, capsize=3,
            label={"one action": "reward of one action (γ = 0)", "episodes": "episodes of 5 steps (γ = 0.99)"}[setting],
        )  # fmt: skip
    axes.axhline(measured["by_chance"], color=LIGHT.muted, linestyle=":", label="share of known embeddings there")
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlabel("weight β of the uncertainty bonus")
    axes.set_title("Theorem 2: share of actions where failure is 20–80 % likely")


def _precision(axes: Any, measured: dict[str, Any]) -> None:
    queries = np.array(measured["queries"])
    for name, (color, line) in STYLES.items():
        row = measured["square"][name]
        middle, low, high = (np.array([r[key] for r in row["by_queries"]]) for key in ("median", "low", "high"))
        axes.plot(queries, middle, line, color=color, label=name)
        axes.fill_between(queries, low, high, color=color, alpha=0.12, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(queries, [str(q) for q in queries])
    axes.set_xticks([], minor=True)
    axes.set_yticks([0.1, 0.2, 0.5, 1.0], ["0.1", "0.2", "0.5", "1"])
    axes.set_yticks([], minor=True)
    axes.set_xlabel("queries, a yes or no each")
    axes.set_title("Theorem 2: distance of the believed boundary, in a square of width 2")


def _critic(axes: Any, measured: dict[str, Any]) -> None:
    curves = measured["curves"]
    names = {"plain": ("not shaped", LIGHT.muted, ":")}
    for key, color in zip((k for k in curves if k != "plain"), (LIGHT.success, LIGHT.failure), strict=True):
        names[key] = (f"shaped, Φ = V and noise of {key.split()[1]} of its spread", color, "-")
    for key, (label, color, line) in names.items():
        low, middle, high = np.array(curves[key])
        axes.plot(middle, line, color=color, label=label)
        axes.fill_between(np.arange(len(middle)), low, high, color=color, alpha=0.12, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlabel("updates of the critic")
    axes.set_title("Theorem 3: the critic's largest error, over the largest value")
