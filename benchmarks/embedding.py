"""The embedding table (RoboMD, Table 7 and Fig. 15): pictures alone or with text, each loss, on a study's episodes.

    python benchmarks/embedding.py runs/lift-demo --seeds 2 --paper --out docs/results/lift-embedding

A third of every variation's episodes is held out of each fit and measured. With `--paper`, both terms of the loss weigh
alike and nothing is regularised, as RoboMD has it; without, the study's own settings.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faultfield.field.config import FieldConfig
from faultfield.field.quality import quality_table
from faultfield.files import write_text
from faultfield.study import Study, stages
from pages import grid, positive, run
from paper_numbers import ELSEWHERE, TABLE_7


def main() -> None:
    """Fit what the table compares, or read what was found, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=positive, default=2)
    parser.add_argument("--contrast", nargs="+", choices=("outcome", "variation"), default=["outcome", "variation"])
    parser.add_argument("--paper", action="store_true", help="the paper's weights instead of the study's")
    parser.add_argument("--read", type=Path, help="the JSON of an earlier run: write its page anew and fit nothing")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if options.read is None:
        rows = fitted(Study.open(options.study), options.seeds, options.contrast, options.paper)
    else:
        rows = json.loads(options.read.read_text(encoding="utf-8"))
    write_text(options.out.with_suffix(".json"), json.dumps(rows, indent=1) + "\n")
    write_text(options.out.with_suffix(".md"), "\n".join(page(rows)) + "\n")


def fitted(study: Study, seeds: int, contrasts: Sequence[str], paper: bool) -> list[dict[str, Any]]:
    """A row for each input, loss, contrast and seed, as it goes into the JSON."""
    bank = stages.make_bank(study, stages.make_views(study))
    data = bank.data(stages.evidence(study))
    rows = []
    for contrast in contrasts:
        config = study.config.field.model_copy(update={"contrast": contrast})
        if paper:
            config = FieldConfig.paper(contrast=contrast, encoder=config.encoder, steps=config.steps)
        for seed in range(seeds):
            for row in quality_table(data, config, seed, bank.encoder()):
                if row.loss == "bce" and contrast == "variation":
                    continue  # without Eq. 1 there is nothing to contrast
                rows.append({"contrast": contrast, "seed": seed, **asdict(row)})
    return list(json.loads(json.dumps(rows)))


def page(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table in Markdown."""
    head = (
        "inputs", "loss", "contrast", "seed", "MSE", "Frobenius", "kNN variation, k = 1 / 5", "kNN outcome, k = 1 / 5",
        "the paper: MSE", "the paper: Frobenius",
    )  # fmt: skip
    cells = []
    for row in rows:
        which, outcome = row["knn_variation"], row["knn_outcome"]
        inputs = " + ".join(row["inputs"])
        mse, frobenius = TABLE_7[inputs, row["loss"]]
        cells.append([
            inputs, row["loss"], row["contrast"], str(row["seed"]), f"{row['mse']:.3f}", f"{row['frobenius']:.2f}",
            f"{which['1']:.2f} / {which['5']:.2f}", f"{outcome['1']:.2f} / {outcome['5']:.2f}", f"{mse:.4f}",
            f"{frobenius:.4f}",
        ])  # fmt: skip
    return [
        "# How well the embedding tells variations apart (RoboMD, Table 7 and Fig. 15)", "",
        "On held-out episodes, a third of each variation's: mean square and Frobenius distance of the similarity "
        "matrix to the identity; share of episodes whose variation, or outcome, their nearest neighbours have. "
        f"{ELSEWHERE}", "",
        *grid(head, cells), "", "```console", f"$ python {' '.join(sys.argv)}", "```",
    ]  # fmt: skip


if __name__ == "__main__":
    run(main, "embedding.py")
