"""RoboMD's Table 3: variations never tried, ranked, against the ranking that fresh rollouts give.

    python benchmarks/table3.py STUDY_DIR TRUTH [--expert EXPERT.json] [--gap 0.4] [--seeds 3] [--only NAME ...]
        [--triple JSON JSON JSON] [--draws 2000] [--out docs/results/table3] [--cache runs/tables] [--quick]

STUDY_DIR, TRUTH and the cache as for `table1.py`, whose answers are taken where they are there. The paper ranks one
unseen variation among two known ones and calls the ranking consistent where it contradicts the truth nowhere; here
every such triple counts in which at least two rates differ by `--gap` or more. Its accuracy is over 21 unseen
variations; here over sets of 21 drawn from all of them.
"""

import argparse
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.metrics import Truth, distinct_pairs, variation_pairs
from faultfield.errors import StudyError
from faultfield.study import Study, stages
from faultfield.variations import Variation
from pages import cell, facts, grid, run, spread, write
from paper_numbers import ELSEWHERE, TABLE_3
from resnet18 import weights_file
from rivals import Answer, Asked, Settings, answers, asked, known_of, rivals
from table1 import QUICK

AT_ONCE = 21
"""Unseen variations in the paper's accuracy."""

TRIPLE = ('{"table_color": "red"}', '{"table_color": "black"}', '{"light_color": "green"}')
"""The paper's own: red table, black table (unseen), green light."""


def main() -> None:
    """Ask everybody, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("truth", type=Path)
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--gap", type=float, default=0.4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--resnet-weights", type=Path)
    parser.add_argument("--triple", nargs=3, default=TRIPLE, help="variations as JSON, to be told by name")
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--out", type=Path, default=Path("docs/results/table3"))
    parser.add_argument("--cache", type=Path, default=Path("runs/tables"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        vars(options).update({key: value for key, value in QUICK.items() if key != "pairs"}, draws=50)
    study = Study.open(options.study)
    views, episodes = stages.make_views(study), stages.evidence(study)
    subject, known = asked(study, options.truth, options.expert, episodes), known_of(episodes)
    settings = Settings(options.steps, options.epochs, weights_file(options.resnet_weights))
    every = rivals(study, views, settings)
    chosen = {name: rival for name, rival in every.items() if options.only is None or name in options.only}
    found = answers(study, chosen, settings, episodes, subject.variations, options.seeds, options.cache)
    named = by_name(study, options.triple)
    rows = [
        measured(name, answer, subject, known, named, options.gap, options.draws) for name, answer in found.items()
    ]
    result = facts(
        policy=study.identity["policy"], unseen=len(subject.variations), episodes=int(subject.truth.episodes.sum()),
        known=len(known.variations), triple=list(options.triple), truth=told(subject, known, named), gap=options.gap,
        seeds=options.seeds, draws=options.draws, settings=asdict(settings) | {"weights": str(settings.weights)},
        rows=rows, paper=TABLE_3,
    )  # fmt: skip
    write(options.out, result, page(result))


def by_name(study: Study, triple: Sequence[str]) -> list[Variation]:
    """The variations that are told by name; none where the study's environment has no such factors.

    Raises:
        StudyError: One of them is no JSON.
    """
    try:
        values = [json.loads(text) for text in triple]
    except ValueError as error:
        raise StudyError(f"--triple takes three variations as JSON, such as {TRIPLE[0]}: {error}.") from error
    if any(name not in study.space for value in values for name in value):
        return []
    return [study.space.variation(value) for value in values]


def consistent(scores: NDArray[np.float64], rates: NDArray[np.float64], gap: float) -> bool | None:
    """Whether scores put no two variations in the wrong order; None where no two rates differ by `gap`.

    Two that differ and have the same score are not in order either.
    """
    differing = [(a, b) for a, b in itertools.permutations(range(len(rates)), 2) if rates[a] - rates[b] >= gap - 1e-9]
    return all(scores[a] > scores[b] for a, b in differing) if differing else None


def measured(
    name: str, answer: Answer, subject: Asked, known: Counts, named: Sequence[Variation], gap: float, draws: int
) -> dict[str, Any]:
    """A row of the table; what is drawn is drawn alike for every rival."""
    if answer.error:
        return {"name": name, "error": answer.error}
    rates, n, m = subject.truth.rates, len(subject.variations), len(known.variations)
    rng = np.random.default_rng(0)
    triples = [(int(rng.integers(n)), *rng.choice(m, size=2, replace=False)) for _ in range(draws)]
    sets = [rng.choice(n, size=min(AT_ONCE, n), replace=False) for _ in range(draws)]
    pairs = [distinct_pairs(subject.truth.at(rows), gap=gap) for rows in sets]
    samples = rng.integers(n, size=(draws, n))
    by_seed, ranks, whole, at_once = [], [], [], []
    for scores, on_known in zip(answer.scores, answer.known, strict=True):
        judged = [
            consistent(
                np.array([scores[u], on_known[a], on_known[b]]), np.array([rates[u], *known.rates[[a, b]]]), gap
            )
            for u, a, b in triples
        ]
        by_seed.append(np.array([np.nan if each is None else float(each) for each in judged]))
        ranks.append([_spearman(scores, rates), *(_spearman(scores[rows], rates[rows]) for rows in samples)])
        at_once.append([variation_pairs(scores[rows], p) for rows, p in zip(sets, pairs, strict=True)])
        whole.append(variation_pairs(scores, distinct_pairs(subject.truth, gap=gap)))
    rank, once = np.mean(ranks, axis=0), np.mean(at_once, axis=0)
    marks = np.mean(by_seed, axis=0)
    where = [_at(variation, subject, known) for variation in named]
    by_name = None
    if len(where) == 3 and all(place is not None for place in where):
        order = [consistent(_pick(a, b, where), _pick(rates, known.rates, where), gap)
                 for a, b in zip(answer.scores, answer.known, strict=True)]  # fmt: skip
        by_name = order
    return {
        "name": name, "error": "", "spearman": spread(rank[0], rank[1:]),
        "accuracy": spread(float(np.mean(whole)), once), "accuracy_at_once": spread(float(np.nanmean(once)), once),
        "consistent": _triples(marks, triples, n), "triples": int(np.isfinite(marks).sum()), "by_name": by_name,
    }  # fmt: skip


def _triples(marks: NDArray[np.float64], triples: Sequence[tuple[int, ...]], n: int) -> dict[str, float]:
    """Mean over triples, and its range when the unseen variations are resampled."""
    unseen = np.array([triple[0] for triple in triples])
    there = np.isfinite(marks)
    total = np.bincount(unseen[there], weights=marks[there], minlength=n)
    count = np.bincount(unseen[there], minlength=n)
    drawn = np.random.default_rng(0).integers(n, size=(2000, n))
    tops, bottoms = total[drawn].sum(axis=1), count[drawn].sum(axis=1)
    means = np.divide(tops, bottoms, out=np.full(len(tops), np.nan), where=bottoms > 0)
    return spread(float(np.mean(marks[there])) if there.any() else float("nan"), means)


def _spearman(scores: NDArray[np.float64], rates: NDArray[np.float64]) -> float:
    from scipy.stats import rankdata

    a, b = (rankdata(column) - 0.5 * (len(rates) + 1) for column in (scores, rates))
    norm = float(np.sqrt((a**2).sum() * (b**2).sum()))
    return float((a * b).sum()) / norm if norm else float("nan")


def _at(variation: Variation, subject: Asked, known: Counts) -> tuple[bool, int] | None:
    """Whether a variation is known, and its row; None where nothing was rolled out of it."""
    if variation in known.variations:
        return True, known.variations.index(variation)
    return (False, subject.variations.index(variation)) if variation in subject.variations else None


def _pick(
    unseen: NDArray[np.float64], known: NDArray[np.float64], where: Sequence[tuple[bool, int] | None]
) -> NDArray[np.float64]:
    return np.array([known[place[1]] if place[0] else unseen[place[1]] for place in where if place is not None])


def told(subject: Asked, known: Counts, named: Sequence[Variation]) -> list[dict[str, Any]]:
    """What was rolled out of the variations that are told by name."""
    result = []
    for variation in named:
        place = _at(variation, subject, known)
        counted: Counts | Truth = known if place is not None and place[0] else subject.truth
        row: dict[str, Any] = {"text": variation.text, "known": place is not None and place[0]}
        if place is not None:
            row |= {"failures": int(counted.failures[place[1]]), "episodes": int(counted.episodes[place[1]])}
        result.append(row)
    return result


def page(result: Mapping[str, Any]) -> list[str]:
    """The table in Markdown."""
    lines = [
        "# Ranking variations never tried (RoboMD, Table 3)", "",
        f"{result['unseen']} variations of policy `{result['policy']}` that nothing was learned from "
        f"({result['episodes']} fresh episodes), {result['known']} known ones. Spearman and pairs (rates that differ by "
        f"{result['gap']:g} or more) over all of the unseen; the same pairs in sets of {AT_ONCE} unseen variations, as "
        "many as the paper's accuracy is over, mean and 2.5–97.5 % range over the sets; and the share of triples (one unseen, "
        "two known) that are ranked without a contradiction (in brackets bootstrap 95 % over the unseen). "
        f"{result['seeds']} seeds, {result['draws']} sets and triples. {ELSEWHERE}", "",
    ]  # fmt: skip
    rows = []
    for row in result["rows"]:
        if row["error"]:
            rows.append([row["name"], f"not to be had: {row['error']}", "", "", "", ""])
            continue
        order = "–" if row["by_name"] is None else ", ".join({True: "✓", False: "✗", None: "="}[x] for x in row["by_name"])
        rows.append([
            row["name"], cell(row["spearman"]), f"{row['accuracy']['value']:.2f}", cell(row["accuracy_at_once"]),
            f"{cell(row['consistent'])} of {row['triples']}", order,
        ])  # fmt: skip
    head = ("method", "Spearman", "pairs", f"pairs, {AT_ONCE} at once", "consistent triples", "the paper's triple, by seed")
    lines += [*grid(head, rows), ""]
    if all("failures" in row for row in result["truth"]) and result["truth"]:
        what = "; ".join(
            f"{row['text'].rstrip('.')} ({'known' if row['known'] else 'unseen'}): "
            f"{row['failures']} of {row['episodes']} failed"
            for row in result["truth"]
        )
        lines += [f"The paper's triple here: {what}. = means that no two of them differ.", ""]
    theirs = ", ".join(f"{name} {value:.0f} %" for name, value in TABLE_3.items())
    return [*lines, f"The paper: all five of its rankings of three or four are consistent; accuracy over 21 unseen variations: {theirs}."]


if __name__ == "__main__":
    run(main, "table3.py")
