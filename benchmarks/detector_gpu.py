"""What a detector of a published size costs on one GPU: time and memory of a refinement, round by round, and of a step.

The weights are random and made on the device, so nothing is fetched. Random weights know no language, and how sure the
words are decides how many passes a refinement takes: a language is put in as in `detector_cost.py`, and `--usual 0` is
random weights alone, behind which hardly a guess is right. Plain answers are transformers' own `generate`. A training
step is the loop's own, with adapters and recomputed activations, on one sample with a reason.

    python benchmarks/detector_gpu.py [--shape 7b] [--device auto] [--repeats 3] [--out docs/results/detector-gpu]

Without a GPU, `--shape pocket --device cpu` runs all of it; memory is then not measured.
"""

import argparse
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import pages
from detector_cost import KNOWING, detection_alone, plain
from detector_gpu_page import page
from faultfield.detector import checkpoint, pocket
from faultfield.detector.data import Sample
from faultfield.detector.model import ArmorModel
from faultfield.detector.opening import Opening
from faultfield.detector.prompts import NOTHING
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.course import SampleCourse
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.loop import EYES, Loop
from faultfield.detector.training.run import adapt, make_accelerator
from faultfield.detector.training.schedule import ONLINE, WARM_UP
from faultfield.detector.trajectories import Refinement
from faultfield.detector.tree import Tree
from faultfield.detector.views import Viewer
from faultfield.errors import DetectorError
from faultfield.rollouts.clip import Clip
from random_detector import TASK, on_device, taught, teach
from watched import Watched

GB = 10**9
RATE = 4.0
"""Frames a second; `detector_cost.stock_inputs` tells the stock model the same."""

TRAINED_ROUNDS = 3
"""T of the online step, as in ARMOR's Table 5."""


@dataclass(frozen=True)
class Size:
    """How large a model is.

    Attributes:
        shape: Of its layers.
        vocabulary: Rows of its embedding.
    """

    shape: pocket.Shape
    vocabulary: int


SIZES: Mapping[str, Size] = {
    "7b": Size(
        pocket.Shape(
            hidden=3584, layers=28, heads=28, key_heads=4, inner=18_944, vision=1280, vision_layers=32,
            whole=(7, 15, 23, 31), vision_heads=16, vision_inner=3420, patch=14, merge=2,
        ),
        152_064,
    ),
    "pocket": Size(pocket.Shape(), 8000),
}  # fmt: skip
"""Qwen2.5-VL-7B-Instruct by its published configuration, and the size that a processor computes with."""


class Meter:
    """A clock that waits for the device, and the most memory that tensors took on it since it was started.

    Args:
        device: What computes; the memory of a processor is not measured.
    """

    def __init__(self, device: torch.device) -> None:
        self._gpu, self._begun = device.type == "cuda", 0.0

    def start(self) -> None:
        """Begin anew."""
        if self._gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        self._begun = time.perf_counter()

    def read(self) -> dict[str, Any]:
        """Seconds since the start, and `peak GB` (10⁹ bytes; None on a processor). It runs on."""
        if self._gpu:
            torch.cuda.synchronize()
        seconds = time.perf_counter() - self._begun
        return {"seconds": seconds, "peak GB": torch.cuda.max_memory_allocated() / GB if self._gpu else None}


class Metered(Watched):
    """Notes after every round what was taken since the refinement began, and how many tokens the round said."""

    def __init__(self, meter: Meter, model: ArmorModel, how: Refinement, known: Sequence[str]) -> None:
        super().__init__(model, how, known)
        self.meter, self.after = meter, list[dict[str, Any]]()

    def _round(self, tree: Tree, games: Any) -> None:
        super()._round(tree, games)
        self.after.append({**self.meter.read(), "tokens": sum(len(answer) for answer in games[0].answers)})


def refinement(
    model: ArmorModel, opening: Opening, meter: Meter, options: argparse.Namespace, seed: int, known: Sequence[str]
) -> list[dict[str, Any]]:
    """What every round of one refinement took that never stops early: seconds and memory from its beginning on."""
    how = Refinement(
        samples=options.samples, rounds=options.rounds, tolerance=-math.inf, longest=options.tokens, seed=seed
    )
    refiner = Metered(meter, model, how, known)
    meter.start()
    with refiner.counting():
        refiner.refine([opening], ["clip"])
    return [{**note, **taken} for note, taken in zip(refiner.notes, refiner.after, strict=True)]


def ways(options: argparse.Namespace) -> list[tuple[str, float, list[str]]]:
    """How sure the words are, and what is guessed from: a name, the usual word's probability, and reasons."""
    found: list[tuple[str, float, list[str]]] = []
    for usual in options.usual:
        name = f"usual word {usual:g}" if usual else "random weights alone"
        found += [(name + KNOWING, usual, taught(options, usual))] if usual else []
        found.append((name, usual, []))
    return found


def answering(model: ArmorModel, opening: Opening, meter: Meter, options: argparse.Namespace) -> dict[str, Any]:
    """Detection alone, plain answers and refinements, one after another in every repetition; the first is thrown away.

    Kernels are chosen and memory is taken from the driver when something is computed for the first time.
    """
    alone: list[dict[str, Any]] = []
    answers: list[dict[str, Any]] = []
    refined: dict[str, list[list[dict[str, Any]]]] = {name: [] for name, *_ in ways(options)}
    for repeat in range(options.repeats + 1):
        meter.start()
        detection_alone(model, opening)
        alone.append(meter.read())
        meter.start()
        said = plain(model, opening, NOTHING, options)
        answers.append({**meter.read(), "tokens": said})
        for name, usual, known in ways(options):
            teach(model, usual)
            refined[name].append(refinement(model, opening, meter, options, repeat, known))
        pages.tell(f"answering: {repeat + 1} of {options.repeats + 1}")
    return {
        "detection alone": alone[1:],
        "plain generate": answers[1:],
        "refinement": {name: runs[1:] for name, runs in refined.items()},
    }


def training(
    model: ArmorModel, sample: Sample, meter: Meter, options: argparse.Namespace, bf16: bool
) -> dict[str, Any]:
    """Steps of both kinds, as the training itself takes them; the first of each is kept apart.

    It takes the optimiser's memory, and chooses kernels. The frozen tower's tokens are encoded once, ahead of all.
    """
    count = options.repeats + 1
    config = TrainingConfig.paper(videos=True).updated(
        {"warm_up_epochs": count, "conditioned_epochs": 0, "online_epochs": count, "rounds": TRAINED_ROUNDS,
         "batch": 1, "max_reason": options.tokens, "freeze_vision": True, "lora": {}, "bf16": bf16}
    )  # fmt: skip
    accelerator = make_accelerator(config, cpu=model.device.type == "cpu")
    adapt(model, config, accelerator.device.type)
    steps: dict[str, list[dict[str, Any]]] = {WARM_UP: [], ONLINE: []}

    def told(phase: str, done: int, of: int) -> None:
        if phase != EYES:
            steps[phase].append(meter.read())
        meter.start()

    learner = Learner(model)
    Loop(learner, SampleCourse([sample], model), config, accelerator, on_progress=told).run()
    return {
        "config": config.to_json(),
        "trained weights": sum(each.numel() for each in learner.parameters() if each.requires_grad),
        "first steps": {phase: found[0] for phase, found in steps.items()},
        "steps": {phase: found[1:] for phase, found in steps.items()},
    }


def measure(options: argparse.Namespace, device: str, dtype: str) -> dict[str, Any]:
    """All of it on one device."""
    size = SIZES[options.shape]
    model = on_device(size.shape, size.vocabulary, device, dtype)
    meter = Meter(model.device)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (options.frames, options.side, options.side, 3), dtype=np.uint8)
    clip = Clip({"front": frames}, np.arange(options.frames) / RATE, TASK, "clip")
    model.viewer = Viewer("video", options.frames, options.side, ("front",))
    opening = model.open([model.viewer(clip)], [TASK])[0]
    out: dict[str, Any] = {
        "millions of weights": sum(each.numel() for each in model.parameters()) / 1e6,
        "GB of weights": sum(each.numel() * each.element_size() for each in model.parameters()) / GB,
        "tokens of the opening": len(opening.ids),
        "picture tokens": int((opening.ids == opening.placeholder).sum()),
    }
    pages.tell(f"built: {out}")
    out |= answering(model, opening, meter, options)
    reason = " ".join(str(each) for each in rng.integers(500, size.vocabulary, options.tokens))
    try:
        out["training"] = training(
            model, Sample("clip", TASK, True, reason, given=clip), meter, options, dtype == "bfloat16"
        )
    except torch.OutOfMemoryError as error:
        # What was measured before it is not lost on a smaller GPU.
        out["training"] = {"out of memory": str(error)}
    return out


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=tuple(SIZES), default="7b")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16"), default="auto")
    for name, value in (("frames", 8), ("side", 320), ("tokens", 40), ("samples", 3), ("rounds", 4), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=pages.positive, default=value)
    parser.add_argument("--usual", type=float, nargs="+", default=[0.99, 0.0], help="probabilities of a usual word")
    parser.add_argument("--out", type=Path, default=Path("docs/results/detector-gpu"))
    options = parser.parse_args()
    device, dtype = checkpoint.placed(options.device, options.dtype)
    if options.shape == "7b" and device == "cpu" and options.device == "auto":
        raise DetectorError("There is no GPU here for the shape 7b; take --shape pocket, or --device cpu in earnest.")
    found = measure(options, device, dtype)
    found |= {"device": torch.cuda.get_device_name() if device == "cuda" else "a processor", "dtype": dtype}
    settings = {key: value for key, value in vars(options).items() if key != "out"}
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda}
    pages.write(options.out, pages.facts(settings=settings, versions=versions, **found), page(found, options))


if __name__ == "__main__":
    pages.run(main, "detector_gpu")
