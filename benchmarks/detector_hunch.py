"""How far eyes that judge carry to tasks of which they were taught no verdict: some tasks left out, one after another.

What eyes read of the training samples is read once. Then the tasks are shared out into groups; for each group, a hunch
(`faultfield.detector.training.hunches`) learns from all other tasks and judges these. So variants can be chosen without
a look at any test. Beside them boosted trees (scikit-learn's histogram gradient boosting), and what the head of a
detector that was taught all of these tasks cannot be asked for: it has no task left that it does not know.

python benchmarks/detector_hunch.py --data runs/faults --eyes runs/detector.sight/eyes [--more FILE.json ...] \
    [--variants ours ...] [--groups 8] [--tests runs/fresh ...] [--out docs/results/detector-hunch]
"""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold

import pages
from detector_sight import Eyes
from detector_variants import TESTS, TRAINING
from faultfield.detector.data import Sample, read_labelled, read_split
from faultfield.detector.gaze import Gaze
from faultfield.detector.metrics import detection, mean
from faultfield.detector.training.hunches import HunchConfig, learn
from faultfield.errors import DetectorError
from faultfield.faults.claims import agreement, parse

OURS = "ours"
PAIR = HunchConfig(members=2)
"""Half as many networks as a detector has, for the time it takes; each kind is there."""

VARIANTS: Mapping[str, HunchConfig | None] = {
    OURS: PAIR,
    "nothing hidden": replace(PAIR, hide=0.0),
    "nothing hidden, blur .1": replace(PAIR, hide=0.0, blur=0.1),
    "boosted trees": None,
}
"""None is trees, which give no explanation."""

Judge = Callable[[NDArray[np.float32]], tuple[NDArray[np.float64], list[str]]]
"""From what is read (n, columns, numbers) to log-odds of failure (n,) and the explanations' words."""


def main() -> None:
    """Read, leave out, judge, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="LLaVA files to learn from as well, whole")
    parser.add_argument("--eyes", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--groups", type=int, default=8, help="in which tasks are left out; 0 leaves none out")
    parser.add_argument("--tests", type=Path, nargs="*", default=[], help="data whose test splits are judged as well")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    eyes = Eyes(arguments.eyes)
    gaze = eyes.gaze
    taught = Split.seen(eyes, read_labelled([arguments.data], TRAINING).items)
    more = Split.seen(eyes, read_labelled(arguments.more).items) if arguments.more else None
    tests = {
        f"{folder.name}, {name}": Split.seen(eyes, read_split(folder, name))
        for folder in arguments.tests
        for name in TESTS
        if (folder / f"{name}.json").is_file()
    }
    if arguments.groups and len(set(taught.tasks)) < max(arguments.groups, 2):
        raise DetectorError(
            f"{len(set(taught.tasks))} tasks are not {arguments.groups} groups; take fewer, or 0 for none."
        )
    if not (arguments.groups or tests):
        raise DetectorError("Nothing is left to judge: name --tests, or leave tasks out in --groups.")
    rows: dict[str, dict[str, Any]] = {}
    for name in arguments.variants:
        rows[name] = {}
        if arguments.groups:
            scores = left_out(taught, more, gaze, VARIANTS[name], arguments.groups, arguments.seed)
            rows[name]["tasks left out"] = scores
        judge = taught_by(joined(taught, more), gaze, VARIANTS[name], arguments.seed) if tests else None
        for split, asked in tests.items():
            assert judge is not None
            rows[name][split] = scored(asked, *judge(asked.read))
        told = {split: (each["accuracy"]["value"], each["reason"]["value"]) for split, each in rows[name].items()}
        print(name, told, flush=True)
    if arguments.out is not None:
        report = pages.facts(
            rows=rows,
            tasks=sorted(set(taught.tasks)),
            counts={"taught": len(taught.samples), "more": 0 if more is None else len(more.samples)}
            | {split: len(each.samples) for split, each in tests.items()},
            groups=arguments.groups,
            seed=arguments.seed,
            variants={name: None if (config := VARIANTS[name]) is None else asdict(config) for name in rows},
        )
        pages.write(arguments.out, report, lines(report))


class Split:
    """Samples, and what eyes read of them.

    Args:
        samples: All with a verdict.
        read: What was read of them, float32 (n, columns, numbers).
    """

    def __init__(self, samples: Sequence[Sample], read: NDArray[np.float32]) -> None:
        self.samples, self.read = list(samples), read
        self.failed = np.array([bool(sample.failed) for sample in self.samples])
        self.tasks = np.array([sample.task for sample in self.samples])

    @classmethod
    def seen(cls, eyes: Eyes, samples: Sequence[Sample]) -> "Split":
        """Look at them."""
        return cls(samples, eyes.read(samples).reshape(len(samples), eyes.gaze.columns, -1))

    def part(self, rows: NDArray[np.intp]) -> "Split":
        """Some of them."""
        return Split([self.samples[row] for row in rows], self.read[rows])

    def beside(self, other: "Split") -> "Split":
        """Both together."""
        return Split([*self.samples, *other.samples], np.concatenate([self.read, other.read]))


def joined(taught: Split, more: Split | None) -> Split:
    """All that there is to learn from."""
    return taught if more is None else taught.beside(more)


def left_out(
    taught: Split, more: Split | None, gaze: Gaze, config: HunchConfig | None, groups: int, seed: int
) -> dict[str, Any]:
    """Scores on all samples, each judged by what its task taught nothing."""
    odds, words = np.zeros(len(taught.samples)), [""] * len(taught.samples)
    parts = GroupKFold(groups).split(taught.read, groups=taught.tasks)
    for learned, asked in parts:
        judge = taught_by(joined(taught.part(learned), more), gaze, config, seed)
        odds[asked], said = judge(taught.read[asked])
        for row, text in zip(asked, said, strict=True):
            words[row] = text
    return scored(taught, odds, words)


def taught_by(split: Split, gaze: Gaze, config: HunchConfig | None, seed: int) -> Judge:
    """Learn from a split; what came of it judges.

    Raises:
        DetectorError: Reasons tell no explanations apart.
    """
    if config is None:
        flat = split.read.reshape(len(split.read), -1)
        trees = HistGradientBoostingClassifier(max_iter=200, random_state=seed).fit(flat, split.failed)

        def by_trees(read: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[str]]:
            return trees.decision_function(read.reshape(len(read), -1)), [""] * len(read)

        return by_trees
    hunch = learn(gaze, torch.from_numpy(split.read), split.samples, seed, config=config)
    if hunch is None:
        raise DetectorError("The samples' reasons name no fault and no success that could be told apart.")

    def by_sight(read: NDArray[np.float32]) -> tuple[NDArray[np.float64], list[str]]:
        guesses = hunch.guesses(gaze.heights(torch.from_numpy(read)))
        odds = np.array([guess.odds for guess in guesses])
        return odds, [hunch.openings[guess.best(guess.odds >= 0)] for guess in guesses]

    return by_sight


def scored(split: Split, odds: NDArray[np.float64], words: Sequence[str]) -> dict[str, Any]:
    """Verdicts, and reasons where there are any, their object given."""
    chances = 1 / (1 + np.exp(-odds))
    found = detection(chances.tolist(), split.failed.tolist()).as_json()
    told = [
        agreement(replace(parse(text), object=(wanted := parse(sample.reason)).object), wanted)
        for sample, text in zip(split.samples, words, strict=True)
        if sample.reason is not None
    ]
    found["reason"] = vars(mean(told))
    return found


def lines(report: dict[str, Any]) -> list[str]:
    """The page."""
    columns = list(next(iter(report["rows"].values())))
    table = [
        [name, *(f"{pages.cell(each[c]['accuracy'], 3)}; {pages.cell(each[c]['auroc'], 3)}" for c in columns)]
        for name, each in report["rows"].items()
    ]
    reasons = [
        [name, *(pages.cell(each[c]["reason"], 3) for c in columns)]
        for name, each in report["rows"].items()
        if report["variants"][name] is not None
    ]
    counts = ", ".join(f"{name} {count}" for name, count in report["counts"].items() if count)
    return [
        "# Eyes that judge: what carries to other tasks",
        "",
        f"*Tasks left out*: {len(report['tasks'])} tasks in {report['groups']} groups, each judged by what learned "
        "from the others; elsewhere by what learned from all. Nothing else of a detector is asked. Right verdicts with "
        "Wilson's interval (95 %), then the AUROC "
        f"with its own. Episodes: {counts}. Seed {report['seed']}. Two networks; a detector has four.",
        "",
        *pages.grid(["", *columns], table),
        "",
        "Reasons by the slot judge, the object being given: mean score, bootstrap 95 %.",
        "",
        *pages.grid(["", *columns], reasons),
    ]


if __name__ == "__main__":
    pages.run(main, "detector_hunch")
