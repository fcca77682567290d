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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asked import Asked, arguments, gather
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.metrics import Truth, distinct_pairs, variation_pairs
from faultfield.errors import StudyError
from faultfield.study import Study
from faultfield.variations import Variation
from pages import cell, facts, grid, run, spread, write
from paper_numbers import ELSEWHERE, TABLE_3
from rivals import Answer

AT_ONCE = 21
"""Unseen variations in the paper's accuracy."""

TRIPLE = ('{"table_color": "red"}', '{"table_color": "black"}', '{"light_color": "green"}')
"""The paper's own: red table, black table (unseen), green light."""


def main() -> None:
    """Ask everybody, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser, "table3")
    parser.add_argument("--triple", nargs=3, default=TRIPLE, help="variations as JSON, to be told by name")
    parser.add_argument("--draws", type=int, default=2000)
    options = parser.parse_args()
    all_of_it = gather(options)
    subject, known, draws = all_of_it.subject, all_of_it.known, 50 if options.quick else options.draws
    named = by_name(all_of_it.study, options.triple)
    among_known = any(answer.known.size for answer in all_of_it.answers.values())
    drawn = Drawn.of(subject.truth, known if among_known else None, options.gap, draws)
    rows = [
        measured(name, answer, subject.truth, drawn, options.gap)
        | {"by_name": named_order(answer, subject, known, named, options.gap)}
        for name, answer in all_of_it.answers.items()
    ]
    result = facts(
        **all_of_it.facts, among_known=among_known, triple=list(options.triple), truth=told(subject, known, named),
        draws=draws, rows=rows, paper=TABLE_3,
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


@dataclass(frozen=True)
class Drawn:
    """What every rival is measured on, drawn once.

    Attributes:
        triples: Row of an unseen variation and of two known ones, or of three unseen; `rates` of each, float64 (3,).
        sets: Rows of `AT_ONCE` unseen variations each, and their `pairs` that differ.
        samples: Rows of bootstrap samples of all unseen variations.
        every: All pairs of unseen variations that differ.
    """

    triples: list[tuple[int, ...]]
    rates: list[NDArray[np.float64]]
    sets: list[NDArray[np.int64]]
    pairs: list[NDArray[np.int64]]
    samples: NDArray[np.int64]
    every: NDArray[np.int64]

    @classmethod
    def of(cls, truth: Truth, known: Counts | None, gap: float, draws: int) -> "Drawn":
        """From the truth; with known variations among the triples, or without."""
        n, rng = len(truth.rates), np.random.default_rng(0)
        triples: list[tuple[int, ...]] = []
        rates = []
        for _ in range(draws):
            if known is None:
                chosen = rng.choice(n, size=3, replace=False)
                rates.append(truth.rates[chosen])
            else:
                chosen = np.array([rng.integers(n), *rng.choice(len(known.rates), size=2, replace=False)])
                rates.append(np.array([truth.rates[chosen[0]], *known.rates[chosen[1:]]]))
            triples.append(tuple(int(row) for row in chosen))
        sets = [rng.choice(n, size=min(AT_ONCE, n), replace=False) for _ in range(draws)]
        pairs = [distinct_pairs(truth.at(rows), gap=gap) for rows in sets]
        return cls(triples, rates, sets, pairs, rng.integers(n, size=(draws, n)), distinct_pairs(truth, gap=gap))


def measured(name: str, answer: Answer, truth: Truth, drawn: Drawn, gap: float) -> dict[str, Any]:
    """A row of the table."""
    if answer.error:
        return {"name": name, "error": answer.error}
    marks, ranks, whole, at_once = [], [], [], []
    for scores, on_known in zip(answer.scores, answer.known, strict=True):
        others = on_known if len(on_known) else scores
        judged = [
            consistent(np.array([scores[u], *others[[a, b]]]), rates, gap)
            for (u, a, b), rates in zip(drawn.triples, drawn.rates, strict=True)
        ]
        marks.append(np.array([np.nan if each is None else float(each) for each in judged]))
        samples = [np.arange(len(scores)), *drawn.samples]
        ranks.append([_spearman(scores[rows], truth.rates[rows]) for rows in samples])
        at_once.append([variation_pairs(scores[rows], p) for rows, p in zip(drawn.sets, drawn.pairs, strict=True)])
        whole.append(variation_pairs(scores, drawn.every))
    rank, once, mark = np.mean(ranks, axis=0), np.mean(at_once, axis=0), np.mean(marks, axis=0)
    return {
        "name": name, "error": "", "spearman": spread(rank[0], rank[1:]), "accuracy": float(np.mean(whole)),
        "accuracy_at_once": spread(float(np.nanmean(once)) if np.isfinite(once).any() else float("nan"), once),
        "consistent": _triples(mark, drawn.triples, len(truth.rates)), "triples": int(np.isfinite(mark).sum()),
    }  # fmt: skip


def named_order(
    answer: Answer, subject: Asked, known: Counts, named: Sequence[Variation], gap: float
) -> list[bool | None] | None:
    """Whether the variations told by name are in order, by seed; None where not all were rolled out and asked about."""
    where = [_at(variation, subject, known) for variation in named]
    if answer.error or answer.known.shape[1] != len(known.rates) or len(where) != 3 or None in where:
        return None
    rates = _pick(subject.truth.rates, known.rates, where)
    return [consistent(_pick(a, b, where), rates, gap) for a, b in zip(answer.scores, answer.known, strict=True)]


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
    known = result["among_known"]
    source = f"Answers from `{result['answers']}` (`benchmarks/truth.py`). " if result["answers"] else ""
    lines = [
        "# Ranking variations never tried (RoboMD, Table 3)", "",
        f"{result['variations']} variations of policy `{result['policy']}` that nothing was learned from "
        f"({result['episodes']} fresh episodes), {result['known']} known ones. Spearman and pairs (rates that differ "
        f"by {result['gap']:g} or more) over all of the unseen; the same pairs in sets of {AT_ONCE} unseen variations, "
        "as many as the paper's accuracy is over, mean and 2.5–97.5 % range over the sets; and the share of triples "
        f"({'one unseen, two known' if known else 'all three unseen'}) that are ranked without a contradiction (in "
        f"brackets bootstrap 95 % over the unseen). Seeds: {result['seeds']}; {result['draws']} sets and triples. "
        f"{source}{ELSEWHERE}", "",
    ]  # fmt: skip
    rows = []
    for row in result["rows"]:
        if row["error"]:
            rows.append([row["name"], f"not to be had: {row['error']}", "", "", "", ""])
            continue
        order = (
            "–" if row["by_name"] is None else ", ".join({True: "✓", False: "✗", None: "="}[x] for x in row["by_name"])
        )
        rows.append([
            row["name"], cell(row["spearman"]), f"{row['accuracy']:.2f}", cell(row["accuracy_at_once"]),
            f"{cell(row['consistent'])} of {row['triples']}", order,
        ])  # fmt: skip
    head = (
        "method",
        "Spearman",
        "pairs",
        f"pairs, {AT_ONCE} at once",
        "consistent triples",
        "the paper's triple, by seed",
    )
    lines += [*grid(head, rows), ""]
    if any(row.get("by_name") for row in result["rows"]):
        what = "; ".join(
            f"{row['text'].rstrip('.')} ({'known' if row['known'] else 'unseen'}): "
            f"{row['failures']} of {row['episodes']} failed"
            for row in result["truth"]
        )
        lines += [f"The paper's triple here: {what}. = means that no two of them differ.", ""]
    theirs = ", ".join(f"{name} {value:.0f} %" for name, value in TABLE_3.items())
    consistent = (
        "The paper: all five of its rankings of three or four are consistent; accuracy over 21 unseen variations"
    )
    return [*lines, f"{consistent}: {theirs}."]


if __name__ == "__main__":
    run(main, "table3.py")
