"""A wider eye does as the one that it was made of, and learns more."""

import pytest
import torch
from torch import Tensor

from faultfield.policies.bc import Architecture
from faultfield.policies.network import VisuomotorNet
from faultfield.policies.widening import widened

ARCHITECTURE = Architecture("top", size=32, state_dim=3, action_dim=4, channels=(5, 7, 6))


@pytest.fixture
def network() -> VisuomotorNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = ARCHITECTURE.build()
    made.state_mean.copy_(torch.tensor([1.0, -2.0, 0.5]))
    return made


@pytest.fixture
def seen() -> tuple[Tensor, Tensor]:
    drawn = torch.Generator().manual_seed(5)
    return torch.rand(6, 3, 32, 32, generator=drawn), torch.randn(6, 3, generator=drawn)


@pytest.mark.parametrize("times", [2, 3])
def test_without_noise_it_answers_the_same(times: int, network: VisuomotorNet, seen: tuple[Tensor, Tensor]) -> None:
    wider, made = widened(ARCHITECTURE, network, times, seed=0, noise=0.0)
    assert wider.channels == (5 * times, 7 * times, 6 * times)
    for own, theirs in zip(made(*seen), network(*seen), strict=True):
        assert torch.allclose(own, theirs, atol=1e-4)


def test_twins_part_and_the_seed_decides_how(network: VisuomotorNet, seen: tuple[Tensor, Tensor]) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    (_, one), (_, same), (_, other) = (widened(ARCHITECTURE, network, 2, seed) for seed in (1, 1, 2))
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in one.state_dict().items())
    assert not torch.equal(one.eye[0].weight, other.eye[0].weight)
    assert len(one.eye[0].weight.flatten(1).unique(dim=0)) == 10, "no filter is another's copy"
    assert all(torch.equal(value, network.state_dict()[name]) for name, value in before.items())
    arm, _ = one(*seen)
    assert torch.allclose(arm, network(*seen)[0], atol=0.1), "nearly as before, all the same"


def test_what_it_is_made_of_can_be_built_again(network: VisuomotorNet) -> None:
    wider, made = widened(ARCHITECTURE, network, 2, seed=0)
    wider.build().load_state_dict(made.state_dict())
