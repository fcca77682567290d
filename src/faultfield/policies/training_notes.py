"""A training's progress on disk: killed and called again, it goes on where it was."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from faultfield import files
from faultfield.errors import CheckpointError

PROGRESS = "training.partial"
"""Weights and optimiser of a training that is under way; gone when it is done."""


def trained(directory: str | Path, config: str, training: Mapping[str, Any]) -> float | None:
    """The loss of a training that has ended in a directory; None where none has.

    Args:
        directory: Of the checkpoint.
        config: Name of the file that a training writes last: all that it was trained with, and perhaps its `loss`,
            directly or under `training`.
        training: What would be trained with now.

    Returns:
        Its loss; NaN where that was not kept.

    Raises:
        CheckpointError: What lies there was trained otherwise, or is no checkpoint: it is not written over.
    """
    path = Path(directory) / config
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        stored = dict(stored.get("training", stored))
    except (ValueError, AttributeError, TypeError):
        stored = {}
    loss = stored.pop("loss", math.nan)
    wanted = json.loads(json.dumps(training))
    if stored == wanted:
        # A kill right after it was written left it.
        path.with_name(PROGRESS).unlink(missing_ok=True)
        return float(loss)
    other = sorted(name for name in {*stored, *wanted} if stored.get(name) != wanted.get(name))
    raise CheckpointError(
        f"'{directory}' holds a checkpoint already, trained with other {', '.join(other).replace('_', ' ')}; "
        "name another directory, or delete it."
    )


def note(path: Path, training: Mapping[str, Any], step: int, learner: nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Write weights and optimiser so that `resume` finds them."""
    tensors = {f"learner.{k}": v.contiguous() for k, v in learner.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v.contiguous() for k, v in moments.items()}
    with files.replacing(path) as draft:
        save_file(tensors, draft, metadata={"training": json.dumps(training, sort_keys=True), "step": str(step)})


def resume(path: Path, training: Mapping[str, Any], learner: nn.Module, optimizer: torch.optim.AdamW) -> int:
    """Load what `note` wrote and say at which step it was; 0 where there is nothing, or it is of other settings."""
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata()
            if metadata.get("training") != json.dumps(training, sort_keys=True):
                return 0
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except SafetensorError:
        return 0
    learner.load_state_dict({k.removeprefix("learner."): v for k, v in tensors.items() if k.startswith("learner.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part == "optimizer":
            index, _, key = rest.partition(".")
            moments.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(metadata["step"])
