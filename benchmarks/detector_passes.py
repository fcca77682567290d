"""How often a trained detector's decoder is run for the first video that it judges, by round.

Passes decide what a refinement costs on large models, whatever the machine: one reads all that is asked of all samples
at once. Each video is judged by a fresh `Refiner`: with guesses from the reasons that the detector was taught, and
without. The answers are the same; one plain `generate` of the same answer takes as many passes as it has tokens.

python benchmarks/detector_passes.py --data runs/faults [--model models/detector] [--split test-seen] [--videos 40]
    [--out docs/results/detector-passes]
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import pages
from faultfield.detector import checkpoint
from faultfield.detector.data import Sample, read_split
from faultfield.detector.model import ArmorModel
from faultfield.detector.trajectories import Refinement
from watched import Watched

WAYS = ("knowing what it was taught", "knowing nothing")


def measure(model: ArmorModel, samples: Sequence[Sample], rounds: int) -> dict[str, Any]:
    """Passes by way, video and round, and the tokens of the answers.

    Raises:
        AssertionError: An answer depends on what was guessed.
    """
    passes: dict[str, list[tuple[float, ...]]] = {way: [] for way in WAYS}
    tokens = []
    for sample in samples:
        said = []
        for way in WAYS:
            how = Refinement(rounds=rounds, tolerance=-np.inf)
            refiner = Watched(model, how, None if way == WAYS[0] else ())
            with refiner.counting():
                said.append(refiner.judge([sample.clip()])[0])
            passes[way].append(tuple(note["passes"] for note in refiner.notes))
        assert [each.reason for each in said[0].rounds] == [each.reason for each in said[1].rounds], sample.id
        tokens.append(len(model.scribe.reason_ids(said[0].reason)))
    return {"passes": passes, "tokens": tokens}


def page(found: dict[str, Any], model: str, split: str) -> list[str]:
    """The page's Markdown."""
    rows = []
    for way in WAYS:
        by_round = np.array(found["passes"][way])
        whole = by_round.sum(axis=1)
        rows.append([
            way,
            f"{whole.mean():.1f} ({np.median(whole):.0f}, {whole.max():.0f})",
            ", ".join(f"{each:.1f}" for each in by_round.mean(axis=0)),
        ])  # fmt: skip
    count, tokens = len(found["tokens"]), fmean(found["tokens"])
    return [
        "# Passes through the decoder for a first video",
        "",
        f"Detector `{model}`, the first {count} videos of `{split}`, each judged by a detector that has judged nothing "
        f"before; rounds never stop early. Its answers have {tokens:.0f} tokens on average, and one plain `generate` "
        "takes a pass for each.",
        "",
        *pages.grid(["guessing from", "passes a video: mean (median, most)", "mean by round"], rows),
    ]  # fmt: skip


def main() -> None:
    """Count, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, default=Path("models/detector"))
    parser.add_argument("--split", default="test-seen")
    parser.add_argument("--videos", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("docs/results/detector-passes"))
    options = parser.parse_args()
    samples = read_split(options.data, options.split)[: options.videos]
    model = checkpoint.load(options.model)
    found = measure(model, samples, options.rounds)
    told = {"model": str(options.model), "split": options.split, "reasons": len(model.reasons)}
    result = pages.facts(**found, **told)
    pages.write(options.out, result, page(found, str(options.model), options.split))


if __name__ == "__main__":
    pages.run(main, "detector_passes")
