"""RoboMD's Table 1: of two variations, which one fails more? 500 pairs, put to everybody.

    python benchmarks/table1.py STUDY_DIR TRUTH [--expert EXPERT.json] [--pairs 500] [--gap 0.4] [--seeds 3]
        [--only NAME ...] [--steps N] [--epochs 30] [--resnet-weights FILE] [--out docs/results/table1]
        [--vlm-url URL --vlm-model NAME | --vlm-local FOLDER] [--shots 0 5] [--cache runs/tables] [--quick]
    python benchmarks/table1.py STUDY_DIR --answers docs/results/lift-estimators.json [...]

TRUTH is a truth table (.parquet), or what `faultfield rollout STUDY_DIR --variations FILE --json` printed; variations
that the study knows are left out. The second form asks nobody but a vision-language model: it reads what
`benchmarks/truth.py` wrote of the same policy. A pair is two variations whose true failure rates differ by `--gap` or
more. The diagnostic policies, and the networks, learn from the study's known variations alone and never see the truth.
Beside it stands the paper's own way of drawing: a failed and a successful episode, of whichever variations.

A vision-language model is asked where one is named: behind any OpenAI-compatible endpoint (the key in
OPENAI_API_KEY), or an image-text model of transformers. It is shown the states of one nominal success, pictured under
both variations: as for everybody else, neither was rolled out (the paper shows rollouts). `--shots 5` puts five
solved pairs of known variations before each question. Its answers are kept as they come, so a stopped run goes on.

`--quick` is for checking that the program runs: 40 pairs, one seed, hardly any training.
"""

import argparse
from collections.abc import Mapping
from typing import Any

import numpy as np

from asked import Asked, arguments, gather
from faultfield.diagnosis.metrics import episode_pairs
from pages import cell, facts, grid, run, write
from pairs import Pairs, accuracy, draw, right
from paper_numbers import ELSEWHERE, TABLE_1
from rivals import PAPER, Answer
from vlm import asker
from vlm_pairs import Scenes, put

QUICK_PAIRS = 40


def main() -> None:
    """Ask everybody, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser, "table1")
    parser.add_argument("--pairs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the pairs")
    parser.add_argument("--vlm-url")
    parser.add_argument("--vlm-model", default="default")
    parser.add_argument("--vlm-local")
    parser.add_argument("--shots", type=int, nargs="*", default=[0, 5])
    parser.add_argument("--frames", type=int, default=7, help="pictures of each variation that the model is shown")
    options = parser.parse_args()
    teller = asker(options.vlm_url, options.vlm_model, options.vlm_local)
    all_of_it = gather(options)
    subject = all_of_it.subject
    pairs = draw(subject.truth, QUICK_PAIRS if options.quick else options.pairs, options.seed, gap=options.gap)
    rows = [measured(name, answer, subject, pairs) for name, answer in all_of_it.answers.items()]
    if teller is not None:
        scenes = Scenes.of(all_of_it.study, all_of_it.views, options.frames)
        for shots in options.shots:
            said = put(
                teller, scenes, subject.variations, pairs, all_of_it.episodes, shots, options.gap, options.cache
            )  # fmt: skip
            rows.append(judged(f"{teller.name}, {shots} shots", said, subject, pairs))
    result = facts(
        **all_of_it.facts, pairs=len(pairs), available=pairs.available, pair_seed=options.seed,
        vlm=None if teller is None else teller.name, rows=rows, paper=TABLE_1,
    )  # fmt: skip
    write(options.out, result, page(result))


def measured(name: str, answer: Answer, subject: Asked, pairs: Pairs) -> dict[str, Any]:
    """A row of the table from scores."""
    row: dict[str, Any] = {
        "name": name, "paper": PAPER.get(name), "seconds": answer.seconds, "error": answer.error
    }  # fmt: skip
    if answer.error:
        return row
    marks = np.stack([right(scores, pairs) for scores in answer.scores])
    drawn = [episode_pairs(scores, subject.truth, len(pairs)) for scores in answer.scores]
    return row | {
        "accuracy": accuracy(marks.mean(axis=0), pairs, len(subject.variations)),
        "by_seed": marks.mean(axis=1).tolist(), "episode_pairs": float(np.mean(drawn)), "pairs": len(pairs),
    }  # fmt: skip


def judged(name: str, said: list[bool | None], subject: Asked, pairs: Pairs) -> dict[str, Any]:
    """A row of the table from answers: True is "the first"; an answer that names neither is wrong."""
    first = np.array([answer is True for answer in said])
    named = np.array([answer is not None for answer in said])
    marks = (named & (first == pairs.first)).astype(np.float64)
    return {
        "name": name, "paper": None, "error": "", "accuracy": accuracy(marks, pairs, len(subject.variations)),
        "by_seed": [float(marks.mean())], "pairs": len(pairs), "unclear": int((~named).sum()),
        "said_first": float(first[named].mean()) if named.any() else float("nan"),
    }  # fmt: skip


def page(result: Mapping[str, Any]) -> list[str]:
    """The table in Markdown."""
    learned = f"{result['known']} known variations, {result['known_episodes']} episodes, nominal ones included"
    if result["answers"]:
        learned = f"what `{result['answers']}` says (answers by `benchmarks/truth.py`, read from there)"
    lines = [
        "# Which of two variations fails more? (RoboMD, Table 1)", "",
        f"{result['pairs']} pairs (seed {result['pair_seed']}) of {result['available']} whose true failure rates "
        f"differ by {result['gap']:g} or more, among {result['variations']} variations of policy "
        f"`{result['policy']}` that nothing was learned from ({result['episodes']} fresh episodes). Learned from "
        f"{learned}. In brackets bootstrap 95 % over variations; seeds: {result['seeds']} (a method without chance has "
        f"one). {ELSEWHERE}", "",
    ]  # fmt: skip
    rows = []
    for row in result["rows"]:
        theirs = TABLE_1.get(row["paper"] or "")
        told = "–" if theirs is None else " / ".join(f"{value:.0f}" for value in theirs)
        if row["error"]:
            rows.append([row["name"], f"not to be had: {row['error']}", "", "", told])
            continue
        seeds = ", ".join(f"{100 * value:.0f}" for value in row["by_seed"])
        share = {key: 100 * value for key, value in row["accuracy"].items()}
        drawn = "–" if "episode_pairs" not in row else f"{100 * row['episode_pairs']:.0f}"
        rows.append([row["name"], cell(share, 1), seeds, drawn, told])
    head = ("method", "right, %", "by seed", "success-failure episodes, %", "the paper: Lift / Square / Pick Place")
    lines += grid(head, rows)
    return [*lines, "", *notes(result)]


def notes(result: Mapping[str, Any]) -> list[str]:
    """How the table is to be read."""
    lines = [
        "- PPO, A2C and SAC: the density of the diagnostic policy as the paper's text has it; `drift`: the same as a "
        "ratio to the Gaussian before it moved. Half width: the paper's ResNet (its appendix B).",
    ]
    if any(row["name"] == "ResNet-18" and not row["error"] for row in result["rows"]):
        weights = result.get("resnet_weights")
        start = f"the weights {weights}." if weights else (
            "random weights: torchvision's could not be had where this ran (`--resnet-weights FILE`)."
        )  # fmt: skip
        lines.append(f"- ResNet-18 at full width began from {start}")
    if result["vlm"] is None:
        lines.append(
            "- No vision-language model was asked: none was to be had where this ran (`--vlm-url`, `--vlm-local`). "
            "The paper: "
            + "; ".join(
                f"{name} {' / '.join(f'{value:.0f}' for value in TABLE_1[name])}"
                for name in ("Qwen2-VL", "Gemini 1.5 Pro", "GPT-4o", "GPT-4o, 5 shots")
            )
            + "."
        )
    for row in result["rows"]:
        if "unclear" in row:
            lines.append(
                f"- {row['name']}: {row['unclear']} of {row['pairs']} answers named neither of the two and count as "
                f"wrong; the first was named in {100 * row['said_first']:.0f} % of the others."
            )
    return lines


if __name__ == "__main__":
    run(main, "table1.py")
