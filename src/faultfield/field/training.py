"""Fitting the field's network: binary cross-entropy and Eq. 1, on features or through the towers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faultfield.field.config import FieldConfig
from faultfield.field.losses import contrastive_loss
from faultfield.field.network import FieldNetwork

_LOOKS = 20
"""How often held-out variations are looked at during `steps`."""

Features = Callable[[Tensor], Mapping[str, Tensor]]
"""Inputs of the network by name, for the rows that the indices point at."""


@dataclass(frozen=True)
class TrainingLog:
    """What a fit did.

    Attributes:
        steps: Gradient steps taken.
        bce: Cross-entropy at each step.
        contrastive: Eq. 1 at each step (zeros where it is not part of the loss).
        held_out: Mean cross-entropy on held-out variations by number of steps, from which `steps` was chosen.
    """

    steps: int
    bce: tuple[float, ...]
    contrastive: tuple[float, ...]
    held_out: Mapping[int, float]


@dataclass(frozen=True)
class Labels:
    """What is known of each row.

    Attributes:
        failed: Float32 (n,), 1 where the episode failed.
        groups: Int64 (n,), index of the row's variation.
    """

    failed: Tensor
    groups: Tensor


def train(
    network: FieldNetwork,
    features: Features,
    labels: Labels,
    config: FieldConfig,
    seed: int,
    extra: list[torch.nn.Parameter] | None = None,
) -> TrainingLog:
    """Fit `network` in place.

    With `config.folds`, the number of steps is first chosen on held-out variations, the network starting over each
    time.

    Args:
        network: Initialised, with its scales fitted.
        features: Inputs of rows.
        labels: Outcomes and variations of rows.
        config: Settings.
        seed: Of batches and dropout.
        extra: Parameters of towers to be trained along; then nothing is held out, for they cannot start over.
    """
    rows = torch.arange(len(labels.failed))
    held_out: dict[int, float] = {}
    steps = config.steps
    if config.folds and extra is None and len(np.unique(labels.groups.numpy())) >= 2 * config.folds:
        start = {key: value.clone() for key, value in network.state_dict().items()}
        held_out = _held_out_loss(network, start, features, labels, config, seed)
        steps = min(held_out, key=lambda step: held_out[step])
        network.load_state_dict(start)
    bce, contrastive = _descend(network, features, labels, rows, config, steps, seed, extra or [])
    network.eval()
    return TrainingLog(steps, tuple(bce), tuple(contrastive), held_out)


def fold_of_groups(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for every row, shape (n,), the same for all rows of a variation."""
    distinct = np.unique(groups)
    order = np.random.default_rng(seed).permutation(len(distinct))
    fold = np.empty(len(distinct), dtype=np.int64)
    fold[order] = np.arange(len(distinct)) % folds
    return fold[np.searchsorted(distinct, groups)]


def _held_out_loss(
    network: FieldNetwork,
    start: Mapping[str, Tensor],
    features: Features,
    labels: Labels,
    config: FieldConfig,
    seed: int,
) -> dict[int, float]:
    every = max(1, config.steps // _LOOKS)
    looks = list(range(every, config.steps + 1, every))
    total = np.zeros(len(looks))
    fold = torch.from_numpy(fold_of_groups(labels.groups.numpy(), config.folds, seed))
    for k in range(config.folds):
        inside, outside = torch.nonzero(fold != k)[:, 0], torch.nonzero(fold == k)[:, 0]
        network.load_state_dict(start)
        total += _losses_outside(network, features, labels, inside, outside, config, every, seed)
    return dict(zip(looks, (total / len(labels.failed)).tolist(), strict=True))


def _losses_outside(
    network: FieldNetwork,
    features: Features,
    labels: Labels,
    inside: Tensor,
    outside: Tensor,
    config: FieldConfig,
    every: int,
    seed: int,
) -> list[float]:
    """Summed cross-entropy on the rows `outside`, after every so many steps on those `inside`."""
    losses: list[float] = []

    def look(step: int) -> None:
        if step % every:
            return
        network.eval()
        with torch.no_grad():
            logits = network.potential(network.embed(features(outside)))
            losses.append(float(_bce(logits, labels.failed[outside], reduction="sum")))

    _descend(network, features, labels, inside, config, config.steps, seed, [], look)
    return losses


def _descend(
    network: FieldNetwork,
    features: Features,
    labels: Labels,
    rows: Tensor,
    config: FieldConfig,
    steps: int,
    seed: int,
    extra: list[torch.nn.Parameter],
    look: Callable[[int], None] | None = None,
) -> tuple[list[float], list[float]]:
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW([*network.parameters(), *extra], lr=config.lr, weight_decay=config.weight_decay)
    similar = labels.failed.long() if config.contrast == "outcome" else labels.groups
    size = min(config.batch, len(rows))
    bce, contrastive = [], []
    # Dropout draws from torch's global generator; the fork gives it back to the caller as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for step in range(1, steps + 1):
            network.train()
            batch = rows[torch.randperm(len(rows), generator=generator)[:size]]
            embeddings = network.embed(features(batch))
            loss = _bce(network.potential(embeddings), labels.failed[batch])
            bce.append(float(loss.detach()))
            contrastive.append(0.0)
            if config.loss == "bce+contrastive":
                pairs = contrastive_loss(embeddings, similar[batch], config.margin)
                contrastive[-1] = float(pairs.detach())
                loss = loss + config.contrastive_weight * pairs
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if look is not None:
                look(step)
    # Fields are kept by the dozen, and their gradients would be as large again.
    optimizer.zero_grad()
    return bce, contrastive


def _bce(logits: Tensor, failed: Tensor, reduction: str = "mean") -> Tensor:
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, failed, reduction=reduction)
