"""What a refined verdict costs, as ratios in one run, on a random Qwen2.5-VL of middle size and a video.

Against it stand one plain `generate` of transformers from the same video (an answer of as many tokens), and the same
refinement done the naive way: all of the prompt encoded anew for each sample of each round. Random weights know no
language, and how far a language has a usual word decides what refinement costs. So a language is put into embedding and
output layer: a sentence of as many places as the answer is long, each with a usual word, which is drawn with the
probability `--usual` (at temperature 0.7), and three others. 0 leaves random weights alone: any token is as likely as
any other. Everything else is computed as in any other model of the shape.

python benchmarks/detector_cost.py [--hidden 1024] [--layers 16] [--repeats 3] [--out FILE.json]
"""

import argparse
import json
import math
import os
import statistics
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from faultfield.detector.model import ArmorModel
from faultfield.detector.opening import Opening
from faultfield.detector.prompts import NOTHING, Said
from faultfield.detector.trajectories import Refinement
from faultfield.detector.tree import ROOT, Tree
from faultfield.detector.views import Video
from random_detector import TASK, build, taught, teach
from watched import Clock, Watched, seconds


def refinement(
    model: ArmorModel, opening: Opening, arguments: argparse.Namespace, seed: int, known: Sequence[str] = ()
) -> dict[str, Any]:
    """One refinement that never stops early, the first of its refiner; `known` are reasons that it may guess from."""
    how = Refinement(
        samples=arguments.samples, rounds=arguments.rounds, tolerance=-math.inf, longest=arguments.tokens, seed=seed
    )
    clock, refiner = Clock(), Watched(model, how, known)
    with (
        clock.watch(model, "see", "encoding the video"),
        refiner.counting(clock),
        clock.time("the rest"),
    ):
        spent = seconds(lambda: refiner.refine([opening], ["clip"]))
    return {**spent, "parts": clock.spent, "rounds": refiner.notes}


def stock_inputs(opening: Opening, ending: tuple[int, ...], model: ArmorModel) -> dict[str, Any]:
    ids = torch.cat([opening.ids, torch.tensor(ending, dtype=torch.long)])[None]
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == opening.placeholder).int() * 2,
        "pixel_values_videos": opening.pixels,
        "video_grid_thw": opening.grid,
        "second_per_grid_ts": torch.tensor([2 / 4.0]),
    }
    return {name: each.to(model.device) for name, each in inputs.items()}


@torch.no_grad()
def plain(model: ArmorModel, opening: Opening, said: Said, arguments: argparse.Namespace) -> int:
    """One answer by transformers' own `generate`; how many tokens it has."""
    model.core.model.rope_deltas = None
    inputs = stock_inputs(opening, model.scribe.ending("reasoning", said), model)
    ids = model.core.generate(
        **inputs,
        do_sample=True, temperature=0.7, top_k=0, top_p=1.0,
        min_new_tokens=arguments.tokens, max_new_tokens=arguments.tokens,
    )  # fmt: skip
    return int(ids.shape[1] - inputs["input_ids"].shape[1])


def preallocated(model: ArmorModel, opening: Opening, arguments: argparse.Namespace) -> dict[str, Any]:
    """What a static cache, and decoding compiled on top of it, save of one plain answer; both greedy, and the same."""
    text = model.core.model.language_model

    @torch.no_grad()
    def answer(**how: Any) -> torch.Tensor:
        model.core.model.rope_deltas = None
        inputs = stock_inputs(opening, model.scribe.ending("reasoning", NOTHING), model)
        length = {"min_new_tokens": arguments.tokens, "max_new_tokens": arguments.tokens}
        ids: torch.Tensor = model.core.generate(**inputs, do_sample=False, **length, **how)
        return ids

    static = {"cache_implementation": "static", "disable_compile": True}
    wanted = answer()
    out: dict[str, Any] = {"dynamic": [seconds(answer) for _ in range(arguments.repeats)]}
    same = [torch.equal(answer(**static), wanted)]
    out["static"] = [seconds(lambda: answer(**static)) for _ in range(arguments.repeats)]
    plainly = text.forward
    text.forward = torch.compile(plainly, dynamic=False)
    try:
        first = seconds(lambda: same.append(torch.equal(answer(**static), wanted)))
        out["static, compiled"] = [seconds(lambda: answer(**static)) for _ in range(arguments.repeats)]
    finally:
        text.forward = plainly
    base = middle(out["dynamic"])
    return {
        **out,
        "compiling": first,
        "same answers": all(same),
        "ratios": {name: middle(out[name]) / base for name in ("static", "static, compiled")},
    }


@torch.no_grad()
def full_pass(model: ArmorModel, opening: Opening, said: Said) -> torch.Tensor:
    """The head's logits by a stock pass through all layers."""
    model.core.model.rope_deltas = None
    inputs = stock_inputs(opening, model.scribe.ending("detection", said), model)
    out = model.core(**inputs, output_hidden_states=True, use_cache=False, logits_to_keep=1)
    early = torch.stack(out.hidden_states[1 : 1 + model.early]).mean(dim=0)
    logits: torch.Tensor = model.head(early)
    return logits


@torch.no_grad()
def equality(model: ArmorModel, opening: Opening, said: Said) -> dict[str, float]:
    """The largest difference of any logit between the tree and stock passes over whole prompts."""
    tree, scribe = Tree(model, [opening]), model.scribe
    for each in (NOTHING, said):
        told = tree.path(0, ROOT, scribe.conditioning(each))
        tree.verdict(0, told, scribe.request("detection"))
        node = tree.path(0, told, scribe.request("reasoning"), loud=1)
    heads = tree.read()
    model.core.model.rope_deltas = None
    whole = model.core(**stock_inputs(opening, scribe.ending("reasoning", said), model), logits_to_keep=1).logits[0, -1]
    choices, place = tree.choices(0, node)
    return {
        "detection": float((heads[1] - full_pass(model, opening, said)[0]).abs().max()),
        "next token": float((choices.logits[place] - whole).abs().max()),
        "spread of next-token logits": float(whole.std()),
    }


def detection_alone(model: ArmorModel, opening: Opening) -> None:
    tree = Tree(model, [opening], deep=False)
    tree.verdict(0, ROOT, model.scribe.request("detection"))
    tree.read()


KNOWING = ", knowing the reasons it was taught"


def middle(runs: list[dict[str, Any]], key: str = "cpu") -> float:
    return statistics.median(run[key] for run in runs)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    model = build(arguments)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (arguments.frames, arguments.side, arguments.side, 3), dtype=np.uint8)
    opening = model.open([Video(frames, 4.0)], [TASK])[0]
    said = Said(True, " ".join(str(each) for each in rng.integers(500, arguments.vocabulary, arguments.tokens)))
    out: dict[str, Any] = {
        "millions of weights": sum(each.numel() for each in model.core.parameters()) / 1e6,
        "tokens of the opening": len(opening.ids),
        "picture tokens": int((opening.ids == opening.placeholder).sum()),
    }
    tell("built", out)
    teach(model, arguments.usual[0])
    out["largest difference"] = equality(model, opening, said)
    tell("equality", out["largest difference"])
    full_pass(model, opening, NOTHING)
    out["detection alone"] = [seconds(lambda: detection_alone(model, opening)) for _ in range(arguments.repeats)]
    out["full pass"] = [seconds(lambda: full_pass(model, opening, NOTHING)) for _ in range(arguments.repeats)]
    tell("detection", {"alone": middle(out["detection alone"]), "full pass": middle(out["full pass"])})
    out["plain generate"], out["refinement"] = [], {}
    for repeat in range(arguments.repeats):
        out["plain generate"].append(seconds(lambda: plain(model, opening, NOTHING, arguments)))
        tell("plain", out["plain generate"][-1])
        for usual in arguments.usual if repeat == 0 else arguments.usual[:1]:
            teach(model, usual)
            for how in ("", KNOWING):
                name = f"usual word {usual:g}{how}"
                known = taught(arguments, usual) if how == KNOWING and usual else ()
                run = refinement(model, opening, arguments, repeat, known)
                out["refinement"].setdefault(name, []).append(run)
                tell(name, run)
    if arguments.static:
        teach(model, arguments.usual[0])
        out["preallocated cache"] = preallocated(model, opening, arguments)
        tell("preallocated cache", out["preallocated cache"]["ratios"])
    one = seconds(lambda: (full_pass(model, opening, said), plain(model, opening, said, arguments)))
    out["naive, one sample of one round"] = one
    tell("naive once", one)
    return out


def summary(out: dict[str, Any], arguments: argparse.Namespace) -> dict[str, Any]:
    """The ratios, by processor time."""
    base = middle(out["plain generate"])
    naive = out["naive, one sample of one round"]["cpu"] * arguments.samples * arguments.rounds
    ratios: dict[str, Any] = {
        "detection alone / full pass": middle(out["detection alone"]) / middle(out["full pass"]),
    }
    for name, runs in out["refinement"].items():
        each = [run["cpu"] / generate["cpu"] for run, generate in zip(runs, out["plain generate"], strict=False)]
        ratios[name] = {
            "refinement / plain generate": statistics.median(each),
            "from": min(each),
            "to": max(each),
            "naive / refinement": naive / middle(runs),
            "mean token entropy": statistics.fmean(note["entropy"] for note in runs[0]["rounds"]),
            "share by part": {part: spent / runs[0]["cpu"] for part, spent in runs[0]["parts"].items()},
            "passes by round": [note["passes"] for note in runs[0]["rounds"]],
            "tokens as in the round before": [note["tokens as in the round before"] for note in runs[0]["rounds"][1:]],
            "extra round / plain generate": [note["cpu"] / base for note in runs[0]["rounds"][1:]],
            "megabytes kept after each round": [note["megabytes kept"] for note in runs[0]["rounds"]],
        }
    if "preallocated cache" in out:
        ratios["plain generate with another cache / plain generate"] = out["preallocated cache"]["ratios"]
    return ratios


def tell(what: str, values: dict[str, Any]) -> None:
    print(f"{what}: {json.dumps(values, default=str)}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hidden", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=16)
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--side", type=int, default=320)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--samples", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--usual", type=float, nargs="+", default=[0.99, 0.999, 0.97, 0.9, 0.0])
    parser.add_argument("--static", action="store_true", help="a static cache and compiled decoding too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    load = os.getloadavg()[0]
    out = measure(arguments)
    ratios = summary(out, arguments)
    print(json.dumps(ratios, indent=1))
    if arguments.out:
        settings = {key: value for key, value in vars(arguments).items() if key != "out"}
        whole = {
            "date": date.today().isoformat(),
            "command": "python benchmarks/detector_cost.py " + " ".join(sys.argv[1:]),
            "settings": settings,
            "load before": load,
            "torch": torch.__version__,
            "ratios": ratios,
            "runs": out,
        }
        arguments.out.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
