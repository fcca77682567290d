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
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from faultfield.detector import pocket
from faultfield.detector.head import DetectionHead
from faultfield.detector.model import ArmorModel
from faultfield.detector.opening import Opening, Scribe
from faultfield.detector.packed import pack, unpack
from faultfield.detector.prompts import NOTHING, Said
from faultfield.detector.refine import Refiner
from faultfield.detector.trajectories import Refinement
from faultfield.detector.tree import ROOT, Tree
from faultfield.detector.views import Video

TASK = "Put the red cube into the blue bowl."
SENTENCES = [TASK, "The gripper went too far to the left while approaching the cube.", "The robot succeeded."] * 2


class NumberScribe(Scribe):
    """Reasons as numbers: a random model says words that no tokenizer would give back as the same tokens."""

    def __init__(self, processor: Any, core: Any) -> None:
        super().__init__(processor, core)
        self.ends = frozenset()

    def reason(self, ids: Any) -> str:
        """The ids themselves, as text."""
        return " ".join(str(each) for each in ids)

    def reason_ids(self, reason: str) -> tuple[int, ...]:
        """The ids that `reason` wrote, and the end."""
        return (*(int(each) for each in reason.split()), self.end)

    def conditioning(self, said: Said) -> tuple[int, ...]:
        """As ever, with the reason's own ids in place of its words."""
        told = super().conditioning(Said(said.failed, None if said.reason is None else ""))
        return (*told, *(int(each) for each in (said.reason or "").split()))


def build(arguments: argparse.Namespace) -> ArmorModel:
    """A model whose proportions are those of Qwen2.5-VL-3B."""
    shape = pocket.Shape(
        hidden=arguments.hidden,
        layers=arguments.layers,
        heads=arguments.hidden // 64,
        key_heads=max(1, arguments.hidden // 512),
        inner=arguments.hidden * 43 // 8,
        vision=arguments.hidden * 5 // 8,
        vision_layers=arguments.layers,
        vision_heads=max(1, arguments.hidden // 128),
        vision_inner=arguments.hidden * 5 // 3 // 4 * 4,
        merge=2,
    )
    words = pocket.tokenizer(SENTENCES, 1200)
    core = pocket.backbone(_Long(words, arguments.vocabulary), shape).to(torch.float32)
    # As Qwen2.5-VL: windows of 112 pixels, the whole picture in every eighth layer.
    core.model.visual.window_size = 112
    core.model.visual.fullatt_block_indexes = list(range(7, shape.vision_layers, 8)) or [shape.vision_layers - 1]
    core.config.tie_word_embeddings = core.config.text_config.tie_word_embeddings = False
    core.lm_head.weight = torch.nn.Parameter(torch.empty_like(core.lm_head.weight), requires_grad=False)
    model = ArmorModel(core, DetectionHead(shape.hidden, shape.heads), pocket.processor(words, shape)).eval()
    with torch.no_grad():
        # As sure as a trained head: a failure probability of 0.95 or so.
        model.head.classifier[-1].bias.copy_(torch.tensor([0.0, 3.0]))
    model.scribe = NumberScribe(model.processor, core)
    return model.requires_grad_(False)


PLACES = 64
WORDS = 4
TAUGHT = 256
FIRST = 2000
"""Token ids of the language: those of a place, usual word first, follow one another from here on."""


@torch.no_grad()
def teach(model: ArmorModel, usual: float, temperature: float = 0.7) -> None:
    """Put the language into embedding and output layer; `usual` is the probability of the usual word at a place."""
    generator = torch.Generator().manual_seed(1)
    embedding, head = model.text.embed_tokens.weight, model.core.lm_head.weight
    embedding.normal_(generator=generator)
    head.normal_(std=0.02, generator=generator)
    if usual == 0:
        return
    places = torch.randn(PLACES, embedding.shape[1], generator=generator)
    words = FIRST + torch.arange(PLACES)[:, None] * WORDS + torch.arange(WORDS)
    embedding[words] = places[:, None] * 0.9 + embedding[words] * 0.4
    # The start of the model's turn is the place before the first.
    embedding[model.scribe.request("reasoning")[-1]] = places[-1]
    probe = torch.tensor([[*model.scribe.ending("reasoning"), *words[:24, 0].tolist()]])
    positions = torch.arange(probe.shape[1]).expand(3, 1, -1)
    mask = torch.ones(1, 1, probe.shape[1], probe.shape[1], dtype=torch.bool).tril()
    hidden, _ = model.layers(model.embed(probe), positions, mask, slice(None))
    # How loudly a hidden state names its place, measured: the layers in between add noise.
    loud = float((model.text.norm(hidden[0, -24:]) * places[:24]).sum(dim=1).mean())
    gap = temperature * math.log(max(WORDS - 1, 1) * usual / max(1 - usual, 1e-9))
    scale = torch.full((WORDS,), (20.0 - gap) / loud)
    scale[0] = 20.0 / loud
    # The words of a place look for the place before.
    head[words] = places.roll(1, dims=0)[:, None] * scale[:, None]


def taught(arguments: argparse.Namespace, usual: float) -> list[str]:
    """Reasons that a model of this language was taught, drawn from it as `Refiner` knows those of a training."""
    rng = np.random.default_rng(2)
    shape = TAUGHT, arguments.tokens
    words = np.where(rng.random(shape) < usual, 0, rng.integers(1, WORDS, shape))
    ids = FIRST + np.arange(arguments.tokens) % PLACES * WORDS + words
    return [" ".join(str(each) for each in row) for row in ids]


class _Long:
    """A tokenizer that says it has more tokens than it has, as Qwen's own embedding is longer than its vocabulary."""

    def __init__(self, words: Any, length: int) -> None:
        self._words, self._length = words, length

    def __len__(self) -> int:
        return self._length

    def __getattr__(self, name: str) -> Any:
        return getattr(self._words, name)


class Clock:
    """Processor and wall seconds by name, nested times left out of the outer ones."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._open: list[list[float]] = []

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Count what happens inside under a name."""
        start = time.process_time()
        self._open.append([0.0])
        try:
            yield
        finally:
            spent, inner = time.process_time() - start, self._open.pop()[0]
            self.spent[name] = self.spent.get(name, 0.0) + spent - inner
            if self._open:
                self._open[-1][0] += spent

    @contextmanager
    def watch(self, owner: Any, method: str, name: str) -> Iterator[None]:
        """Count every call of a method under a name."""
        original = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.time(name):
                return original(*args, **kwargs)

        with swapped(owner, method, timed):
            yield


@contextmanager
def swapped(owner: Any, method: str, other: Callable[..., Any]) -> Iterator[None]:
    """Put another method in place of one for a while."""
    original = getattr(owner, method)
    setattr(owner, method, other)
    try:
        yield
    finally:
        setattr(owner, method, original)


def seconds(work: Callable[[], object]) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


class Watched(Refiner):
    """Notes what every round costs and what the tree keeps after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.notes: list[dict[str, float]] = []
        self.passes: list[int] = []

    @contextmanager
    def counting(self, clock: Clock | None = None) -> Iterator[None]:
        """Count the passes made inside, and tell a clock of them."""
        read = Tree.read

        def watched(tree: Tree) -> torch.Tensor:
            self.passes.append(tree.length)
            first = len(self.passes) == 1
            name = "reading the opening and first prompts" if first else "reading other prompts and answers"
            with nullcontext() if clock is None else clock.time(name):
                return read(tree)

        with swapped(Tree, "read", watched):
            yield

    def _round(self, tree: Tree, games: Any) -> None:
        before, columns, passes, answers = time.process_time(), tree.length, len(self.passes), games[0].answers
        super()._round(tree, games)
        same = [
            a == b for old, new in zip(answers, games[0].answers, strict=True) for a, b in zip(old, new, strict=False)
        ]
        self.notes.append(
            {
                "cpu": time.process_time() - before,
                "megabytes kept": tree.memory / 2**20,
                "tokens read": tree.length - columns,
                "passes": len(self.passes) - passes,
                "tokens as in the round before": statistics.fmean(same) if same else 0.0,
                "entropy": games[0].verdict().rounds[-1].reason_entropy,
            }
        )


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
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": (ids == opening.placeholder).int() * 2,
        "pixel_values_videos": opening.pixels,
        "video_grid_thw": opening.grid,
        "second_per_grid_ts": torch.tensor([2 / 4.0]),
    }


@torch.no_grad()
def plain(model: ArmorModel, opening: Opening, said: Said, arguments: argparse.Namespace) -> None:
    """One answer by transformers' own `generate`."""
    model.core.model.rope_deltas = None
    model.core.generate(
        **stock_inputs(opening, model.scribe.ending("reasoning", said), model),
        do_sample=True, temperature=0.7, top_k=0, top_p=1.0,
        min_new_tokens=arguments.tokens, max_new_tokens=arguments.tokens,
    )  # fmt: skip


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


KNOWING, UNPACKED = ", knowing the reasons it was taught", ", not packed"


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
            both = ("", KNOWING)
            for how in (*both, UNPACKED) if usual in arguments.aside and repeat == 0 else both:
                if how != UNPACKED:
                    pack(model.core)
                name = f"usual word {usual:g}{how}"
                known = taught(arguments, usual) if how == KNOWING and usual else ()
                run = refinement(model, opening, arguments, repeat, known)
                out["refinement"].setdefault(name, []).append(run)
                tell(name, run)
                unpack(model.core)
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
    parser.add_argument("--aside", type=float, nargs="*", default=[0.99])
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
