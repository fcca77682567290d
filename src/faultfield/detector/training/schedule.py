"""What is trained when: the phases, their batches, and the learning rate of every step."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faultfield.detector.batches import Batches
from faultfield.detector.training.config import TrainingConfig
from faultfield.errors import DetectorError

WARM_UP, CONDITIONED, ONLINE, PLAIN, CAPTIONS = "warm-up", "conditioned", "online", "plain", "captions"
"""Algorithm 1, line 1; line 2; lines 3–10; plain fine-tuning; what is seen, in words."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training on one kind of loss.

    Attributes:
        name: One of the five above.
        rows: Which samples it draws from, int64.
        batches: Deals out places in `rows`.
        first: Its first gradient step, counted over the whole training.
        steps: How many it has.
        ramp: First step and number of steps of the learning rate's curve that it lies on.
        peak: What that curve rises to.
    """

    name: str
    rows: NDArray[np.int64]
    batches: Batches
    first: int
    steps: int
    ramp: tuple[int, int]
    peak: float = 1.0

    def at(self, step: int) -> NDArray[np.int64]:
        """Rows of the samples in the batch of a step of the whole training."""
        return self.rows[self.batches.at(step - self.first)]


def phases(failed: Sequence[bool], dense: Sequence[bool], config: TrainingConfig) -> list[Phase]:
    """The phases that have steps, one behind the other.

    Args:
        failed: Label of every sample.
        dense: Whether it has a reason.
        config: Epochs, batches, shares.

    Raises:
        DetectorError: There are no samples, or no dense ones where the method needs them.
    """
    bad, has_reason = np.array(failed, dtype=bool), np.array(dense, dtype=bool)
    if len(bad) == 0:
        raise DetectorError("There are no labelled samples to train on.")
    everything, dense_rows = np.arange(len(bad)), np.flatnonzero(has_reason)
    if config.method == "armor":
        plan = [
            (WARM_UP, everything, config.warm_up_epochs),
            (CONDITIONED, dense_rows, config.conditioned_epochs),
            (ONLINE, everything, config.online_epochs),
        ]
    elif config.method == "captions":
        plan = [(CAPTIONS, everything, config.warm_up_epochs)]
    else:
        plan = [(PLAIN, dense_rows if config.method == "sft-d" else everything, sum(config.epochs))]
    found: list[tuple[str, NDArray[np.int64], Batches, int]] = []
    for key, (name, rows, epochs) in enumerate(plan):
        if epochs == 0:
            continue
        if len(rows) == 0:
            raise DetectorError(
                f"The phase '{name}' needs dense samples (with a reason), and there are none; give --data with reasons "
                "as well."
            )
        batches = Batches(
            bad[rows], has_reason[rows], config.batch, (config.seed, key), config.dense_share, config.balanced
        )
        found.append((name, rows, batches, batches.steps(epochs)))
    if not found:
        raise DetectorError(f"The method {config.method} has no steps with these epochs.")
    out: list[Phase] = []
    offline = sum(steps for name, *_, steps in found if name != ONLINE)
    first = 0
    for name, rows, batches, steps in found:
        ramp = (offline, steps) if name == ONLINE else (0, offline)
        peak = config.online_rate if name == ONLINE and offline else 1.0
        out.append(Phase(name, rows, batches, first, steps, ramp, peak))
        first += steps
    return out


def phase_at(plan: Sequence[Phase], step: int) -> Phase:
    """The phase that a gradient step lies in."""
    return next(phase for phase in plan if phase.first <= step < phase.first + phase.steps)


def rate(plan: Sequence[Phase], step: int, warm_up: float) -> float:
    """Factor on the learning rates at a step: to the peak over the share `warm_up`, then half a cosine (Table 5)."""
    phase = phase_at(plan, min(step, plan[-1].first + plan[-1].steps - 1))
    begin, steps = phase.ramp
    rise = max(1, math.ceil(warm_up * steps))
    place = step - begin
    if place < rise:
        return phase.peak * (place + 1) / rise
    return phase.peak * 0.5 * (1 + math.cos(math.pi * (place - rise) / max(1, steps - rise)))


def parameter_groups(learner: nn.Module, config: TrainingConfig) -> list[dict[str, object]]:
    """Groups for AdamW: vision tower, and all else, each with and without weight decay.

    Vectors (biases, norms, the head's learnt token) are not decayed, as is usual.
    """
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in learner.named_parameters():
        if parameter.requires_grad:
            vision = ".visual." in f".{name}" or ".gaze.readout." in name
            decayed = parameter.ndim == 2 or "proj.weight" in name
            groups.setdefault((vision, decayed), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": config.vision_lr if vision else config.lr,
            "base_lr": config.vision_lr if vision else config.lr,
            "weight_decay": config.weight_decay if decayed else 0.0,
        }
        for (vision, decayed), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]


def optimizer(learner: nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW over `parameter_groups`."""
    return torch.optim.AdamW(parameter_groups(learner, config), lr=config.lr, betas=(0.9, 0.999))
