"""Distinct verified failures found per real rollout: every strategy replayed on one cached truth table.

    python benchmarks/search.py STUDY TABLE [--seeds 20] [--budget 200] [--batch 4] [--failures 2] [--patience 1]
        [--only NAME ...] [--virtual-steps 50000] [--out docs/results/search] [--cache runs/search]
    python benchmarks/search.py --quick [--out DIR/search]

TABLE is what `benchmarks/truth_table.py` wrote; a table of another policy or environment than STUDY's is refused.
`--quick` plays a made-up policy, without a simulator, in less than a minute.

Every rollout is the next unused episode of a row of the table, in an order drawn anew for each seed. Strategies with a
model choose among the table's rows; those that propose freely (Sobol, grid) are brought to the nearest row that they
did not ask for yet. One rule serves all: a variation is rolled out until it is verified, or until it has shown
`--patience` more successes than failures. Ours may then come back to it, as may every rival with a model in a row
of its own; ours is played without it too. All that learn are told the nominal episodes. Verified is what failed at
least `--failures` times with a lower Wilson bound above the upper one of the nominal rate; two are distinct in
different cells of `faultfield.variations.cells`, a partition that no strategy looks at. RoboMD's diagnostic policy
learns a field of pictures and is trained in it anew, `--virtual-steps` long, whenever something is asked; 0 leaves it
out, as `--quick` does.
"""

import argparse
import functools
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import pictured
import replay as replaying
import table as tables
from faultfield.diagnosis.hunting import Hunt
from faultfield.diagnosis.probe import ProbeLine, ProbePrior
from faultfield.errors import StudyError
from faultfield.files import write_text
from faultfield.rollouts import intervals
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.intervals import wilson
from faultfield.search import GridSearch, SobolSearch, Strategy
from faultfield.search.forest import ForestSearch
from faultfield.search.level_set import LevelSetSearch
from faultfield.search.map_elites import MapElitesSearch
from faultfield.search.pool import PoolSearch
from faultfield.search.verification import Verification
from faultfield.study import field_search
from faultfield.study.directory import Study
from faultfield.variations import NOMINAL, VariationSpace, cells, factor
from faultfield.variations import space as space_of
from pages import machine, positive, run, tell, version
from pictured import Gallery
from replay import Level, Others, Shuffled, Snapped, TableViews, Truth, curve, false_claims, replay
from search_pages import BACK, OURS, draw, markdown, summary
from surfaces import made_up_space, surface
from table import TruthTable

VALUES, PROBE, PICTURES = "factor values", "factor values and probe", "pictures"
CEILING = ("hunt, told the truth", "every row's failure rate")
OTHERS = ("hunt, told all other rows", "the failure rates of nine rows of ten")
NEVER, PLAIN = f"{OURS}, never coming back", f"{OURS}, its line drawn to nothing"
APART = (CEILING[0], OTHERS[0], NEVER, PLAIN)
"""In the table alone: two that know what cannot be known, and ours without a part."""

DIAGNOSTIC = "diagnostic policy (RoboMD)"

PROGRAMS = tuple(
    str(module.__file__)
    for module in (sys.modules[__name__], pictured, replaying, tables, field_search, cells, factor, space_of, intervals)
)
"""What curves depend on beside the library's own folders."""

Make = Callable[[int], Strategy]
"""A fresh strategy from a seed."""


def strategies(
    table: TruthTable, space: VariationSpace, failures_wanted: int, gallery: Gallery | None = None
) -> dict[tuple[str, str], Make]:
    """Name and what it is given to a factory; what has no model is the same with and without features."""
    # A proposal of more factors than any row has would be brought to a row that has little to do with it.
    most = max(len(variation) for variation in table.variations)
    found: dict[tuple[str, str], Make] = {
        ("random", VALUES): lambda seed: Shuffled(space, table, seed),
        ("Sobol", VALUES): lambda seed: Snapped(SobolSearch(space, seed, order=most), table),
        ("grid", VALUES): lambda seed: Snapped(GridSearch(space, seed), table),
    }
    views, others = TableViews(table, space), functools.cache(lambda: Others(table, space))
    failures, episodes = table.nominal
    nominal = [Episode(NOMINAL, i, i >= failures, 1, table.policy, table.environment, "known") for i in range(episodes)]

    def informed(strategy: PoolSearch) -> PoolSearch:
        strategy.tell(nominal)
        return strategy

    for given, features in ((VALUES, None), (PROBE, views.probe)):
        for back, wanted in (("", None), (BACK, failures_wanted)):
            own: dict[str, Any] = {"pool": table.variations, "features": features, "failures": wanted}
            found |= {
                (f"MAP-Elites{back}", given): lambda seed, own=own: informed(MapElitesSearch(space, seed, **own)),
                (f"GP level set{back}", given): lambda seed, own=own: informed(LevelSetSearch(space, seed, **own)),
                (f"GP upper bound{back}", given): lambda seed, own=own: informed(
                    LevelSetSearch(space, seed, acquisition="ucb", **own)
                ),
                (f"forest{back}", given): lambda seed, own=own: informed(ForestSearch(space, seed, **own)),
            }
    ours: dict[str, Any] = {"known": nominal, "pool": table.variations, "failures": failures_wanted}
    for given, estimator, prior in ((VALUES, Level, None), (PROBE, lambda: ProbeLine(views), ProbePrior(views))):
        for name, back in ((OURS, True), (NEVER, False)):
            found[name, given] = lambda seed, e=estimator, p=prior, again=back: Hunt(
                space, e, seed, prior=p, again=again, **ours
            )
    found[PLAIN, PROBE] = lambda seed: Hunt(space, lambda: ProbeLine(views, drawn=False), seed, **ours)
    if gallery is not None:
        found[DIAGNOSTIC, PICTURES] = lambda seed: gallery.search(table, nominal, seed)
    found[CEILING] = lambda seed: Hunt(space, lambda: Truth(table), seed, spread=0.05, **ours)
    found[OTHERS] = lambda seed: Hunt(space, others, seed, **ours)
    return found


def compare(
    table: TruthTable,
    space: VariationSpace,
    rule: Verification,
    *,
    seeds: int,
    budget: int,
    batch: int,
    only: Sequence[str] = (),
    cache: Path | None = None,
    gallery: Gallery | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """One entry a strategy: its curves, int (seeds, budget), finds, false claims, seconds."""
    seen = [(r.variation.key, r.failed, np.asarray(r.features).round(6).tolist()) for r in table.rows]
    made_from = [table.policy, list(table.nominal), seen, str(rule), budget, batch, version(*PROGRAMS)]
    entries = []
    for (name, given), make in strategies(table, space, rule.failures, gallery).items():
        if only and name not in only:
            continue
        learned = [] if gallery is None or given != PICTURES else [str(gallery.config), str(gallery.bank.config)]
        digest = hashlib.sha256(json.dumps(made_from + learned).encode()).hexdigest()[:12]
        runs = []
        for seed in range(seeds):
            file = None if cache is None else cache / f"{name}-{given}-{digest}-{seed}.json".replace(" ", "_")
            if file is not None and file.exists():
                runs.append(json.loads(file.read_text(encoding="utf-8")))
                continue
            started = time.process_time()
            campaign = replay(table, make(seed), rule, budget, seed=1000 + seed, batch=batch)
            runs.append({
                "curve": curve(campaign, space, budget).tolist(), "finds": len(campaign.finds),
                "false": false_claims(campaign, table, rule.bound), "tried": len(campaign.counts),
                "seconds": round(time.process_time() - started, 2),
            })  # fmt: skip
            if file is not None:
                write_text(file, json.dumps(runs[-1]))
        entries.append({"name": name, "given": given, "runs": runs})
        tell(f"{name} on {given}: {np.mean([r['curve'][-1] for r in runs]):.1f} distinct verified failures")
    return entries


def result_of(
    entries: Sequence[Mapping[str, Any]],
    table: TruthTable,
    space: VariationSpace,
    rule: Verification,
    budget: int,
    steps: int = 0,
) -> dict[str, Any]:
    """Everything that the page and the picture say."""
    there = [r.variation for r in table.rows if wilson(sum(r.failed), len(r.failed))[0] > rule.bound]
    return {
        "command": " ".join(["python", *sys.argv]), "date": time.strftime("%Y-%m-%d"), "machine": machine(),
        "policy": table.policy, "environment": table.environment, "facts": dict(table.facts),
        "rows": len(table.rows), "least": table.least, "failing": len(there), "cells": len(cells.cells(there, space)),
        "nominal": list(table.nominal), "bound": rule.bound, "failures": rule.failures, "patience": rule.patience,
        "budget": budget, "virtual_steps": steps, "apart": list(APART), "strategies": list(entries),
        "summary": summary(entries, budget, OURS, VALUES, apart=APART),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, nargs="?")
    parser.add_argument("table", type=Path, nargs="?")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seeds", type=positive, default=20)
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--failures", type=int, default=2)
    parser.add_argument("--patience", type=int, default=1)
    parser.add_argument("--virtual-steps", type=int, default=50_000)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("docs/results/search"))
    parser.add_argument("--cache", type=Path, default=Path("runs/search"))
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error("an interval takes two seeds at least")
    if not options.quick and options.table is None:
        parser.error("give STUDY and TABLE, or --quick")
    cache: Path | None = options.cache
    gallery: Gallery | None = None
    if options.quick:
        space = made_up_space()
        table = surface(space, rows=120, share=0.15, episodes=20)
        options.seeds, options.budget, options.virtual_steps, cache = 2, 40, 0, None
    else:
        try:
            study = Study.open(options.study, options.cache / "study")
        except StudyError as error:
            raise StudyError(str(error).replace("another --out", "another --cache")) from error
        space = study.space
        table = TruthTable.read(options.table, space).belongs_to(study.identity, options.table)
        if options.virtual_steps:
            gallery = Gallery.of(study, options.virtual_steps)
    known = {name for name, _ in strategies(table, space, options.failures, gallery)}
    if unknown := set(options.only) - known:
        raise StudyError(f"There is no strategy '{min(unknown)}'; known are {', '.join(sorted(known))}.")
    rule = Verification(wilson(*table.nominal)[1], options.failures, options.patience, table.least)
    entries = compare(
        table, space, rule, seeds=options.seeds, budget=options.budget, batch=options.batch, only=options.only,
        cache=cache, gallery=gallery, tell=tell,
    )  # fmt: skip
    result = result_of(entries, table, space, rule, options.budget, options.virtual_steps)
    write_text(options.out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    write_text(options.out.with_suffix(".md"), markdown(result, options.out.name))
    draw(result, options.out.with_suffix(".png"))
    tell(f"Wrote {options.out}.md, .json and .png")


if __name__ == "__main__":
    run(main, "search.py")
