"""The embedding table (RoboMD, Table 7 and Fig. 15): pictures alone or with text, each loss, on a study's episodes.

    python benchmarks/embedding.py runs/lift-demo --seeds 2 --paper --out docs/results/lift-embedding

A third of every variation's episodes is held out of each fit and measured. With `--paper`, both terms of the loss weigh
alike and nothing is regularised, as RoboMD has it; without, the study's own settings.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from faultfield.field.config import FieldConfig
from faultfield.field.quality import quality_table
from faultfield.files import write_text
from faultfield.study import Study, stages
from paper_numbers import ELSEWHERE, TABLE_7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--contrast", nargs="+", choices=("outcome", "variation"), default=["outcome", "variation"])
    parser.add_argument("--paper", action="store_true", help="the paper's weights instead of the study's")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    study = Study.open(options.study)
    bank = stages.make_bank(study, stages.make_views(study))
    data = bank.data(stages.evidence(study))
    rows = []
    for contrast in options.contrast:
        config = study.config.field.model_copy(update={"contrast": contrast})
        if options.paper:
            config = FieldConfig.paper(contrast=contrast, encoder=config.encoder, steps=config.steps)
        for seed in range(options.seeds):
            for row in quality_table(data, config, seed, bank.encoder()):
                if row.loss == "bce" and contrast == "variation":
                    continue  # without Eq. 1 there is nothing to contrast
                rows.append({"contrast": contrast, "seed": seed, **asdict(row)})
    write_text(options.out.with_suffix(".json"), json.dumps(rows, indent=1) + "\n")
    lines = [
        "| inputs | loss | contrast | seed | MSE | Frobenius | kNN variation, k = 1 / 5 | kNN outcome, k = 1 / 5 | "
        "the paper: MSE | Frobenius |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        which, outcome = row["knn_variation"], row["knn_outcome"]
        inputs = " + ".join(row["inputs"])
        mse, frobenius = TABLE_7[inputs, row["loss"]]
        lines.append(
            f"| {inputs} | {row['loss']} | {row['contrast']} | {row['seed']} | {row['mse']:.3f} | "
            f"{row['frobenius']:.2f} | {which[1]:.2f} / {which[5]:.2f} | {outcome[1]:.2f} / {outcome[5]:.2f} | "
            f"{mse:.4f} | {frobenius:.4f} |"
        )
    lines += ["", ELSEWHERE, "", "```console", f"$ python {' '.join(sys.argv)}", "```"]
    write_text(options.out.with_suffix(".md"), "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
