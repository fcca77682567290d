import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from faultfield.field.network import FieldNetwork, Standardize


def test_columns_that_vary_are_standardised_as_scikit_learn_does() -> None:
    rows = np.random.default_rng(0).normal([1.0, -3.0, 10.0], [1.0, 2.0, 0.8], size=(200, 3)).astype(np.float32)
    layer = Standardize(3)
    layer.fit(rows)
    expected = StandardScaler().fit_transform(rows.astype(np.float64))
    np.testing.assert_allclose(layer(torch.from_numpy(rows)).numpy(), expected, atol=1e-4)


def test_a_column_that_hardly_varied_does_not_throw_others_far_out() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(100, 4)).astype(np.float32)
    rows[:, 3] = 0.5 + 1e-7 * rng.normal(size=100)
    layer = Standardize(4)
    layer.fit(rows)
    moved = rows[:1].copy()
    moved[0, 3] += 1.0
    typical = rows[:, :3].std(axis=0)
    assert abs(float(layer(torch.from_numpy(moved))[0, 3])) <= 10.0 / np.sqrt((typical**2).mean() * 3 / 4) * 1.01


def test_rows_that_are_all_alike_are_only_shifted() -> None:
    rows = np.full((5, 2), 3.0, dtype=np.float32)
    layer = Standardize(2)
    layer.fit(rows)
    assert layer(torch.tensor([[4.0, 3.0]])).tolist() == [[1.0, 0.0]]


def test_every_input_reaches_the_embedding_and_the_potential() -> None:
    torch.manual_seed(0)
    network = FieldNetwork({"vision": 5, "text": 4, "probe": 3}, dim=8, dropout=0.5).eval()
    rows = {
        name: torch.randn(2, width, requires_grad=True) for name, width in (("vision", 5), ("text", 4), ("probe", 3))
    }
    embeddings = network.embed(rows)
    assert embeddings.shape == (2, 8)
    network.potential(embeddings).sum().backward()
    for row in rows.values():
        assert row.grad is not None
        assert (row.grad.abs().sum(dim=1) > 0).all()


@pytest.mark.parametrize("inputs", [("vision",), ("vision", "text"), ("vision", "text", "probe")])
def test_the_embedding_has_its_length_whatever_the_inputs(inputs: tuple[str, ...]) -> None:
    network = FieldNetwork(dict.fromkeys(inputs, 3), dim=6, dropout=0.0)
    assert network.embed({name: torch.zeros(1, 3) for name in inputs}).shape == (1, 6)
