"""The page of `detector_gpu.py`: what was measured on one device, beside ARMOR's Table 4."""

import argparse
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pages
from faultfield.detector.training.schedule import ONLINE, WARM_UP

PAPER: Mapping[int | None, tuple[float, float]] = {
    None: (7.95, 3.48),
    1: (9.30, 5.84),
    2: (10.50, 6.12),
    3: (10.95, 6.31),
}
"""ARMOR, Table 4: seconds, and GB on each of eight A100, by round; its round 0, None here, is the base model alone."""

THEIRS = "ARMOR, Table 4 (other hardware)"


def page(found: Mapping[str, Any], options: argparse.Namespace) -> list[str]:
    """The page's Markdown."""
    alone, rounds = found["detection alone"], options.rounds
    return [
        f"# What the detector costs on {found['device']}",
        "",
        f"Qwen2.5-VL in the shape `{options.shape}` with random weights ({found['millions of weights']:.0f} million, "
        f"{found['GB of weights']:.2f} GB, {found['dtype']}); a video of {options.frames} frames of {options.side}², "
        f"an opening of {found['tokens of the opening']} tokens, {found['picture tokens']} of them pictures; answers "
        f"of {options.tokens} tokens, M = {options.samples}, {rounds} rounds that never stop early, the first answer "
        f"counted. Median of {options.repeats} repetitions [least, most], by the clock; cutting frames into patches is "
        "left out everywhere. Memory is the most that tensors took on the device at once, the weights included, in "
        "10⁹ bytes.",
        "",
        "*Usual word*: at every place of a sentence one word has this probability. *Knowing the reasons*: guessing "
        "from reasons of that language, as a trained detector does from those of its training. With random weights "
        "alone hardly a guess is right: that is the most that a refinement costs.",
        "",
        "ARMOR, Table 4 was measured on other hardware, for other videos and answers: eight A100 of 40 GB, memory of "
        "each. Its round 0 is the base model alone, here the plain `generate`. Its numbers are here to be looked at, "
        "not to be compared to the digit.",
        "",
        "## Until the end of a round",
        "",
        *_until(found, "seconds", rounds),
        "",
        *_until(found, "peak GB", rounds),
        "",
        *(["## A further round by itself", "", *_further(found, rounds), ""] if rounds > 1 else []),
        "## Tokens",
        "",
        *_rates(found),
        "",
        f"Detection alone, seconds: {_middle([run['seconds'] for run in alone], 3)}; peak GB: "
        f"{_middle([run['peak GB'] for run in alone])}.",
        "",
        "## A training step",
        "",
        *_steps(found["training"], found["GB of weights"]),
    ]


def _middle(values: Sequence[float | None], digits: int = 2) -> str:
    """The median, and the least and the most; a dash of what was not measured."""
    known = [each for each in values if each is not None] or [math.nan]
    return pages.cell({"value": statistics.median(known), "low": min(known), "high": max(known)}, digits)


def _until(found: Mapping[str, Any], key: str, rounds: int) -> list[str]:
    """A table of what was taken from the beginning to the end of every round."""
    column = 0 if key == "seconds" else 1
    marks: list[int | None] = [None, *range(rounds)]
    base = _middle([run[key] for run in found["plain generate"]])
    rows = [[THEIRS, *(f"{PAPER[mark][column]:.2f}" if mark in PAPER else "–" for mark in marks)]]
    for name, runs in found["refinement"].items():
        rows.append([name, base, *(_middle([run[k][key] for run in runs]) for k in range(rounds))])
    return pages.grid([key, "plain `generate`", *(f"round {k}" for k in range(rounds))], rows)


def _further(found: Mapping[str, Any], rounds: int) -> list[str]:
    """A table of what every round behind the first answer took."""
    numbers = range(1, rounds)
    before = {k: PAPER[None if k == 1 else k - 1][0] for k in numbers if k in PAPER}
    rows = [[THEIRS, *(f"{PAPER[k][0] - before[k]:.2f}" if k in PAPER else "–" for k in numbers)]]
    for name, runs in found["refinement"].items():
        each = [_middle([run[k]["seconds"] - run[k - 1]["seconds"] for run in runs]) for k in numbers]
        rows.append([name, *each])
    return pages.grid(["seconds", *(f"round {k}" for k in numbers)], rows)


def _rates(found: Mapping[str, Any]) -> list[str]:
    """A table of tokens said, and of what decides how fast."""
    answers = found["plain generate"]
    tokens = str(answers[0]["tokens"])
    rows = [["plain `generate`", tokens, _middle([run["tokens"] / run["seconds"] for run in answers], 1), tokens, "–"]]
    for name, runs in found["refinement"].items():
        said = [sum(note["tokens"] for note in run) for run in runs]
        speed = _middle([count / run[-1]["seconds"] for count, run in zip(said, runs, strict=True)], 1)
        passes = [statistics.median(run[k]["passes"] for run in runs) for k in range(len(runs[0]))]
        entropy = statistics.fmean(note["entropy"] for run in runs for note in run)
        rows.append([name, str(said[0]), speed, ", ".join(f"{each:g}" for each in passes), f"{entropy:.2f}"])
    head = [
        "",
        "tokens said, of all samples and rounds",
        "tokens a second",
        "passes through the decoder, by round",
        "mean token entropy, nats",
    ]
    return pages.grid(head, rows)


def _steps(found: Mapping[str, Any], weights: float) -> list[str]:
    """A table of training steps, or why there is none."""
    if "out of memory" in found:
        return [f"It did not fit. {found['out of memory']}"]
    config = found["config"]
    names = {WARM_UP: "offline: both tasks, told nothing", ONLINE: f"online, T = {config['rounds']}"}
    rows = []
    for phase, runs in found["steps"].items():
        peaks = [run["peak GB"] for run in runs]
        above = [None if peak is None else peak - weights for peak in peaks]
        rows.append([names[phase], _middle([run["seconds"] for run in runs]), _middle(peaks), _middle(above)])
    return [
        f"One sample with a reason in a step, in {'bfloat16' if config['bf16'] else 'float32'}; adapters of rank "
        f"{config['lora']['rank']} on every linear layer of the decoder, and the head "
        f"({found['trained weights'] / 1e6:.1f} million weights together), activations recomputed, AdamW. The vision "
        "tower is frozen, and the video was encoded before.",
        "",
        *pages.grid(["a step", "seconds", "peak GB", "of it beside the detector's weights"], rows),
    ]
