"""What was predicted of variations never tried, against what fresh rollouts showed: every estimator, one table.

    python benchmarks/truth.py STUDY_DIR TRUTH.json [--expert EXPERT.json] [--more STUDY_DIR ...] [--only NAME ...]
        [--removed NAME ...] [--steps N] [--out docs/results/truth] [--cache runs/truth]

TRUTH.json is what `faultfield rollout STUDY_DIR --variations FILE --episodes 30 --json` printed, EXPERT.json the same
with `--role expert`: variations on which the expert fails too are infeasible and left out of the scores. Nothing in
TRUTH.json is learned from; a variation that the study knows is refused. `--more` names studies of the same policy with
other sets of known variations (50, 84), compared in further tables. Answers are kept in the cache, one file an
estimator and set of known variations, so that an interrupted run goes on where it stopped.
"""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.controls import feasibility
from faultfield.diagnosis.metrics import Truth, evaluate
from faultfield.errors import FaultfieldError, StudyError
from faultfield.files import write_text
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome
from faultfield.study import stages
from faultfield.study.directory import Study
from faultfield.variations import Variation, VariationSpace
from pages import machine, run
from truth_roster import Settings, roster
from truth_tables import markdown

REMOVED = ("probe-prior", "probe", "values", "values-logistic", "values-forest", "field", "field+probe", "gp")
"""Estimators that are also fitted with every known variation of the candidate's factors removed: the quick ones."""


@dataclass(frozen=True)
class Question:
    """Variations that no stage saw, and what fresh episodes of them showed.

    Attributes:
        variations: n of them, all feasible.
        truth: Their episodes.
        subsets: Rows of each subset.
        infeasible: Left out, because the expert fails too.
    """

    variations: tuple[Variation, ...]
    truth: Truth
    subsets: Mapping[str, list[int]]
    infeasible: tuple[Variation, ...]


def read_outcomes(path: Path, space: VariationSpace) -> list[Outcome]:
    """The outcomes in what `faultfield rollout --json` printed."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["variations"]
        return [Outcome(space.variation(r["variation"]), int(r["episodes"]), int(r["failures"])) for r in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path} is not what 'faultfield rollout … --json' prints: {error}.") from error


def question(
    found: Sequence[Outcome], expert: Sequence[Outcome], known: Sequence[Variation], space: VariationSpace
) -> Question:
    """Leave infeasible variations out, and sort the others into subsets."""
    leaked = {o.variation for o in found} & set(known)
    if leaked:
        raise StudyError(
            f"{len(leaked)} variations of the truth are known to the study, as '{next(iter(leaked)).text}'."
        )
    judged = feasibility([o.variation for o in found], expert)
    kept = [o for o, f in zip(found, judged, strict=True) if not f.infeasible]
    touched = {name for variation in known for name in variation}
    subsets: dict[str, list[int]] = {"all": list(range(len(kept)))}
    for row, outcome in enumerate(kept):
        subsets.setdefault(subset_of(outcome.variation, touched, space), []).append(row)
        if not all(space.factor(name).visible for name in outcome.variation):
            continue
        subsets.setdefault("all visible", []).append(row)
        if any(name.startswith("camera") for name in outcome.variation):
            subsets.setdefault("camera", []).append(row)
    truth = Truth(np.array([float(o.failures) for o in kept]), np.array([float(o.episodes) for o in kept]))
    dropped = tuple(f.variation for f in judged if f.infeasible)
    return Question(tuple(o.variation for o in kept), truth, subsets, dropped)


def subset_of(variation: Variation, touched: set[str], space: VariationSpace) -> str:
    """`physics` (a factor that no picture shows), `combinations`, `untouched factors` or `new values`."""
    if not all(space.factor(name).visible for name in variation):
        return "physics"
    if len(variation) > 1:
        return "combinations"
    return "new values" if set(variation) <= touched else "untouched factors"


class Cache:
    """Answers on disk, one JSON file each, named by what they were made from."""

    def __init__(self, directory: Path, made_from: Any) -> None:
        self._directory = directory
        self._made_from = made_from

    def answer(self, name: str, make: Callable[[], Estimates], *inputs: Any) -> tuple[Estimates, float]:
        """The kept answer and the CPU seconds it took, or a new one."""
        text = json.dumps([name, self._made_from, inputs], sort_keys=True, default=str)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        file = self._directory / f"{''.join(c if c.isalnum() else '-' for c in name)}-{digest}.json"
        if not file.exists():
            started = time.process_time()
            estimates = make()
            content = {key: column.tolist() for key, column in asdict(estimates).items()}
            write_text(file, json.dumps(content | {"seconds": time.process_time() - started}))
        content = json.loads(file.read_text(encoding="utf-8"))
        columns = (np.array(content[key]) for key in ("mean", "low", "high", "support"))
        return Estimates(*columns), float(content["seconds"])


def compare(
    episodes: Sequence[Episode],
    asked: Question,
    estimators: Mapping[str, Callable[[], Estimator]],
    cache: Cache,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Fit each estimator on the episodes and measure its answers, by subset; `error` where it cannot be had."""
    learned = sorted((*e.key, e.success) for e in episodes)
    keys = [v.key for v in asked.variations]
    table: dict[str, Any] = {}
    for name, factory in estimators.items():
        try:
            answer, seconds = cache.answer(
                name, lambda make=factory: make().fit(episodes).estimate(asked.variations), learned, keys
            )
        except FaultfieldError as error:
            table[name] = {"error": str(error)}
            continue
        table[name] = {"seconds": round(seconds, 1), "subsets": measured(answer, asked), "mean": answer.mean.tolist(),
                       "low": answer.low.tolist(), "high": answer.high.tolist()}  # fmt: skip
        tell(f"{name}: {seconds:.1f} s")
    return table


def without_factor(
    episodes: Sequence[Episode],
    asked: Question,
    estimators: Mapping[str, Callable[[], Estimator]],
    cache: Cache,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """The same, but each variation is estimated by a fit that saw no known variation of any of its factors."""
    learned = sorted((*e.key, e.success) for e in episodes)
    touched = {name for e in episodes for name in e.variation}
    groups: dict[frozenset[str], list[int]] = {}
    for row, variation in enumerate(asked.variations):
        shared = frozenset(variation) & touched
        if shared:
            groups.setdefault(shared, []).append(row)
    rows = sorted(row for group in groups.values() for row in group)
    table: dict[str, Any] = {}
    if not rows:
        return table
    for name, factory in estimators.items():
        columns, total = np.full((4, len(asked.variations)), np.nan), 0.0
        try:
            for names, group in groups.items():
                rest = [e for e in episodes if not names & set(e.variation)]
                wanted = [asked.variations[row] for row in group]
                answer, seconds = cache.answer(
                    name, lambda make=factory, rest=rest, wanted=wanted: make().fit(rest).estimate(wanted), learned,
                    sorted(names), [v.key for v in wanted],
                )  # fmt: skip
                columns[:, group] = answer.mean, answer.low, answer.high, answer.support
                total += seconds
        except FaultfieldError as error:
            table[name] = {"error": str(error)}
            continue
        answer = Estimates(*columns[:, rows])
        truth = asked.truth.at(np.array(rows))
        table[name] = {"seconds": round(total, 1), "subsets": {"all": _metrics(answer, truth)}}
        tell(f"{name}, its factors removed: {total:.1f} s")
    return table


def measured(answer: Estimates, asked: Question) -> dict[str, Any]:
    """All metrics of each subset."""
    result = {}
    for subset, rows in asked.subsets.items():
        index = np.array(rows)
        part = Estimates(answer.mean[index], answer.low[index], answer.high[index], answer.support[index])
        result[subset] = _metrics(part, asked.truth.at(index))
    return result


def _metrics(answer: Estimates, truth: Truth) -> dict[str, Any]:
    found = evaluate(answer, truth, draws=500)
    return {"variations": len(answer), **{name: asdict(m) for name, m in found.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--more", type=Path, nargs="*", default=[])
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--removed", nargs="*", default=REMOVED, help="estimators of the table with factors removed")
    parser.add_argument("--steps", type=int, help="virtual steps of the density's search, instead of the study's")
    parser.add_argument("--out", type=Path, default=Path("docs/results/truth"))
    parser.add_argument("--cache", type=Path, default=Path("runs/truth"))
    options = parser.parse_args()
    started = time.perf_counter()
    study = Study.open(options.study)
    found = read_outcomes(options.truth, study.space)
    expert = read_outcomes(options.expert, study.space) if options.expert else []
    views = stages.make_views(study)
    tables: dict[str, Any] = {}
    asked = None
    for directory in [options.study, *options.more]:
        other = Study.open(directory)
        if other.identity != study.identity:
            raise StudyError(f"{directory} studies another policy or environment than {options.study}.")
        episodes = stages.evidence(other)
        known = list(dict.fromkeys(e.variation for e in episodes))
        mine = question([o for o in found if o.variation not in known], expert, known, study.space)
        if asked is None:
            asked = question(found, expert, known, study.space)
            mine = asked
        search = study.config.search if options.steps is None else replace(study.config.search, steps=options.steps)
        settings = Settings(study.config.field, search)
        every = roster(views, settings)
        chosen = {name: make for name, make in every.items() if not options.only or name in options.only}
        cache = Cache(options.cache, [study.identity, settings.field.model_dump(), asdict(search)])
        tables[f"{len(known)} known variations, {len(episodes)} episodes"] = compare(
            episodes, mine, chosen, cache, _tell
        )
        if directory == options.study:
            quick = {name: make for name, make in chosen.items() if name in options.removed}
            tables["known variations of the candidate's factors removed"] = without_factor(
                episodes, mine, quick, cache, _tell
            )
    assert asked is not None
    result = {
        "command": " ".join(["python", *sys.argv]), "date": time.strftime("%Y-%m-%d"), "machine": machine(),
        "seconds": round(time.perf_counter() - started, 1), "policy": study.identity["policy"],
        "variations": [
            {"variation": v.to_json(), "text": v.text, "episodes": int(n), "failures": int(k)}
            for v, n, k in zip(asked.variations, asked.truth.episodes, asked.truth.failures, strict=True)
        ],
        "infeasible": [v.text for v in asked.infeasible], "tables": tables,
    }  # fmt: skip
    write_text(options.out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    write_text(options.out.with_suffix(".md"), markdown(result))
    _tell(f"Wrote {options.out}.md and .json in {result['seconds']:.0f} s")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(main, "truth.py")
