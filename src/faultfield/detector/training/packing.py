"""Many continuations of one opening in one sequence: each sees the opening and itself, never its neighbours.

All prompts of a sample (two tasks, T rounds) begin with the same system text and the same pictures. Laid one behind
the other under a tree-shaped mask, with positions that all begin where the opening ends, they cost one forward and one
backward pass in which the opening is encoded once, and give the very gradients of as many separate passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from faultfield.detector.opening import Opening


@dataclass(frozen=True)
class Part:
    """One continuation of a sample's opening.

    Attributes:
        sample: Row of the batch whose opening it continues.
        ids: Token ids, the answer's included.
        targets: How many of the last ids are the answer to learn; 0 of a prompt for the detection head.
        weight: Of its loss.
    """

    sample: int
    ids: tuple[int, ...]
    targets: int = 0
    weight: float = 1.0


@dataclass(frozen=True)
class Layout:
    """Where everything lies in the packed batch.

    Attributes:
        ids: Int64 (n, s); padding is 0.
        positions: Int64 (3, n, s).
        mask: Who may look at whom, bool (n, 1, s, s).
        pictures: Which places hold picture tokens, bool (n, s).
        reasons: Continuations with targets, in order.
        detections: Continuations without, in order.
        deep_rows: Rows with a continuation that has targets, int64.
        deep_length: Length up to the end of the last such continuation.
        where: For each detection, its row and columns: (row, length of the opening, start, end).
        before: Row and column of the token before each target, int64 (targets, 2).
        labels: The targets, int64 (targets,).
        weights: Of the targets, float (targets,).
    """

    ids: Tensor
    positions: Tensor
    mask: Tensor
    pictures: Tensor
    reasons: tuple[Part, ...]
    detections: tuple[Part, ...]
    deep_rows: Tensor
    deep_length: int
    where: tuple[tuple[int, int, int, int], ...]
    before: Tensor
    labels: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> "Layout":
        """The same on another device."""
        moved: dict[str, Any] = {name: v.to(device) for name, v in vars(self).items() if isinstance(v, Tensor)}
        return replace(self, **moved)


def pack(openings: Sequence[Opening], parts: Sequence[Part]) -> Layout:
    """Lay out continuations behind their openings: those with targets first, so that deep layers can drop the rest.

    Args:
        openings: One a sample, at least one; pixels are not looked at.
        parts: Continuations of any of them, in any order.
    """
    rows = [_Row(opening) for opening in openings]
    reasons = tuple(part for part in parts if part.targets)
    detections = tuple(part for part in parts if not part.targets)
    before, labels, weights, where = [], [], [], []
    for part in reasons:
        start, end = rows[part.sample].add(part)
        for place in range(end - part.targets, end):
            before.append((part.sample, place - 1))
            labels.append(part.ids[place - start])
            weights.append(part.weight)
    deep_rows = sorted({part.sample for part in reasons})
    deep_length = max((rows[row].length for row in deep_rows), default=0)
    for part in detections:
        where.append((part.sample, len(openings[part.sample].ids), *rows[part.sample].add(part)))
    length = max(row.length for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    segments = torch.full((len(rows), length), -1, dtype=torch.long)
    positions = torch.zeros(3, len(rows), length, dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : row.length] = torch.cat(row.ids)
        segments[index, : row.length] = torch.cat(row.segments)
        positions[:, index, : row.length] = torch.cat(row.positions, dim=1)
    placeholders = torch.tensor([opening.placeholder for opening in openings])[:, None]
    pictures = (ids == placeholders) & (segments == 0)
    return Layout(
        ids,
        positions,
        tree_mask(segments),
        pictures,
        reasons,
        detections,
        torch.tensor(deep_rows, dtype=torch.long),
        deep_length,
        tuple(where),
        torch.tensor(before, dtype=torch.long).reshape(-1, 2),
        torch.tensor(labels, dtype=torch.long),
        torch.tensor(weights, dtype=torch.float32),
    )


def tree_mask(segments: Tensor) -> Tensor:
    """Who may look at whom, bool (n, 1, s, s): nobody ahead, the opening for all, else one's own segment.

    Args:
        segments: Int64 (n, s): 0 in the opening, k in continuation k, −1 in padding (which looks at itself alone, as
            a row of nothing would be NaN).
    """
    query, key = segments[:, :, None], segments[:, None, :]
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    seen = ((key == 0) | (key == query)) & (key >= 0) & (query >= 0) & causal
    return (seen | torch.eye(length, dtype=torch.bool, device=segments.device))[:, None]


@dataclass
class _Row:
    """A sequence that grows by continuations."""

    opening: Opening
    ids: list[Tensor] = field(default_factory=list)
    positions: list[Tensor] = field(default_factory=list)
    segments: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.length = len(self.opening.ids)
        self.ids.append(self.opening.ids)
        self.positions.append(self.opening.positions)
        self.segments.append(torch.zeros(self.length, dtype=torch.long))

    def add(self, part: Part) -> tuple[int, int]:
        """Append a continuation; where it begins and ends."""
        begin, count = self.length, len(part.ids)
        self.ids.append(torch.tensor(part.ids, dtype=torch.long))
        self.positions.append((torch.arange(count) + self.opening.next).expand(3, count))
        self.segments.append(torch.full((count,), len(self.segments), dtype=torch.long))
        self.length += count
        return begin, self.length
