"""The detector as a module whose forward pass is whatever training needs: so it trains sharded as well as whole."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from faultfield.detector.model import ArmorModel
from faultfield.detector.training.packing import Layout
from faultfield.detector.vision import picture_tokens


class Sums(NamedTuple):
    """Losses of a packed batch, summed; the caller divides by counts over all processes.

    A tuple, since wrappers that shard the module look for tensors in what its forward pass returns.

    Attributes:
        detection: Cross-entropy over the detections, weighted, a scalar.
        reason: Next-token loss over the targets, weighted, a scalar.
        logits: Of each detection (not failed, failed), float (detections, 2), without gradient.
    """

    detection: Tensor
    reason: Tensor
    logits: Tensor


class Learner(nn.Module):
    """A detector that is trained.

    Args:
        model: Backbone and head.

    Attributes:
        whole_blocks: Whether the vision tower's blocks must be called as modules: where they are sharded, or recompute
            their activations.
    """

    def __init__(self, model: ArmorModel) -> None:
        super().__init__()
        self.model = model
        self.whole_blocks = False

    def forward(self, run: Callable[["Learner"], Any]) -> Any:
        """Call `run` with this module, from inside its forward pass.

        Wrappers that shard or synchronise parameters hook the forward pass of the outermost module; losses, features
        and rollouts all have to go through it.
        """
        return run(self)

    def see(self, pixels: Tensor, grid: Tensor) -> Tensor:
        """Picture tokens of one or many pictures or videos, float (tokens, width).

        Args:
            pixels: Patches as the processor makes them, float (patches, values).
            grid: Patches over time, height and width, int64 (pictures, 3).
        """
        tower = self.model.core.model.visual
        if pixels.device.type == "cpu" and not self.whole_blocks:
            return picture_tokens(tower, pixels, grid)
        tokens: Tensor = tower(pixels.type(tower.dtype), grid_thw=grid).pooler_output
        return tokens

    def losses(self, layout: Layout, features: Tensor | None, failed: Tensor) -> Sums:
        """Both losses of a packed batch.

        Args:
            layout: What is where, on this module's device.
            features: Picture tokens of all samples in the order of their rows, float (count, width).
            failed: Label of each detection, int64 (detections,).
        """
        hidden = self.model.embed(layout.ids, layout.pictures, features)
        early = self.model.early
        hidden, total = self.model.layers(hidden, layout.positions, layout.mask, slice(0, early))
        zero = hidden.sum() * 0.0
        detection, logits = zero, hidden.new_zeros(0, 2)
        if layout.detections:
            # Every position is projected once, however many detections look at it.
            projected = self.model.head.project(total / early)
            logits = self.model.head.pool(*_of_detections(layout, projected)).float()
            each = nn.functional.cross_entropy(logits, failed, reduction="none")
            detection = (each * _weights(layout, each)).sum()
        reason = self._reason_loss(layout, hidden) if layout.reasons else zero
        return Sums(detection, reason, logits.detach())

    def _reason_loss(self, layout: Layout, hidden: Tensor) -> Tensor:
        """Next-token loss; only rows and columns that lead to a target go through the deep layers."""
        rows, length = layout.deep_rows, layout.deep_length
        deep, _ = self.model.layers(
            hidden[rows, :length],
            layout.positions[:, rows, :length],
            layout.mask[rows, :, :length, :length],
            slice(self.model.early, None),
        )
        place = torch.searchsorted(rows, layout.before[:, 0].contiguous())
        logits = self.model.speak(deep[place, layout.before[:, 1]])
        each = nn.functional.cross_entropy(logits, layout.labels, reduction="none")
        return (each * layout.weights).sum()


def _of_detections(layout: Layout, features: Tensor) -> tuple[Tensor, Tensor]:
    """Features of opening and continuation of each detection (detections, s, width), and which places count."""
    width = max(opened + end - start for _, opened, start, end in layout.where)
    columns = torch.zeros(len(layout.where), width, dtype=torch.long)
    counts = torch.zeros(len(layout.where), width, dtype=torch.bool)
    for index, (_, opened, start, end) in enumerate(layout.where):
        places = torch.cat([torch.arange(opened), torch.arange(start, end)])
        columns[index, : len(places)] = places
        counts[index, : len(places)] = True
    rows = torch.tensor([row for row, *_ in layout.where])[:, None]
    return features[rows.to(features.device), columns.to(features.device)], counts.to(features.device)


def _weights(layout: Layout, like: Tensor) -> Tensor:
    return torch.tensor([part.weight for part in layout.detections], dtype=like.dtype, device=like.device)
