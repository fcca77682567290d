import numpy as np
import torch

from faultfield.policies.network import SpatialSoftmax, VisuomotorNet, one_thread


def test_spatial_softmax_finds_the_place_of_a_peak() -> None:
    maps = torch.zeros(1, 2, 11, 21)
    maps[0, 0, 2, 15] = 100.0  # row 2 of 11, column 15 of 21
    maps[0, 1, 10, 0] = 100.0
    expected = [15 / 20 * 2 - 1, 2 / 10 * 2 - 1, -1.0, 1.0]
    np.testing.assert_allclose(SpatialSoftmax()(maps)[0].numpy(), expected, atol=1e-5)


def test_spatial_softmax_is_the_mean_place_under_the_softmax() -> None:
    maps = torch.from_numpy(np.random.default_rng(0).normal(size=(3, 4, 5, 7)))
    found = SpatialSoftmax()(maps).numpy().reshape(3, 4, 2)
    for n in range(3):
        for c in range(4):
            weight = np.exp(maps[n, c].numpy())
            weight /= weight.sum()
            x = sum(weight[i, j] * (2 * j / 6 - 1) for i in range(5) for j in range(7))
            y = sum(weight[i, j] * (2 * i / 4 - 1) for i in range(5) for j in range(7))
            np.testing.assert_allclose(found[n, c], [x, y], atol=1e-12)


def test_proprioception_is_standardised() -> None:
    torch.manual_seed(0)
    network = VisuomotorNet(state_dim=2)
    pictures, states = torch.rand(1, 3, 84, 84), torch.tensor([[3.0, -1.0]])
    plain = network(pictures, (states - 1.0) / 2.0)[0]
    network.state_mean.fill_(1.0)
    network.state_scale.fill_(2.0)
    torch.testing.assert_close(network(pictures, states)[0], plain)


def test_threads_come_back() -> None:
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
