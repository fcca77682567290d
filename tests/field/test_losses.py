import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.field.losses import contrastive_loss


def by_loop(embeddings: np.ndarray, labels: np.ndarray, margin: float) -> float:
    """Eq. 1, summed over ordered pairs as it is printed, over the number of pairs that are not a point with itself."""
    total = 0.0
    for i in range(len(embeddings)):
        for j in range(len(embeddings)):
            distance = np.sqrt(((embeddings[i] - embeddings[j]) ** 2).sum())
            total += distance if labels[i] == labels[j] else max(0.0, margin - distance)
    return total / (len(embeddings) * (len(embeddings) - 1))


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(2, 12),
    dim=st.integers(1, 6),
    classes=st.integers(1, 4),
    margin=st.floats(0.1, 5.0),
    seed=st.integers(0, 2**31),
)
def test_it_is_the_mean_of_equation_1(n: int, dim: int, classes: int, margin: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    embeddings, labels = rng.normal(size=(n, dim)), rng.integers(classes, size=n)
    loss = contrastive_loss(torch.from_numpy(embeddings), torch.from_numpy(labels), margin)
    assert float(loss) == pytest.approx(by_loop(embeddings, labels, margin), rel=1e-9, abs=1e-12)


def test_its_gradient_is_that_of_finite_differences() -> None:
    rng = np.random.default_rng(0)
    embeddings = torch.from_numpy(rng.normal(size=(6, 3))).requires_grad_()
    labels = torch.tensor([0, 1, 0, 2, 1, 0])
    assert torch.autograd.gradcheck(lambda e: contrastive_loss(e, labels, 1.5), (embeddings,))


def test_a_step_against_the_gradient_draws_like_together_and_drives_unlike_apart() -> None:
    embeddings = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.4]], requires_grad=True)
    contrastive_loss(embeddings, torch.tensor([0, 0, 1]), margin=1.0).backward()
    assert embeddings.grad is not None
    after = (embeddings - 0.1 * embeddings.grad).detach()
    assert (after[0] - after[1]).norm() < 1.0
    assert (after[0] - after[2]).norm() > 0.4


def test_equal_embeddings_have_a_finite_gradient() -> None:
    embeddings = torch.zeros((4, 3), requires_grad=True)
    contrastive_loss(embeddings, torch.tensor([0, 0, 1, 1]), margin=1.0).backward()
    assert embeddings.grad is not None
    assert torch.equal(embeddings.grad, torch.zeros_like(embeddings))


def test_a_single_embedding_costs_nothing() -> None:
    assert float(contrastive_loss(torch.ones((1, 3)), torch.tensor([0]), margin=1.0)) == 0.0
