"""What `test_processes` runs in each of several processes: train the toy, and write the weights."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from accelerate.state import AcceleratorState
from safetensors.torch import save_file

from faultfield.detector.gaze import Gaze
from faultfield.detector.model import ArmorModel
from faultfield.detector.training import run
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.loop import Loop
from faultfield.detector.training.run import adapt, make_accelerator
from tests.detector import pockets, tiny
from tests.detector.training.toy import ToyCourse

CONFIG = TrainingConfig(
    warm_up_epochs=1, conditioned_epochs=1, online_epochs=0, batch=4, max_reason=4, lr=3e-3, vision_lr=1e-3,
    freeze_vision=False, dense_share=None, balanced=False, save_every=2,
)  # fmt: skip
"""Without the online phase, whose draws differ from process to process."""

ONLINE = TrainingConfig(
    warm_up_epochs=0, conditioned_epochs=0, online_epochs=1, rounds=2, batch=4, max_reason=4, freeze_vision=False,
    dense_share=None, balanced=False,
)  # fmt: skip


PLAIN = TrainingConfig(
    method="sft-s+d", warm_up_epochs=2, conditioned_epochs=0, online_epochs=0, batch=4, freeze_vision=False,
    dense_share=None, balanced=False,
)  # fmt: skip
"""Which asks the head nothing."""


WHOLE = TrainingConfig(
    warm_up_epochs=1, conditioned_epochs=0, online_epochs=0, batch=4, max_reason=4, dense_share=None, balanced=False,
)  # fmt: skip
"""Of a whole detector: its frozen eyes learn to judge when all else has been trained."""


LARGE = replace(ONLINE, warm_up_epochs=1, conditioned_epochs=1, bf16=True, checkpointing=True)
"""As 7B is trained: every phase in bfloat16, what the layers said computed again on the way back."""


def main(out: Path) -> None:
    torch.set_num_threads(1)
    _train("fsdp", out)
    whole(out / "detector")
    AcceleratorState._reset_state(reset_partial_state=True)
    large()
    AcceleratorState._reset_state(reset_partial_state=False)
    os.environ.pop("ACCELERATE_USE_FSDP")
    AcceleratorState._reset_state(reset_partial_state=True)
    _train("multi_cpu", out)
    torch.distributed.destroy_process_group()


def whole(out: Path) -> None:
    """Train a pocket detector whose eyes read something, and write it."""
    run.train(beginning(), pockets.samples(), WHOLE, out, accelerator=make_accelerator(WHOLE, cpu=True))


def large() -> None:
    """Train the toy as 7B is."""
    accelerator, learner = make_accelerator(LARGE, cpu=True), tiny.learner(0)
    assert accelerator.mixed_precision == "bf16"
    adapt(learner.model, LARGE, "cpu")
    losses: list[float] = []
    steps = Loop(
        learner, ToyCourse(), LARGE, accelerator, on_step=lambda step: losses.append(step.detection + step.reason)
    ).run()
    assert steps == len(losses) == 7, "three of the warm-up, one on the dense samples, three online"
    assert all(0 < loss < float("inf") for loss in losses)
    accelerator.free_memory()


def beginning() -> ArmorModel:
    """A pocket detector whose eyes read five numbers of a column."""
    torch.manual_seed(0)
    model = pockets.model()
    assert model.take(Gaze(3, 2, (1, 1), pockets.SHAPE.hidden, 16, values=4, flags=1))
    return model


def _train(kind: str, out: Path) -> None:
    accelerator = make_accelerator(CONFIG, cpu=True)
    assert kind in str(accelerator.distributed_type).lower(), accelerator.distributed_type
    loop = Loop(tiny.learner(0), ToyCourse(), CONFIG, accelerator, out / f"{kind}.work")
    loop.run(3)
    # The second part begins from the checkpoint of the second step.
    loop.run()
    weights = loop.state()
    if accelerator.is_main_process:
        save_file({name: value.contiguous().clone() for name, value in weights.items()}, out / f"{kind}.safetensors")
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    if kind == "multi_cpu":
        plain = tiny.learner(0)
        adapt(plain.model, PLAIN, "cpu")
        assert Loop(plain, ToyCourse(), PLAIN, accelerator).run() == 6
        accelerator.free_memory()
    losses: list[float] = []
    Loop(tiny.learner(0), ToyCourse(), ONLINE, accelerator, on_step=lambda step: losses.append(step.detection)).run()
    assert len(losses) == 3
    assert all(loss > 0 for loss in losses)
    accelerator.free_memory()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
