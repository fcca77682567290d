"""What `search.py` found, as numbers with intervals, as a page and as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

MARKS = (25, 50, 100, 150, 200)
"""Rollouts at which the curves are told in numbers."""

OURS, BACK = "hunt", ", coming back"

EXTRA = "GP upper bound"
"""A rival that is not among the usual ones."""

CEILING = "hunt, told the truth"


def summary(
    entries: Sequence[Mapping[str, Any]], budget: int, ours: str, values: str, apart: Sequence[str] = ()
) -> dict[str, Any]:
    """Means with Student's intervals (95 %, over seeds) at the marks, and ours against the best other on values.

    The episodes' order is the same for all strategies of one seed, so ratios are paired by seed. `apart` names those
    that are in the table alone.
    """
    marks = [mark for mark in MARKS if mark < budget] + [budget]
    curves = {(e["name"], e["given"]): np.array([run["curve"] for run in e["runs"]]) for e in entries}
    table = []
    for (name, given), runs in curves.items():
        cells = [_interval(runs[:, mark - 1]) for mark in marks]
        table.append({"name": name, "given": given, "found": cells})
    ratios = []
    curves = {key: runs for key, runs in curves.items() if key[0] not in apart}
    mine = {given: runs for (name, given), runs in curves.items() if name == ours}
    others = {name: runs for (name, given), runs in curves.items() if name != ours and given == values}
    # A rival that plays in both ways is two rivals: what it is given may as well lead it astray.
    featured = {f"{name}, {given}": runs for (name, given), runs in curves.items() if name != ours and given != values}
    if others:
        for given, runs in mine.items():
            usual = {name: runs for name, runs in others.items() if not name.startswith(EXTRA)}
            rounds = [("factor values", others), ("probe's features too", others | featured)]
            if usual and usual != others:
                rounds.insert(1, (f"factor values, {EXTRA} left out", usual))
            for against, rivals in rounds:
                if given == values and rivals is not others and rivals is not usual:
                    continue
                ratios.append(
                    {"given": given, "against": against, "at": [_ratio(runs, rivals, mark) for mark in marks]}
                )
    return {"marks": marks, "table": table, "ratios": ratios}


def _interval(values: Any) -> dict[str, float]:
    mean, off = float(np.mean(values)), float(_reach(values))
    return {"mean": mean, "low": max(mean - off, 0.0), "high": mean + off}


def _reach(values: Any) -> Any:
    """Half the width of Student's 95 % interval of a mean over the first axis, of two runs or more."""
    count = len(values)
    return stats.t.ppf(0.975, count - 1) * np.std(values, axis=0, ddof=1) / np.sqrt(count)


def _ratio(ours: Any, rivals: Mapping[str, Any], mark: int) -> dict[str, Any]:
    """A ratio of means with its interval on the logarithm, by what each seed adds to it (the delta method)."""
    best = max(rivals, key=lambda name: float(rivals[name][:, mark - 1].mean()))
    a, b = ours[:, mark - 1], rivals[best][:, mark - 1]
    # Where nothing was found there is no ratio; a thousandth of a find keeps it a number.
    mine, theirs = max(float(a.mean()), 1e-3), max(float(b.mean()), 1e-3)
    ratio, off = mine / theirs, float(_reach(a / mine - b / theirs))
    return {"best": best, "ratio": ratio, "low": ratio * np.exp(-off), "high": ratio * np.exp(off)}


def markdown(result: Mapping[str, Any], name: str) -> str:
    """The page."""
    found, marks = result["summary"], result["summary"]["marks"]
    seeds = len(result["strategies"][0]["runs"])
    failures, episodes = result["nominal"]
    lines = [
        "# Distinct verified failures per real rollout", "",
        f"{result['rows']} variations of policy `{result['policy']}`, at least {result['least']} episodes each; "
        f"{result['failing']} of them are failures by their whole row, in {result['cells']} cells, the most that can "
        f"be found. Nominal: {failures} of {episodes} failed, upper Wilson bound {result['bound']:.3f}. Verified: at "
        f"least {result['failures']} failed episodes, and a lower bound above that. A variation is left after "
        f"{result['patience']} more successes than failures. {seeds} seeds; in brackets Student's 95 % over these, "
        "which are orders of the episodes of this one table and draws of the strategies: another table is not in it. "
        f"{result['date']}, {result['machine']}.",
        "", f"![Curves]({name}.png)", "",
        "| strategy | given | " + " | ".join(f"{mark} rollouts" for mark in marks) + " | claims not borne out |",
        "|---|---|" + "---|" * (len(marks) + 1),
    ]  # fmt: skip
    runs = {(e["name"], e["given"]): e["runs"] for e in result["strategies"]}
    order = sorted(found["table"], key=lambda row: -row["found"][-1]["mean"])
    for row in order:
        own = runs[row["name"], row["given"]]
        false, finds = sum(r["false"] for r in own), sum(r["finds"] for r in own)
        cells = " | ".join(f"{c['mean']:.1f} [{c['low']:.1f}, {c['high']:.1f}]" for c in row["found"])
        lines.append(f"| {row['name']} | {row['given']} | {cells} | {false} of {finds} |")
    if found["ratios"]:
        lines += ["", "Ours against the best other strategy at that many rollouts:", "",
                  "| ours given | others given | " + " | ".join(f"{mark}" for mark in marks) + " |",
                  "|---|---|" + "---|" * len(marks)]  # fmt: skip
        for row in found["ratios"]:
            cells = " | ".join(f"{c['ratio']:.2f}x [{c['low']:.2f}, {c['high']:.2f}] {c['best']}" for c in row["at"])
            lines.append(f"| {row['given']} | {row['against']} | {cells} |")
    lines += ["", *_notes(result), "", "```console", f"$ {result['command']}", "```", ""]
    return "\n".join(lines)


def _notes(result: Mapping[str, Any]) -> list[str]:
    """How the page is to be read."""
    notes = [
        "- What counts are cells, not variations: two failures are distinct in different cells of a fixed partition "
        "that no strategy looks at (`faultfield.variations.cells`).",
        "- Given factor values alone, `hunt` has no picture and no policy: one failure rate for all, corrected by what "
        "was seen nearby. Given the probe, it stands on its line. Random, Sobol and grid take no features.",
        "- The probe's features rest on states of nominal successes, which every study has and nobody is charged for.",
        '- "Claims not borne out" are verified failures whose whole row is not above the nominal rate.',
        "- The hunt that is told the truth has the same rule for what to try next, and in place of an estimate every "
        "row's own failure rate: about what the rule can do with the best of estimates. The one that is told all other "
        "rows has of each row what trees say that learned the rates of nine rows of ten, from factor values and probe: "
        "far more than any budget here buys, and about what these features can tell. Both are in no ratio.",
        "- A variation is left after an unlucky success. Ours may come back to it; so may every rival in the rows that "
        "say so, and the ratios are against the better of its two. *Never coming back* is ours without that. *Its line "
        "drawn to nothing* is ours without two numbers that its line is otherwise drawn towards: they were read off "
        "two Lift policies that are older than the hardened ones and may be the demo's, whose table may flatter it.",
        "- All strategies that learn are told the nominal episodes.",
        "- GP upper bound is the GP of the level set with another acquisition, μ + 1.96 σ; it is there because a level "
        "set looks for the boundary and not for failures.",
    ]
    if result.get("virtual_steps"):
        notes.append(
            "- RoboMD's diagnostic policy in the loop (`--strategy diagnostic`) is given pictures of the rows and what "
            "was rolled out, no numbers: before each proposal a field is learned from them and a policy trained in it "
            f"over {result['virtual_steps']} virtual steps."
        )
    tried = max(np.mean([r["tried"] for r in e["runs"]]) for e in result["strategies"]) / result["rows"]
    if tried > 2 / 3:
        notes.append(
            f"- **The table is small for this budget**: with {result['budget']} rollouts a strategy has tried up to "
            f"{tried:.0%} of its rows, so that towards the end chance, too, has found most of what is there. Read the "
            "ratios where the budget is a small part of the table, or take a table of several times as many rows."
        )
    return notes


def _plain(name: str) -> str:
    return name.removesuffix(BACK)


def _shown(result: Mapping[str, Any]) -> list[Any]:
    """The curves of the picture: of a rival that plays with and without coming back, the one that found more."""
    best: dict[tuple[str, str], Any] = {}
    for entry in result["strategies"]:
        if entry["name"] in result["apart"]:
            continue
        key, found = (_plain(entry["name"]), entry["given"]), np.mean([run["curve"][-1] for run in entry["runs"]])
        if key not in best or found > np.mean([run["curve"][-1] for run in best[key]["runs"]]):
            best[key] = entry
    return list(best.values())


def draw(result: Mapping[str, Any], path: Path) -> None:
    """The curves, with bands, on values on the left and with the probe on the right."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = _shown(result)
    given = list(dict.fromkeys(e["given"] for e in shown))
    rivals = list(dict.fromkeys(_plain(e["name"]) for e in shown if e["name"] != OURS))
    colors = dict(zip(rivals, plt.get_cmap("tab10").colors, strict=False)) | {OURS: "black"}  # type: ignore[attr-defined]
    figure, axes = plt.subplots(1, len(given), figsize=(5.5 * len(given), 4.2), sharey=True, squeeze=False)
    rollouts = np.arange(1, result["budget"] + 1)
    for axis, what in zip(axes[0], given, strict=True):
        for entry in result["strategies"]:
            if entry["name"] == CEILING:
                found = np.mean([run["curve"] for run in entry["runs"]], axis=0)
                axis.plot(rollouts, found, color="0.4", lw=1.0, ls="--", label=entry["name"])
            if entry["given"] != what or entry not in shown:
                continue
            curves = np.array([run["curve"] for run in entry["runs"]], dtype=float)
            mean, off = curves.mean(axis=0), _reach(curves)
            color, width = colors[_plain(entry["name"])], 2.4 if entry["name"] == OURS else 1.3
            axis.plot(rollouts, mean, color=color, lw=width, label=entry["name"])
            axis.fill_between(rollouts, np.maximum(mean - off, 0), mean + off, color=color, alpha=0.15, lw=0)
        axis.axhline(result["cells"], color="0.6", lw=0.8, ls=":")
        axis.set(xlabel="real rollouts", title=f"given {what}", xlim=(0, result["budget"]))
        axis.legend(frameon=False, fontsize=8, loc="upper left")
    axes[0][0].set_ylabel("distinct verified failures")
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
