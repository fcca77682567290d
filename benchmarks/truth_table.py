"""A cached truth table: a dense set of variations, each rolled out many times once, with the probe's features.

    python benchmarks/truth_table.py STUDY --out benchmarks/tables/NAME.parquet [--rows 180] [--episodes 20]
        [--nominal 100] [--seed 3000000] [--space-seed 0] [--workers N]
    python benchmarks/truth_table.py STUDY --out FILE --from STUDY_DIR ... [--counts TRUTH.json ...] [--nominal K/N]
        [--least 10]
    python benchmarks/truth_table.py STUDY --out FILE --top-up TABLE.parquet [--episodes 20] [--seed 3000000]

The first form rolls out: half of the rows change one factor (every category, the ends of every range, the rest a Sobol
sequence), half change two. Episodes go to a ledger beside the study (`runs/NAME-truth`), so that a killed run goes on
where it stopped. The expert, where the study has one, is rolled out as well; rows that it fails under are left out.

The second form rolls nothing out: it takes episodes from the ledgers of other studies of the same policy, and failures
from files that `faultfield rollout --json` printed. Such a file says how many episodes failed, not which; a replay
shuffles the episodes of a row anyway. What a hunt rolled out is left out: it stopped because of what it saw.

The third form rolls out what the rows of a table lack to have `--episodes` each, with seeds of its own, and adds it.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from faultfield.cli.console import Bars
from faultfield.diagnosis.controls import feasibility
from faultfield.errors import FaultfieldError, StudyError
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.outcomes import outcomes
from faultfield.study import controls, stages
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.study.strategies import views_on
from faultfield.variations import NOMINAL, Variation, VariationSpace
from pages import positive
from surfaces import dense
from table import Row, TruthTable

Failed = Mapping[Variation, tuple[bool, ...]]
"""Of every episode of a variation, in the order of their seeds, whether it failed."""


def build(
    study: Study, *, rows: int, episodes: int, nominal: int, seed: int, space_seed: int, progress: Progress
) -> TruthTable:
    """Roll out what the ledger lacks, and make the table.

    Args:
        study: Whose policy and environment.
        rows: How many variations.
        episodes: Of each.
        nominal: Episodes under nominal conditions.
        seed: Episode i of every variation is reset with `seed + i`.
        space_seed: Of the variations.
        progress: Shows how far it is.
    """
    variations = dense(study.space, rows, space_seed)
    ledger = Ledger(study.directory / "truth", create=True)
    stages.roll_out(study, ledger, "Nominal", [NOMINAL], "truth", range(seed, seed + nominal), progress)
    stages.roll_out(study, ledger, "Truth", variations, "truth", range(seed, seed + episodes), progress)
    seeds = range(seed, seed + study.config.controls.per_variation)
    stages.roll_out_control(study, ledger, "expert", variations, seeds, progress)
    mine = list(ledger.iterate("truth", *study.identity.values(), load="none"))
    found = failed_of(e for e in mine if seed <= e.seed < seed + episodes)
    under = failed_of(e for e in mine if e.variation.is_nominal and seed <= e.seed < seed + nominal)[NOMINAL]
    lost = infeasible([e for e in controls.episodes(study, "expert", ledger) if e.seed in seeds])
    views = views_on(study, stages.collect_nominal(study, progress))
    facts = {"rows": rows, "episodes": episodes, "seed": seed, "space_seed": space_seed, "infeasible": len(lost)}
    wanted = set(variations) - lost
    kept = {v: f for v, f in found.items() if v in wanted}
    return assembled(study, views, kept, counted(under), facts)


def collected(
    study: Study, directories: Sequence[Path], counts: Sequence[Path], nominal: str | None, least: int,
    progress: Progress,
) -> TruthTable:  # fmt: skip
    """The table of what was rolled out already, for whatever reason but a hunt.

    Args:
        study: Of the same policy and environment; its nominal episodes give the probe its states.
        directories: Studies with ledgers.
        counts: What `faultfield rollout --json` printed.
        nominal: Failures and episodes as `K/N`; of the ledgers when None.
        least: Episodes below which a variation is left out.
        progress: Shows how far it is.
    """
    rolled: dict[tuple[Variation, int], Episode] = {}
    expert: dict[tuple[Variation, int], Episode] = {}
    for directory in directories:
        ledger = Ledger(directory / "ledger")
        for episode in ledger.iterate(None, *study.identity.values(), load="none"):
            # A hunt goes on with a variation only while it fails: its counts are no sample of the rate.
            if episode.stage != "hunt":
                rolled.setdefault((episode.variation, episode.seed), episode)
        for episode in controls.episodes(study, "expert", ledger):
            expert.setdefault((episode.variation, episode.seed), episode)
    found = dict(failed_of(rolled.values()))
    for file in counts:
        found |= read_counts(file, study.space)
    under = counted(found.pop(NOMINAL, ())) if nominal is None else _fraction(nominal)
    lost = infeasible(list(expert.values()))
    kept = {v: f for v, f in found.items() if not v.is_nominal and v not in lost and len(f) >= least}
    facts = {"from": [d.name for d in directories] + [f.name for f in counts], "infeasible": len(lost)}
    return assembled(study, views_on(study, stages.collect_nominal(study, progress)), kept, under, facts)


def topped_up(study: Study, table: TruthTable, *, episodes: int, seed: int, progress: Progress) -> TruthTable:
    """A table whose every row has so many episodes at least.

    Args:
        study: Of the table's policy and environment.
        table: Whose rows with fewer episodes get more; nominal episodes stay as they are.
        episodes: Of each row.
        seed: The first further episode of a row is reset with it, the next with `seed + 1`.
        progress: Shows how far it is.
    """
    ledger = Ledger(study.directory / "truth", create=True)
    lacking = {row.variation: episodes - len(row.failed) for row in table.rows if len(row.failed) < episodes}
    for lack in sorted(set(lacking.values())):
        some = [variation for variation, lacks in lacking.items() if lacks == lack]
        stages.roll_out(study, ledger, f"{lack} more", some, "truth", range(seed, seed + lack), progress)
    mine = ledger.iterate("truth", *study.identity.values(), load="none")
    more = failed_of(e for e in mine if seed <= e.seed < seed + lacking.get(e.variation, 0))
    rows = tuple(replace(row, failed=(*row.failed, *more.get(row.variation, ()))) for row in table.rows)
    about = {"rows": len(lacking), "episodes": episodes, "seed": seed, "command": " ".join(["python", *sys.argv])}
    facts = {**table.facts, "topped up": {**about, "date": time.strftime("%Y-%m-%d")}}
    return replace(table, rows=rows, facts=facts)


def assembled(
    study: Study, views: Views, failed: Failed, nominal: tuple[int, int], facts: Mapping[str, object]
) -> TruthTable:
    """The rows with their features."""
    if not failed or not nominal[1]:
        raise StudyError("There are no variations with enough episodes, or no nominal episodes, for a truth table.")
    variations = list(failed)
    features = views.probe(variations)
    rows = tuple(Row(v, tuple(failed[v]), features[i]) for i, v in enumerate(variations))
    about = {**facts, "command": " ".join(["python", *sys.argv]), "date": time.strftime("%Y-%m-%d")}
    return TruthTable(study.identity["policy"], study.identity["environment"], nominal, rows, about)


def failed_of(episodes: Iterable[Episode]) -> dict[Variation, tuple[bool, ...]]:
    """Outcomes by variation, in the order of the seeds."""
    rows: dict[Variation, list[tuple[int, bool]]] = defaultdict(list)
    for episode in episodes:
        rows[episode.variation].append((episode.seed, not episode.success))
    return {variation: tuple(failed for _, failed in sorted(marks)) for variation, marks in rows.items()}


def infeasible(expert: Sequence[Episode]) -> set[Variation]:
    """Variations that the expert fails under too."""
    found = outcomes(expert)
    return {f.variation for f in feasibility([o.variation for o in found], found) if f.infeasible}


def read_counts(path: Path, space: VariationSpace) -> dict[Variation, tuple[bool, ...]]:
    """Failures, then successes, of each variation in what `faultfield rollout --json` printed."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["variations"]
        return {
            space.variation(r["variation"]): tuple(i < r["failures"] for i in range(r["episodes"])) for r in rows
        }  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path} is not what 'faultfield rollout … --json' prints: {error}.") from error


def counted(failed: Sequence[bool]) -> tuple[int, int]:
    """Failures and episodes."""
    return int(np.sum(failed)), len(failed)


def _fraction(text: str) -> tuple[int, int]:
    parts = text.split("/")
    if len(parts) != 2 or not all(part.isdigit() for part in parts) or int(parts[0]) > int(parts[1]):
        raise StudyError(f"Nominal failures are told as K/N, for instance 2/200, not '{text}'.")
    return int(parts[0]), int(parts[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=positive, default=180)
    parser.add_argument("--episodes", type=positive, default=20)
    parser.add_argument("--nominal")
    parser.add_argument("--seed", type=int, default=3_000_000)
    parser.add_argument("--space-seed", type=int, default=0)
    parser.add_argument("--workers", type=int)
    parser.add_argument("--from", dest="directories", type=Path, nargs="*", default=[])
    parser.add_argument("--counts", type=Path, nargs="*", default=[])
    parser.add_argument("--least", type=int, default=10)
    parser.add_argument("--top-up", type=Path, help="a table whose rows get the episodes that they lack")
    options = parser.parse_args()
    # A study's file gets a directory of its own, so that the study itself stays as it is.
    own = None if options.study.is_dir() else Path("runs") / f"{options.out.stem}-truth"
    with Study.open(options.study, own, options.workers) as study:
        if options.top_up:
            before = TruthTable.read(options.top_up, study.space).belongs_to(study.identity, options.top_up)
            table = topped_up(study, before, episodes=options.episodes, seed=options.seed, progress=Bars())
        elif options.directories or options.counts:
            table = collected(
                study, options.directories, options.counts, options.nominal, options.least, Bars()
            )  # fmt: skip
        else:
            nominal = options.nominal or "100"
            if not nominal.isdecimal() or int(nominal) < 1:
                raise StudyError(
                    f"Without --from, --nominal is a number of episodes to roll out, from 1 on, not '{nominal}'."
                )
            table = build(
                study, rows=options.rows, episodes=options.episodes, nominal=int(nominal),
                seed=options.seed, space_seed=options.space_seed, progress=Bars(),
            )  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.write(options.out)
    failing = sum(row.rate >= 0.5 for row in table.rows)
    print(f"{len(table.rows)} variations, {failing} of which fail at least half the time, in {options.out}")


if __name__ == "__main__":
    try:
        main()
    except FaultfieldError as error:
        print(f"truth_table.py: {error}", file=sys.stderr)
        sys.exit(2)
