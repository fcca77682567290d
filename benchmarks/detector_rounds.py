"""ARMOR's Table 3 and Fig. 3: what a detector says after each round of answers, and how sure it is of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pages
from detector_variants import TESTED
from faultfield.detector.trajectories import Refinement
from faultfield.report.theme import LIGHT, dress, figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENTROPIES = {
    "detection_entropy": "Entropy of the detection, nats",
    "reason_entropy": "Entropy of the reason, nats a token",
}
"""What a row of a round has of them, and the panels' titles."""

Panel = Callable[[Mapping[str, Any]], float]
"""What a panel shows of a row."""

PANELS: Mapping[str, Panel] = {
    **{title: itemgetter(name) for name, title in ENTROPIES.items()},
    "Both, as weighed to choose an answer, nats": lambda row: (
        row["detection_entropy"] + Refinement.weight * row["reason_entropy"]
    ),
    "Detection, share right": lambda row: row["accuracy"]["value"],
    "Reason, slot judge": lambda row: row["reason"]["value"],
}
"""The figure's panels by their titles: the paper's left half, then its right."""

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
        "By round (the paper's Fig. 3a, where entropies fall and scores rise): thick the mean over the inference seeds "
        "of a training, ± their standard deviation; thin each seed. Entropies are of a round's surest answer; scores "
        "are of the best answer until then.",
        "",
    ]  # fmt: skip
    return [
        *changes(results),
        "## Table 3: rounds, seen tasks",
        "",
        "The best answer after each round: mean, ± the standard deviation over the inference seeds of a training (as "
        "the paper's), averaged over trainings; entropies in nats, of the round's surest.",
        "",
        *pages.grid(head, rows),
        "",
        *shown,
    ]


def changes(results: Results) -> list[str]:
    """What rounds do to answers, and a few whole (the paper's Fig. 3b); nothing where it was not looked at."""
    rows, examples = [], []
    for result in results:
        for split, told in result.get("refined", {}).items():
            for what in ("detection", "reason"):
                ways = {way: found for way, found in told[what].items() if way != "right at first"}
                counts = [str(found["count"]) for found in ways.values()]
                first = f"{told[what]['right at first']} of {told['episodes']}"
                rows.append([TESTED[split], str(result["seed"]), what, first, *counts])
                for way, found in ways.items():
                    examples += [_example(each, f"{TESTED[split]}, {what} {way}") for each in found["examples"][:1]]
    if not rows:
        return []
    head = ["", "training", "what", "right in the first round", "mended", "spoiled", "changed, wrong still"]
    return [
        "## What rounds do to answers (Fig. 3b)",
        "",
        "The answer that is kept after five rounds against the first round's, one inference seed. A reason is right if "
        "it is in all of its slots. Below, the first episode of each way: what each round's surest answer said.",
        "",
        *pages.grid(head, rows),
        "",
        *(line for example in examples for line in example),
    ]


def _example(each: Mapping[str, Any], title: str) -> list[str]:
    """An episode's rounds as lines."""
    truth = f"{'failed' if each['failed'] else 'succeeded'}: “{each['truth']}”"
    said = [
        f"  {number}. {told['failure_probability']:.3f} “{told['reason']}”"
        for number, told in enumerate(each["rounds"], 1)
    ]
    kept = f"  kept: “{each['kept']}”"
    return [f"- *{title}* (`{each['id']}`): {each['instruction'].rstrip('.')}. It {truth}", *said, "", kept, ""]


def draw(results: Results, path: Path) -> bool:
    """Write the figure as a PNG; False, and nothing written, where no round was measured."""
    made = drawn(results)
    if made is None:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=130, facecolor=LIGHT.paper, metadata={"Software": None})
    return True


def drawn(results: Results) -> "Figure | None":
    """Entropies and scores by round, a panel each; None where no round was measured."""
    trainings = _trainings(results)
    if not trainings:
        return None
    made = figure(LIGHT, 12.6, 7.0)
    for place, (title, shows) in enumerate(PANELS.items()):
        axes: Any = made.add_subplot(2, 3, place + 1)
        for number, (seed, told) in enumerate(trainings.items()):
            _line(axes, told, shows, f"training {seed}", number, len(trainings))
        dress(axes, LIGHT, grid="y")
        axes.set_title(title, color=LIGHT.ink, fontsize=11, loc="left")
        axes.set_xticks(sorted({row["round"] + 1 for told in trainings.values() for row in told}))
        axes.set_xlabel("round", color=LIGHT.muted)
        # From zero on, what is a change can be told from what is none.
        axes.set_ylim(0, 1.15 * axes.dataLim.y1 or 1.0)
        axes.locator_params(axis="y", nbins=5)
    made.legend(*axes.get_legend_handles_labels(), loc=(0.7, 0.2), frameon=False, fontsize=10, labelcolor=LIGHT.ink)
    return made


def _line(axes: Any, told: Results, shows: Panel, words: str, number: int, of: int) -> None:
    """One training: every inference seed, their mean and spread, a little aside of other trainings."""
    color, aside = COLORS[number % len(COLORS)], 0.08 * (number - (of - 1) / 2)
    seeds = sorted({row["seed"] for row in told})
    for place, seed in enumerate(seeds):
        rows = sorted((row for row in told if row["seed"] == seed), key=lambda row: row["round"])
        label = "each inference seed" if place == 0 and number == of - 1 else None
        axes.plot(
            [row["round"] + 1 + aside for row in rows], [shows(row) for row in rows],
            color=color, linewidth=0.9, alpha=0.4, label=label,
        )  # fmt: skip
    rounds = [(at, [shows(row) for row in rows]) for at, (rows,) in _by_round([told])]
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
