"""The plain way to the losses: whole prompts side by side, nothing shared. What is fast is compared with it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from faultfield.detector.model import ArmorModel, causal
from faultfield.detector.opening import Opening


@dataclass(frozen=True)
class Batch:
    """Whole prompts, padded behind.

    Attributes:
        ids: Int64 (n, s).
        positions: Int64 (3, n, s).
        counts: What is no padding, bool (n, s).
        pictures: Which places hold picture tokens, bool (n, s).
        openings: One a row.
    """

    ids: Tensor
    positions: Tensor
    counts: Tensor
    pictures: Tensor
    openings: Sequence[Opening]


def inputs(openings: Sequence[Opening], endings: Sequence[Sequence[int]]) -> Batch:
    """Prompts: openings, one a row, and what follows each: `scribe.ending(…)`, and an answer if one is learnt."""
    longest = max(len(a.ids) + len(b) for a, b in zip(openings, endings, strict=True))
    ids = torch.zeros(len(openings), longest, dtype=torch.long)
    positions = torch.zeros(3, len(openings), longest, dtype=torch.long)
    counts = torch.zeros(len(openings), longest, dtype=torch.bool)
    for row, (opening, ending) in enumerate(zip(openings, endings, strict=True)):
        start, end = len(opening.ids), len(opening.ids) + len(ending)
        ids[row, :end] = torch.cat([opening.ids, torch.tensor(ending, dtype=torch.long)])
        positions[:, row, :start] = opening.positions
        positions[:, row, start:end] = torch.arange(len(ending)) + opening.next
        counts[row, :end] = True
    pictures = (ids == torch.tensor([each.placeholder for each in openings])[:, None]) & counts
    return Batch(ids, positions, counts, pictures, openings)


def detection_logits(model: ArmorModel, batch: Batch) -> Tensor:
    """Logits (n, 2) of (not failed, failed), with gradient; only the early layers are run."""
    _, total = model.layers(*_start(model, batch), slice(0, model.early))
    logits: Tensor = model.head(total / model.early, batch.counts).float()
    return logits


def reasoning_loss(model: ArmorModel, batch: Batch, targets: Sequence[int]) -> Tensor:
    """Mean next-token loss; each row's last `targets` token ids are the answer, 0 leaves a row out."""
    hidden, _ = model.layers(*_start(model, batch), slice(None))
    ends = batch.counts.sum(dim=1)
    rows = [row for row, count in enumerate(targets) for _ in range(count)]
    places = [int(end) - count + k for end, count in zip(ends, targets, strict=True) for k in range(count)]
    here = torch.tensor(places)
    logits = model.speak(hidden[rows, here - 1])
    return torch.nn.functional.cross_entropy(logits, batch.ids[rows, here])


def _start(model: ArmorModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings, positions, and the causal mask of a batch."""
    hidden = model.embed(batch.ids, batch.pictures, model.see(batch.openings))
    return hidden, batch.positions, causal(batch.counts)
