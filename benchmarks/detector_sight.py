"""How much of an episode's outcome lies in what the simulator knew, and in what the detector's eyes read of it.

Tree ensembles (scikit-learn's) learn from the numbers of eight moments of every training episode whether it failed
(histogram gradient boosting), and what its reason claims (extremely randomised trees), and judge the test splits: once
from the simulator's own numbers, once from those that eyes read in the same pictures. What they can tell, a detector
with the same eyes could tell: how far a detector stays behind is its decoder's part, how far the second row stays
behind the first the eyes'. Reasons are scored as the slot judge scores a detector's, the object being told.

python benchmarks/detector_sight.py --data runs/faults [--tests runs/fresh] [--eyes runs/detector.sight/eyes] \
    [--out docs/results/detector-sight]
"""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

import pages
from detector_variants import TESTS, TRAINING
from faultfield.detector import checkpoint
from faultfield.detector.data import Sample, read_split
from faultfield.detector.metrics import detection, mean
from faultfield.errors import DetectorError
from faultfield.faults.claims import LEFT_OUT, Claim, agreement, parse
from faultfield.faults.generate import read_lines
from faultfield.faults.states import FLAGS, VALUES

AT_ONCE = 16


def main() -> None:
    """Measure both, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tests", type=Path, help="data whose test splits are used; those of --data by default")
    parser.add_argument("--eyes", type=Path, help="a detector with a gaze; without one, the simulator's numbers alone")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    tests = arguments.tests or arguments.data
    folders = {name: tests if name in TESTS else arguments.data for name in (*TRAINING, *TESTS)}
    splits = {name: folder for name, folder in folders.items() if (folder / f"{name}.json").is_file()}
    samples = {name: read_split(folder, name) for name, folder in splits.items()}
    known = {"what the simulator knew": {name: told(folder, name) for name, folder in splits.items()}}
    if arguments.eyes is not None:
        seen = Eyes(arguments.eyes)
        known["what the eyes read"] = {name: seen.read(each) for name, each in samples.items()}
    rows = {name: judged(each, samples) for name, each in known.items()}
    for name, scores in rows.items():
        print(name, {split: each["accuracy"]["value"] for split, each in scores.items()}, flush=True)
    if arguments.out is not None:
        report = pages.facts(rows=rows, counts={name: len(each) for name, each in samples.items()})
        pages.write(arguments.out, report, lines(report))


def told(folder: Path, split: str) -> NDArray[np.float32]:
    """What the simulator knew of a split's episodes, float32 (n, columns × numbers); NaN where there is none."""
    rows = [line["states"] for line in read_lines(folder) if line["split"] == split]
    if not all(rows):
        raise DetectorError(f"'{folder}' does not say what the simulator knew in {split}; generate it anew.")
    longest = max((len(row) for row in rows), default=0)
    out = np.full((len(rows), longest, len(VALUES) + len(FLAGS)), np.nan, np.float32)
    for place, row in enumerate(rows):
        out[place, : len(row)] = np.array(row, np.float32)
    return out.reshape(len(rows), -1)


class Eyes:
    """A detector's vision tower and its gaze.

    Args:
        folder: The detector's.

    Raises:
        DetectorError: It has no gaze.
    """

    def __init__(self, folder: Path) -> None:
        self._model = checkpoint.load(folder)
        if self._model.gaze is None:
            raise DetectorError(f"'{folder}' has no gaze; train it with --sight and a data directory.")
        self.gaze = self._model.gaze

    @torch.no_grad()
    def read(self, samples: Sequence[Sample]) -> NDArray[np.float32]:
        """What is read of samples, float32 (n, columns × numbers)."""
        out = []
        for start in range(0, len(samples), AT_ONCE):
            some = samples[start : start + AT_ONCE]
            views = [self._model.viewer(sample.clip()) for sample in some]
            tokens = self._model.see(self._model.open(views, [sample.instruction for sample in some]))
            out.append(self.gaze.read(tokens).flatten(1).numpy())
        return np.concatenate(out)


def judged(known: Mapping[str, NDArray[np.float32]], samples: Mapping[str, Sequence[Sample]]) -> dict[str, Any]:
    """Scores on each test split, and on each task that was never judged."""
    failed = {name: np.array([bool(sample.failed) for sample in each]) for name, each in samples.items()}
    learned = [name for name in TRAINING if name in samples]
    trees = HistGradientBoostingClassifier(max_iter=200, random_state=0)
    taught = np.concatenate([known[name] for name in learned])
    # What no task has, such as the turn of a hand that cannot turn, is no column to the trees.
    some = ~np.isnan(taught).all(axis=0)
    trees.fit(taught[:, some], np.concatenate([failed[name] for name in learned]))
    claims = Claims(known, samples, learned)
    found: dict[str, Any] = {}
    for name in (each for each in TESTS if each in samples):
        reasons = claims.scores(known[name], samples[name])
        chance = trees.predict_proba(known[name][:, some])[:, 1]
        groups = {name: np.ones(len(chance), bool)}
        if name == "test-unseen":
            tasks = np.array([sample.task for sample in samples[name]])
            groups |= {str(task): tasks == task for task in sorted(set(tasks))}
        for group, rows in groups.items():
            found[group] = detection(chance[rows].tolist(), failed[name][rows].tolist()).as_json()
            found[group]["reason"] = vars(mean(reasons[rows]))
            found[group]["reason of failures"] = vars(mean(reasons[rows & failed[name]]))
    return found


class Claims:
    """Trees that tell what a reason claims: kind, axis, sign, and of a step that was left out which.

    Args:
        known: Numbers of every split.
        samples: Of every split.
        learned: The splits to learn from; samples without a reason are passed over.
    """

    _UNKNOWN = -9.0
    """In place of a number that there is not: far from all that are read, which are standardised, or metres."""

    def __init__(
        self, known: Mapping[str, NDArray[np.float32]], samples: Mapping[str, Sequence[Sample]], learned: Sequence[str]
    ) -> None:
        reasons = [sample.reason for name in learned for sample in samples[name]]
        claimed = [None if reason is None else _told(parse(reason)) for reason in reasons]
        self._claims = list(dict.fromkeys(claim for claim in claimed if claim is not None))
        rows = [row for row, claim in enumerate(claimed) if claim is not None]
        taught = np.concatenate([known[name] for name in learned])[rows]
        self._trees = ExtraTreesClassifier(400, max_features=0.3, random_state=0)
        self._trees.fit(self._filled(taught), [self._claims.index(claimed[row]) for row in rows])  # type: ignore[arg-type]

    def scores(self, numbers: NDArray[np.float32], samples: Sequence[Sample]) -> NDArray[np.float64]:
        """How much of each sample's reason is told, 0–1; its object is given."""
        told = [self._claims[place] for place in self._trees.predict(self._filled(numbers))]
        wanted = [parse(sample.reason or "") for sample in samples]
        return np.array([agreement(replace(a, object=b.object), b) for a, b in zip(told, wanted, strict=True)])

    def _filled(self, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.nan_to_num(numbers, nan=self._UNKNOWN)


def _told(claim: Claim) -> Claim:
    """What of a claim can be seen: no object, which the instruction names, and a phase where it was left out."""
    return replace(claim, object=None, phase=claim.phase if claim.kind == LEFT_OUT else None)


def lines(report: dict[str, Any]) -> list[str]:
    """The page."""
    columns = list(next(iter(report["rows"].values())))
    table = [
        [
            name,
            *(f"{pages.cell(scores[each]['accuracy'], 3)}; {pages.cell(scores[each]['auroc'], 3)}" for each in columns),
        ]
        for name, scores in report["rows"].items()
    ]
    reasons = [
        [
            name,
            *(
                f"{pages.cell(scores[each]['reason'], 3)}; {pages.cell(scores[each]['reason of failures'], 3)}"
                for each in columns
            ),
        ]
        for name, scores in report["rows"].items()
    ]
    counts = ", ".join(f"{name} {count}" for name, count in report["counts"].items())
    return [
        "# What a detector could tell from what its eyes read",
        "",
        "Failed or not, told by boosted trees from numbers of eight moments: right verdicts with Wilson's interval "
        f"(95 %), then the AUROC with its own. Episodes: {counts}. Trained on the training splits alone, one ensemble "
        "for all tasks, which are not named to it.",
        "",
        *pages.grid(["from", *columns], table),
        "",
        "What a reason claims (kind, axis, sign; of a step left out, which), told by extremely randomised trees from "
        "the same numbers and scored as the slot judge scores reasons, the object being given: mean score, then that "
        "of failures alone, bootstrap 95 %.",
        "",
        *pages.grid(["from", *columns], reasons),
    ]


if __name__ == "__main__":
    pages.run(main, "detector_sight")
