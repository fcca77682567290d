"""ARMOR's Table 3 and Fig. 3a: what a detector says after each round of answers, and how sure it is of it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pages
from faultfield.report.theme import LIGHT, dress, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENTROPIES = {
    "detection_entropy": "Entropy of the detection, nats",
    "reason_entropy": "Entropy of the reason, nats a token",
}
"""What a row of a round has of them, and the panels' titles."""

COLORS = (LIGHT.success, LIGHT.failure, LIGHT.ink, LIGHT.muted)

Results = Sequence[Mapping[str, Any]]
"""Of one variant, one a seed of training; `rounds` has a row for every inference seed and round."""


def lines(results: Results, picture: str | None = None) -> list[str]:
    """The table, and the figure where it is drawn; nothing where no round was measured.

    Args:
        results: Of the variant.
        picture: The figure's file, beside the page.
    """
    trainings = _trainings(results)
    if not trainings:
        return []
    rows = []
    for number, of in _by_round(list(trainings.values())):
        every = [row for told in of for row in told]
        row = [str(number + 1)]
        for what in ("accuracy", "reason"):
            values = [[each[what]["value"] for each in told] for told in of]
            row.append(f"{np.mean(values):.3f} ± {np.mean([np.std(each) for each in values]):.3f}")
        row += [f"{np.mean([each[name] for each in every]):.3f}" for name in ENTROPIES]
        rows.append([*row, f"{len(every)} × {every[0]['accuracy']['count']}"])
    head = ["round", "detection", "reason", "entropy of the detection", "of the reason", "answers"]
    shown = [] if picture is None else [
        f"![Entropies by round]({picture})",
        "",
        "Both entropies by round (the paper's Fig. 3a, where they fall): thick the mean over the inference seeds of a "
        "training, ± their standard deviation; thin each seed.",
        "",
    ]  # fmt: skip
    return [
        "## Table 3: rounds, seen tasks",
        "",
        "The best answer after each round: mean, ± the standard deviation over the inference seeds of a training (as "
        "the paper's), averaged over trainings; entropies in nats, of the round's surest.",
        "",
        *pages.grid(head, rows),
        "",
        *shown,
    ]


def draw(results: Results, path: Path) -> bool:
    """Write the figure as a PNG; False, and nothing written, where no round was measured."""
    made = drawn(results)
    if made is None:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=130, facecolor=LIGHT.paper, metadata={"Software": None})
    return True


def drawn(results: Results) -> "Figure | None":
    """Both entropies by round, a panel each; None where no round was measured."""
    trainings = _trainings(results)
    if not trainings:
        return None
    made = figure(LIGHT, 8.4, 3.5)
    for place, (name, title) in enumerate(ENTROPIES.items()):
        axes: Any = made.add_subplot(1, 2, place + 1)
        for number, (seed, told) in enumerate(trainings.items()):
            _line(axes, told, name, f"training {seed}", number, len(trainings))
        dress(axes, LIGHT, grid="y")
        axes.set_title(title, color=LIGHT.ink, fontsize=11, loc="left")
        axes.set_xticks(sorted({row["round"] + 1 for told in trainings.values() for row in told}))
        axes.set_xlabel("round", color=LIGHT.muted)
        # From zero on, what is a change can be told from what is none.
        axes.set_ylim(0, 1.15 * axes.dataLim.y1 or 1.0)
        axes.locator_params(axis="y", nbins=5)
        if place == 1:
            axes.legend(loc="lower right", frameon=False, fontsize=9, labelcolor=LIGHT.ink)
    return made


def _line(axes: Any, told: Results, name: str, words: str, number: int, of: int) -> None:
    """One training: every inference seed, their mean and spread, a little aside of other trainings."""
    color, aside = COLORS[number % len(COLORS)], 0.08 * (number - (of - 1) / 2)
    seeds = sorted({row["seed"] for row in told})
    for place, seed in enumerate(seeds):
        rows = sorted((row for row in told if row["seed"] == seed), key=lambda row: row["round"])
        label = "each inference seed" if place == 0 and number == of - 1 else None
        axes.plot(
            [row["round"] + 1 + aside for row in rows], [row[name] for row in rows],
            color=color, linewidth=0.9, alpha=0.4, label=label,
        )  # fmt: skip
    rounds = [(at, [row[name] for row in rows]) for at, (rows,) in _by_round([told])]
    axes.errorbar(
        [at + 1 + aside for at, _ in rounds], [np.mean(values) for _, values in rounds],
        yerr=[np.std(values) for _, values in rounds], color=color, linewidth=2.0, marker="o", markersize=5, capsize=3,
        elinewidth=1.2, label=f"{words}: mean of {len(seeds)} inference seeds ± sd", zorder=4,
    )  # fmt: skip


def _trainings(results: Results) -> dict[int, Results]:
    """Rows of the trainings that have any, by the training's seed."""
    return {result["seed"]: result["rounds"] for result in results if result.get("rounds")}


def _by_round(trainings: Sequence[Results]) -> Iterator[tuple[int, list[list[Mapping[str, Any]]]]]:
    """Each round's number, and its rows of every training."""
    for number in sorted({row["round"] for told in trainings for row in told}):
        yield number, [[row for row in told if row["round"] == number] for told in trainings]
