"""How demonstrations are best spent on mending a policy (RoboMD, Tables 5 and 11): ours against random, a few, and all.

    python benchmarks/repair.py STUDY [--budget 60] [--times 7] [--rounds 1] [--looks 4] [--broad 0] [--seeds 1]
        [--corrections] [--widen 1]
        [--modes targeted random worst-2 …] [--per-variation 1] [--steps 3000] [--learning-rate 1e-3]
        [--share 0.3] [--original FILE] [--episodes 5]
        [--nominal 50] [--elsewhere 100] [--scenes 300000] [--on TABLE.parquet] [--workers N] [--work STUDY/repairs]
        [--out docs/results/repair]
    python benchmarks/repair.py --quick [--out DIR/repair]

STUDY is a diagnosed study of a policy that is mended here (`VisualBC`, robomimic's). Every mode gets `--budget`
expert demonstrations, spread over the variations that it chooses; `all` gets `--times` as many, over every known
failure. All are fine-tuned alike, on the same share of the same original demonstrations, and rolled out on the same
fresh episodes: every diagnosed variation that the expert can solve (with `--on`, every row of a truth table of the
policy, whether it was diagnosed or not), and nominal. Killed and run again it goes on; more
seeds or modes may be added later, and what was mended be compared on other `--scenes`.
`--quick` mends a toy policy, without a simulator.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faultfield.errors import StudyError
from faultfield.files import write_text
from faultfield.repair.mending import mender_of
from faultfield.repair.original import check_original
from faultfield.repair.plan import Recipe
from faultfield.repair.regather import gather_again
from faultfield.repair.result import APART, Repair, Success
from faultfield.repair.targets import ANYWHERE
from faultfield.study import Silent, Study
from faultfield.study.before_after import Comparing
from faultfield.study.repair import plan_of, repair
from faultfield.study.rounds import PICTURED, workers_of
from faultfield.study.seeds import CHECKED, REPAIR_SEED
from faultfield.variations import Variation
from pages import machine, positive, tell
from pages import run as run_program
from table import TruthTable

OURS = "targeted"
ELSEWHERE = "The policy of this study is mended elsewhere; the benchmark takes one that is mended here."
COLUMNS = ("all", "known", "unseen", "not demonstrated", "elsewhere", "nominal")
MODES = (OURS, "random", ANYWHERE, "worst-2", "worst-4", "all")

PAPER = {
    "pre-trained": ("67.91", "0.377", "0.016", "0.005", "–"),
    OURS: ("92.83", "0.033", "0.001", "0.001", "1.29 GB"),
    "worst-2": ("75.83", "0.140", "0.006", "0.003", "0.86 GB"),
    "worst-4": ("80.00", "0.128", "0.005", "0.002", "1.72 GB"),
    "all": ("85.48", "0.069", "0.003", "0.002", "9.00 GB"),
}
"""RoboMD's accuracy (%), mean square, chi-square, Wasserstein and size; its 2 and 4 failures were drawn at random."""


def recipes_of(options: argparse.Namespace) -> dict[tuple[int, str], Recipe]:
    """The recipe of each seed and mode."""
    return {(seed, mode): _recipe(options, mode, seed) for seed in range(options.seeds) for mode in options.modes}


def run(
    study: Study, options: argparse.Namespace, work: Path, original: Path | None, on: tuple[Variation, ...] | None
) -> dict[str, list[Repair]]:
    """The repairs of each mode, one a seed, compared on some variations or on what was diagnosed."""
    modes, recipes = options.modes, recipes_of(options)
    made: dict[str, list[Repair]] = {}
    for seed in range(options.seeds):
        for mode in modes:
            recipe = recipes[seed, mode]
            started = time.time()
            comparing = Comparing(options.episodes, options.nominal, options.scenes, on, 0 if on else options.elsewhere)
            found = repair(
                study, recipe, Silent(), out=work / f"{mode}-{recipe.budget}-seed-{seed}", original=original,
                comparing=comparing,
            )  # fmt: skip
            if not isinstance(found, Repair):
                raise StudyError(ELSEWHERE)
            made.setdefault(mode, []).append(found)
            tell(f"{mode}, seed {seed}: {found.measures_after.accuracy:.1%} ({time.time() - started:.0f} s)")
    return made


def rows_of(study: Study, table: Path | None) -> tuple[Variation, ...] | None:
    """The variations of a truth table of the study's policy, if one is given."""
    if table is None:
        return None
    return tuple(TruthTable.read(table, study.space).belongs_to(study.identity, table).variations)


def _recipe(options: argparse.Namespace, mode: str, seed: int) -> Recipe:
    return Recipe(
        budget=options.budget * (options.times if mode == "all" else 1), mode=mode, least=options.per_variation,
        seed=seed, share=options.share, steps=options.steps, learning_rate=options.learning_rate,
        rounds=options.rounds if mode == OURS else 1, looks=options.looks,
        broad=0.0 if mode == ANYWHERE else options.broad,
        corrections=options.corrections, widen=options.widen,
    )  # fmt: skip


def entry(name: str, repairs: Sequence[Repair], ours: Sequence[Repair] | None, side: str = "after") -> dict[str, Any]:
    """A row of the table.

    Args:
        name: Of the mode.
        repairs: One a seed.
        ours: Those that they are compared with, or None.
        side: `after`, or `before` for the policy as it was.
    """
    groups: dict[str, Any] = {}
    for group in COLUMNS:
        parts = [getattr(found, side) for r in repairs if (found := r.group(group)) is not None]
        if parts and not (side == "before" and group == "not demonstrated"):
            groups[group] = Success.of(sum(p.successes for p in parts), sum(p.episodes for p in parts)).model_dump()
    measures = [getattr(r, f"measures_{side}") for r in repairs]
    told: dict[str, Any] = {"name": name, "groups": groups}
    for measure in ("accuracy", "mean_square", "chi_square", "wasserstein"):
        values = [getattr(m, measure) for m in measures]
        told[measure] = None if None in values else float(np.mean(values))
    if side == "after":
        data = [r.targeted for r in repairs if r.targeted is not None]
        told |= {
            "seeds": len(repairs), "variations": float(np.mean([len(r.targets) for r in repairs])),
            "demonstrations": float(np.mean([d.demonstrations for d in data])),
            "steps": float(np.mean([d.steps for d in data])),
            "bytes": float(np.mean([d.bytes for d in data])), "fingerprints": [r.after.fingerprint for r in repairs],
            "paired": [
                {"lost": all_of.lost, "gained": all_of.gained, "p": all_of.p}
                for r in repairs if (all_of := r.group("all")) is not None
            ],
        }  # fmt: skip
    if ours is not None:
        told["ours_minus_this"] = gap(ours, repairs, side)
    return told


def gap(ours: Sequence[Repair], others: Sequence[Repair], side: str) -> dict[str, float]:
    """Ours minus another, mean success over variations with a bootstrap interval (95 %) over these."""

    def rates(repairs: Sequence[Repair], side: str) -> dict[str, float]:
        found: dict[str, list[float]] = {}
        for one in repairs:
            for row in one.rows:
                if row.group not in APART:
                    found.setdefault(row.key, []).append(getattr(row, side).rate)
        return {key: float(np.mean(values)) for key, values in found.items()}

    first, second = rates(ours, "after"), rates(others, side)
    gaps = np.array([first[key] - second[key] for key in first if key in second])
    drawn = np.random.default_rng(0).integers(len(gaps), size=(4000, len(gaps)))
    low, high = np.quantile(gaps[drawn].mean(axis=1), [0.025, 0.975])
    return {"points": 100 * float(gaps.mean()), "low": 100 * float(low), "high": 100 * float(high)}


def result_of(study: Study, made: Mapping[str, Sequence[Repair]], options: argparse.Namespace) -> dict[str, Any]:
    """Everything that the page says."""
    first = next(iter(made.values()))
    ours = made.get(OURS)
    rows = [entry("pre-trained", first[:1], ours, "before")]
    rows += [entry(mode, repairs, None if mode == OURS else ours) for mode, repairs in made.items()]
    return {
        "command": " ".join(["python", *sys.argv]), "date": time.strftime("%Y-%m-%d"), "machine": machine(),
        "study": study.name, "policy": study.identity["policy"], "environment": study.identity["environment"],
        "variations": sum(row.group not in APART for row in first[0].rows),
        "episodes": options.episodes, "nominal": options.nominal,
        "elsewhere": sum(row.group == "elsewhere" for row in first[0].rows),
        "first_seed": first[0].seeds[0], "on": options.on and options.on.name,
        "rounds": options.rounds,
        "recipe": {"per_variation": options.per_variation, "steps": options.steps, "share": options.share,
                   "learning_rate": options.learning_rate, "further_looks": options.looks,
                   "looks_anywhere": options.broad, "corrections": options.corrections,
                   **({"times_as_wide": options.widen} if options.widen > 1 else {}),
                   "original_ones_as_the_targets_look": any(map(pictured, made.values()))},
        "rows": rows, "goals": goals({row["name"]: row for row in rows}),
    }  # fmt: skip


def pictured(repairs: Sequence[Repair]) -> bool:
    """Whether original demonstrations were pictured as the targets look, too."""
    return any(any(Path(r.after.arguments["checkpoint"]).parent.glob(f"**/{PICTURED}")) for r in repairs)


def goals(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, bool | float | None]:
    """What was aimed at: 95 % over all variations, above random with intervals apart, a seventh of the data."""
    if OURS not in rows:
        return {}
    ours = rows[OURS]["groups"]["all"]
    told: dict[str, bool | float | None] = {"success": ours["rate"], "at_least_95": ours["rate"] >= 0.95}
    for name in ("random", ANYWHERE):
        if name in rows:
            told[f"above_{name}_with_intervals_apart"] = ours["low"] > rows[name]["groups"]["all"]["high"]
            told[f"above_{name}_paired"] = rows[name]["ours_minus_this"]["low"] > 0
    if "all" in rows:
        told["share_of_the_data_of_all"] = max(rows[OURS][d] / rows["all"][d] for d in ("demonstrations", "steps"))
    return told


def markdown(result: Mapping[str, Any]) -> str:
    """The page."""
    on = f" (the rows of `{result['on']}`, diagnosed or not)" if result.get("on") else ""
    lines = [
        "# Repair: how demonstrations are best spent", "",
        f"Study `{result['study']}`, policy {result['policy']}. {result['variations']} variations that the expert can "
        f"solve{on}, {result['episodes']} fresh episodes each (reset seeds from {result['first_seed']}), and "
        f"{result['nominal']} nominal; the same for every row."
        + (
            f" Elsewhere: {result['elsewhere']} variations of one or two factors, drawn from the whole space and never "
            "diagnosed, an episode each."
            if result["elsewhere"]
            else ""
        )
        + " Rates with Wilson's interval (95 %) over the episodes, "
        "of several seeds of training pooled: as these met the same scenes, an interval over several is too narrow. "
        "“Ours − this”: mean success over the variations, interval by bootstrap over these; "
        "what another training would give is not in it.", "",
        "| fine-tuned on | seeds | variations | demonstrations | pictures | MB | all variations | known | unseen | "
        "not demonstrated | elsewhere | nominal | ours − this, points |",
        "|---|" + "---:|" * 12,
    ]  # fmt: skip
    for row in result["rows"]:
        cells: list[Any] = [row["name"], *"–" * 5]
        if "seeds" in row:
            cells[1:] = [
                row["seeds"], f"{row['variations']:.0f}" if row["variations"] else "any",
                f"{row['demonstrations']:.0f}", f"{row['steps']:.0f}",
                f"{row['bytes'] / 1e6:.1f}",
            ]  # fmt: skip
        for group in COLUMNS:
            rate = row["groups"].get(group)
            cells.append(
                "–"
                if rate is None
                else f"{rate['successes']}/{rate['episodes']}, {rate['rate']:.1%} "
                f"({100 * rate['low']:.0f}–{100 * rate['high']:.0f})"
            )
        ahead = row.get("ours_minus_this")
        cells.append("–" if ahead is None else f"{ahead['points']:+.1f} ({ahead['low']:+.1f} to {ahead['high']:+.1f})")
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    paired = [
        f"{row['name']} " + " and ".join(f"{one['lost']}, {one['gained']} ({one['p']:.1g})" for one in row["paired"])
        for row in result["rows"] if row.get("paired")
    ]  # fmt: skip
    if paired:
        lines += [
            "", "Against the policy as it was, over all variations, by seed: episodes lost and gained (McNemar's exact "
            f"test, two-sided): {'; '.join(paired)}.",
        ]  # fmt: skip
    lines += [
        "", "RoboMD's measures over all variations; in brackets the paper's, on other policies and 21 variations.", "",
        "| fine-tuned on | accuracy, % | mean square, points² | chi-square | Wasserstein | data |",
        "|---|" + "---:|" * 5,
    ]  # fmt: skip
    for row in result["rows"]:
        paper = PAPER.get(row["name"], ("–",) * 5)
        own = [100 * row["accuracy"], row["mean_square"], row["chi_square"], row["wasserstein"]]
        size_told = f"{row['bytes'] / 1e6:.1f} MB" if "bytes" in row else "–"
        cells = [f"{'–' if a is None else format(a, '.3g')} ({b})" for a, b in zip(own, paper, strict=False)]
        lines.append("| " + " | ".join([row["name"], *cells, f"{size_told} ({paper[4]})"]) + " |")
    all_on = "" if result.get("on") else ", on which all are compared"
    lines += [
        "", f"`random` draws among the variations of the diagnosis{all_on}, failing or not; "
        f"`{ANYWHERE}` draws from the whole space, as one would without a diagnosis; `all` shows every known failure, "
        "with more demonstrations. Where half of the diagnosed variations fail, `random` knows nearly as much as ours.",
    ]  # fmt: skip
    aims = result["goals"]
    lines += ["", "Aimed at: " + "; ".join(_aim(name, value) for name, value in aims.items()) + "." if aims else ""]
    recipe = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in result["recipe"].items())
    parts = (
        f" `{OURS}` spends its budget and steps in {result['rounds']} rounds, with {CHECKED} episodes between them of "
        "each variation that failed before; the others choose once."
        if result["rounds"] > 1
        else ""
    )
    lines += ["", f"Recipe: {recipe}.{parts} Made on {result['date']} ({result['machine']}) by", "", "```sh"]
    return "\n".join([*lines, result["command"], "```", ""])


def _aim(name: str, value: bool | float | None) -> str:
    told = {
        "success": "success over all variations", "at_least_95": "at least 95 %",
        "above_random_with_intervals_apart": "above random with intervals apart",
        f"above_{ANYWHERE}_with_intervals_apart": f"above {ANYWHERE} with intervals apart",
        "above_random_paired": "above random, paired by variation, by an interval that leaves out 0",
        f"above_{ANYWHERE}_paired": f"above {ANYWHERE} likewise",
        "share_of_the_data_of_all": "share of the data of all failures, by demonstrations or rows (at most 0.143)",
    }  # fmt: skip
    return f"{told[name]}: {('yes' if value else 'no') if isinstance(value, bool) else f'{value:.3f}'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--budget", type=int, default=60)
    parser.add_argument("--times", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=1, help="of `targeted`; the others choose once")
    parser.add_argument("--looks", type=int, default=4, help="further looks that each demonstration is pictured under")
    parser.add_argument("--broad", type=float, default=0.0, help="share of these looks from anywhere in the space")
    parser.add_argument("--corrections", action="store_true", help="the policy begins each demonstration")
    parser.add_argument("--widen", type=int, default=1, help="so many times its feature maps get the policy's eye")
    parser.add_argument("--seeds", type=positive, default=1)
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--per-variation", type=int, default=1)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--share", type=float, default=0.3)
    parser.add_argument("--original", type=Path)
    parser.add_argument("--episodes", type=int, default=5)
    parser.add_argument("--nominal", type=int, default=50)
    parser.add_argument("--elsewhere", type=int, default=100, help="other variations, one episode each; none with --on")
    parser.add_argument("--scenes", type=int, default=REPAIR_SEED, help="reset seeds of the comparison")
    parser.add_argument("--on", type=Path, help="compare on the rows of this truth table, not on what was diagnosed")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results/repair"))
    options = parser.parse_args()
    if not options.quick and options.study is None:
        parser.error("give STUDY, or --quick")
    if options.quick:
        with tempfile.TemporaryDirectory() as folder:
            _report(*quick(options, Path(folder)), options)
        return
    with Study.open(options.study, None, options.workers) as study:
        work = options.work or study.directory / "repairs"
        original = options.original
        if mender_of(study.policy_spec) is None:
            raise StudyError(ELSEWHERE)
        if original is None and options.share and "checkpoint" not in study.policy_spec.arguments:
            raise StudyError("The policy does not say what it learned from; give --original FILE, or --share 0.")
        # Before hours of demonstrations: a table of another policy is refused, a mode that there is not, and a budget
        # that is too small.
        on = rows_of(study, options.on)
        for recipe in recipes_of(options).values():
            plan_of(study, recipe)
        if original is None and options.share:
            original = work / "original.npz"
            gather_again(original, study.policy_spec.arguments["checkpoint"], workers=workers_of(study))
        if original is not None:
            check_original(original, study.env_spec)
        _report(study, run(study, options, work, original, on), options)


def quick(options: argparse.Namespace, folder: Path) -> tuple[Study, dict[str, list[Repair]]]:
    """A toy policy that knows red discs only, mended in a minute."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from tests.repair import toy

    options.budget, options.times, options.steps, options.learning_rate = 8, 3, 150, 2e-3
    options.episodes, options.nominal, options.elsewhere, options.seeds = 4, 10, 10, 1
    demos = toy.demonstrations(folder / "original.npz", 25)
    study = toy.study(folder / "study", toy.taught(folder / "checkpoint", demos, steps=200))
    return study, run(study, options, folder / "repairs", demos, rows_of(study, options.on))


def _report(study: Study, made: Mapping[str, Sequence[Repair]], options: argparse.Namespace) -> None:
    result = result_of(study, made, options)
    write_text(options.out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    write_text(options.out.with_suffix(".md"), markdown(result))
    tell(f"Wrote {options.out}.md and .json")


if __name__ == "__main__":
    run_program(main, "repair.py")
