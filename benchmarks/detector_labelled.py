"""What a few labelled episodes of a task are worth to a detector that was never told a verdict of it (`--labelled`).

Of every task of `--data`, some episodes of `--pool` are drawn and their verdicts told; the detector's own then divide
where these do. Detection by verdicts alone is measured with many draws, whole answers, with their reasons, with a few.
The data's labels are used for nothing but the score.

python benchmarks/detector_labelled.py --pool runs/one/test-unseen.json --data runs/another/test-unseen.json
    [--models models/detector …] [--counts 4 10 20] [--draws 200] [--answered 10] [--answers 3]
    [--out docs/results/detector-labelled]

Several models are several trainings of one detector; their numbers are means.
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import pages
from faultfield.detector import checkpoint, evaluation
from faultfield.detector.calibration import divide
from faultfield.detector.data import Sample, read_conversations
from faultfield.detector.refine import Refiner
from faultfield.detector.trajectories import Refinement
from faultfield.errors import DetectorError

HOW = Refinement(samples=1, temperature=0.0)
"""As `faultfield explain` answers."""

RESAMPLED = 20
"""Bootstrap samples of the test episodes for every draw of labelled ones."""


def odds_of(refiner: Refiner, samples: Sequence[Sample]) -> np.ndarray:
    """Of failure, by verdicts alone, float (n,)."""
    return np.array(refiner.odds([each.clip() for each in samples]))


def drawn(rng: np.random.Generator, pool: Sequence[Sample], count: int) -> dict[str, list[int]]:
    """Of every task `count` places in the pool, failures and successes among them.

    Raises:
        DetectorError: The pool has too few of a task, or one kind alone.
    """
    out: dict[str, list[int]] = {}
    for task in sorted({each.instruction for each in pool}):
        places = [i for i, each in enumerate(pool) if each.instruction == task]
        kinds = {pool[i].failed for i in places}
        if len(places) < count or len(kinds - {None}) < 2:
            raise DetectorError(f"The pool has too few episodes of '{task}' to draw {count} of both kinds.")
        some: list[int] = []
        while len({pool[i].failed for i in some}) < 2:
            some = rng.choice(places, size=count, replace=False).tolist()
        out[task] = some
    return out


def divides(pool: Sequence[Sample], odds: np.ndarray, draw: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Where verdicts of each task divide."""
    return {task: divide(odds[list(some)], [bool(pool[i].failed) for i in some]).odds for task, some in draw.items()}


def by_head(
    pool: Sequence[Sample], data: Sequence[Sample], odds: Sequence[tuple[np.ndarray, np.ndarray]], options: Any
) -> list[dict[str, Any]]:
    """Share of right detections by how many episodes of a task are labelled; 0 is the detector as it is.

    Args:
        pool: Where labelled episodes are drawn.
        data: What is detected.
        odds: Of pool and data, a pair a model.
        options: Counts, draws and seed.
    """
    truth = np.array([bool(each.failed) for each in data])
    tasks = np.array([each.instruction for each in data])
    out = []
    for count in (0, *options.counts):
        rng = np.random.default_rng([options.seed, count])
        means, again = [], []
        for _ in range(options.draws if count else 1):
            draw = drawn(rng, pool, count) if count else {}
            right = np.mean(
                [
                    (known >= np.array([place.get(task, 0.0) for task in tasks])) == truth
                    for place, known in ((divides(pool, own, draw), known) for own, known in odds)
                ],
                axis=0,
            )
            means.append({"all": right.mean()} | {task: right[tasks == task].mean() for task in sorted(set(tasks))})
            resampled = rng.integers(len(right), size=(RESAMPLED if count else 1000, len(right)))
            again += right[resampled].mean(axis=1).tolist()
        named = {name: float(np.mean([each[name] for each in means])) for name in means[0]}
        out.append({"labelled": count, "all": pages.spread(named.pop("all"), again), "tasks": named})
    return out


def answered(
    pool: Sequence[Sample], data: Sequence[Sample], models: Sequence[Any], odds: Sequence[np.ndarray], options: Any
) -> list[dict[str, Any]]:
    """Detection and reasons of whole answers: as the detector is, and with labelled episodes; a mean over draws."""
    rng = np.random.default_rng([options.seed, 1_000_000])
    draws = [{}] + [drawn(rng, pool, options.answered) for _ in range(options.answers)]
    scores: dict[bool, list[np.ndarray]] = {False: [], True: []}
    for draw in draws:
        for model, own in zip(models, odds, strict=True):
            refiner = Refiner(model, replace(HOW, divides=divides(pool, own, draw)))
            verdicts = evaluation.judge(refiner, data).verdicts
            each = [evaluation.score([sample], verdicts) for sample in data if sample.id in verdicts]
            scores[bool(draw)].append(np.array([[one.accuracy.value, one.reason.value] for one in each]))
    resampled = np.random.default_rng(options.seed).integers(len(data), size=(2000, len(data)))
    out = []
    for told, found in scores.items():
        if not found:
            continue
        by_episode = np.mean(found, axis=0)
        of_bootstrap = by_episode[resampled].mean(axis=1)
        out.append({
            "labelled": options.answered if told else 0,
            "draws": len(draws) - 1 if told else 1,
            "detection": pages.spread(float(by_episode[:, 0].mean()), of_bootstrap[:, 0]),
            "reason": pages.spread(float(by_episode[:, 1].mean()), of_bootstrap[:, 1]),
            "lowest and highest of the draws": [
                [float(np.min(one)), float(np.max(one))] for one in np.array([each.mean(axis=0) for each in found]).T
            ],
        })  # fmt: skip
    return out


def page(result: Mapping[str, Any]) -> list[str]:
    """The page's Markdown."""
    tasks = list(result["by head"][0]["tasks"])
    head = [
        [str(row["labelled"]), pages.cell(row["all"], 3), *(f"{row['tasks'][task]:.3f}" for task in tasks)]
        for row in result["by head"]
    ]
    whole = [
        [
            str(row["labelled"]), str(row["draws"]), pages.cell(row["detection"], 3), pages.cell(row["reason"], 3),
            "–" if not row["labelled"] else "; ".join(
                f"{low:.3f} to {high:.3f}" for low, high in row["lowest and highest of the draws"]
            ),
        ]
        for row in result["answered"]
    ]  # fmt: skip
    return [
        "# A few labelled episodes of a task that was never taught", "",
        f"Detectors: {', '.join(f'`{each}`' for each in result['models'])}. {result['samples']} episodes, "
        f"{result['failures']} of them failures; of each task some of {result['pool']} others are drawn, and "
        "`--labelled` is told their verdicts. Nothing is trained. Intervals (95 %) are drawn from the episodes, in the "
        "first table from the draws of labelled ones as well.", "",
        "## Detection, by verdicts alone", "",
        f"Share of right verdicts, a mean over {result['draws']} draws.", "",
        *pages.grid(["labelled episodes a task", "all", *tasks], head), "",
        "## Whole answers, as `faultfield explain` gives them", "",
        *pages.grid(["labelled episodes a task", "draws", "detection", "reason",
                     "lowest to highest of draws and trainings: detection; reason"], whole),
    ]  # fmt: skip


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="LLaVA file with the episodes that may be labelled")
    parser.add_argument("--data", type=Path, required=True, help="LLaVA file with the episodes that are judged")
    parser.add_argument("--models", type=Path, nargs="+", default=[Path("models/detector")])
    parser.add_argument("--counts", type=pages.positive, nargs="+", default=[4, 10, 20])
    parser.add_argument("--draws", type=pages.positive, default=200)
    parser.add_argument("--answered", type=pages.positive, default=10, help="labelled episodes of whole answers")
    parser.add_argument("--answers", type=int, default=3, help="draws of them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("docs/results/detector-labelled"))
    options = parser.parse_args()
    pool, data = (
        [each for each in read_conversations(path).items if each.failed is not None]
        for path in (options.pool, options.data)
    )
    models = [checkpoint.load(path) for path in options.models]
    refiners = [Refiner(model, HOW) for model in models]
    odds = [(odds_of(refiner, pool), odds_of(refiner, data)) for refiner in refiners]
    result = pages.facts(**{
        "models": [str(each) for each in options.models], "pool": len(pool), "samples": len(data),
        "failures": sum(bool(each.failed) for each in data), "draws": options.draws,
        "by head": by_head(pool, data, odds, options),
        "answered": answered(pool, data, models, [own for own, _ in odds], options),
    })  # fmt: skip
    pages.write(options.out, result, page(result))


if __name__ == "__main__":
    pages.run(main, "detector_labelled")
