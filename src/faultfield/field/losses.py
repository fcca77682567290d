"""The contrastive term of the field’s loss."""

import torch
from torch import Tensor


def contrastive_loss(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean of Eq. 1 over all pairs of a batch (RoboMD, Section 3.2).

    Pairs with the same label cost their Euclidean distance d, others max(0, margin − d). The paper sums; the mean keeps
    the balance with the cross-entropy whatever the batch.

    Args:
        embeddings: Shape (n, dim).
        labels: Integers of shape (n,): the outcome, or the variation's index.
        margin: m in Eq. 1.

    Returns:
        A scalar; zero where there is no pair.
    """
    first, second = torch.triu_indices(len(embeddings), len(embeddings), offset=1)
    if len(first) == 0:
        return embeddings.sum() * 0.0
    squared = (embeddings[first] - embeddings[second]).square().sum(dim=1)
    # The root has no gradient at zero; equal embeddings neither attract nor repel.
    apart = squared > 0
    distance = torch.where(apart, torch.where(apart, squared, torch.ones_like(squared)).sqrt(), squared)
    similar = labels[first] == labels[second]
    return torch.where(similar, distance, (margin - distance).clamp(min=0)).mean()
