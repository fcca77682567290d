import itertools
import math

import numpy as np
import pytest
import torch

from faultfield.detector.sampling import Choices, binary_entropy, entropy


@pytest.mark.parametrize("vocabulary", [2, 255, 256, 1000])
@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.0])
def test_draw_inverts_the_distribution_function(vocabulary: int, temperature: float) -> None:
    rng = np.random.default_rng(vocabulary)
    logits = rng.normal(size=(200, vocabulary)) * 3
    uniforms = rng.random(200)
    rows = rng.permutation(200)
    drawn = Choices(torch.from_numpy(logits).float(), temperature).draw(rows.tolist(), uniforms[rows].tolist())
    drawn = [drawn[k] for k in np.argsort(rows)]
    for row, uniform, token in zip(logits, uniforms, drawn, strict=True):
        largest = max(row)
        weights = [math.exp((x - largest) / temperature) for x in row]
        below = list(itertools.accumulate(weights))
        assert token == next(k for k, sum_so_far in enumerate(below) if sum_so_far / below[-1] > uniform)


def test_draw_at_the_ends_stays_inside() -> None:
    logits = torch.tensor([[0.0, -math.inf, 0.0, -math.inf]]).repeat(2, 1)
    assert Choices(logits, 1.0).draw([0, 1], [0.0, 1.0 - 2**-53]) == [0, 2]
    assert Choices(torch.tensor([[0.1, 3.0, 0.2]]), 0.0).draw([0], [0.01]) == [1]


def test_entropy_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5, 40)) * 4
    logits[2, 3:20] = -np.inf
    found_in_rows = entropy(torch.from_numpy(logits)).tolist()
    assert Choices(torch.from_numpy(logits), 0.7).entropies == pytest.approx(found_in_rows)
    for row, found in zip(logits, found_in_rows, strict=True):
        weights = np.exp(row - row.max())
        chances = weights / weights.sum()
        assert found == pytest.approx(-sum(p * math.log(p) for p in chances if p > 0), abs=1e-5)


def test_binary_entropy() -> None:
    assert binary_entropy(0.5) == pytest.approx(math.log(2))
    assert binary_entropy(0.0) == binary_entropy(1.0) == 0.0
    two = torch.tensor([[0.3, -1.2]])
    assert binary_entropy(float(two.softmax(1)[0, 1])) == pytest.approx(float(entropy(two)), abs=1e-6)
