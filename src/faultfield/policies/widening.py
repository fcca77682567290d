"""More feature maps for a trained eye, which goes on answering what it answered (Net2Net, Chen et al. 2016)."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from faultfield.policies.bc import Architecture
from faultfield.policies.network import VisuomotorNet

NOISE = 0.02
"""Of the filters' spread, on the wider ones: twins that were exactly alike would be trained alike for ever."""


def widened(
    architecture: Architecture, network: VisuomotorNet, times: int, seed: int, *, noise: float = NOISE
) -> tuple[Architecture, VisuomotorNet]:
    """A network with so many times the feature maps that does as this one does, but for the noise.

    Every map gets twins; whatever reads it reads each twin with its part of the weight.

    Args:
        architecture: Of the network.
        network: Not changed.
        times: From 1 up.
        seed: Of the twins' order and the noise.
        noise: Standard deviation, in that of each layer's weights.

    Returns:
        What must be known to build it again, and the network.
    """
    wider = replace(architecture, channels=tuple(times * count for count in architecture.channels))
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        made = wider.build()
    old, new = (_convolutions(each) for each in (network, made))
    twins: list[int] | None = None
    with torch.no_grad():
        for layer, copy in zip(old, new, strict=True):
            count = len(layer.weight)
            picked = [*range(count), *rng.permutation(np.resize(np.arange(count), (times - 1) * count)).tolist()]
            read = layer.weight if twins is None else layer.weight[:, twins] / times
            drawn = torch.from_numpy(rng.standard_normal((len(picked), *read.shape[1:]))).float()
            copy.weight.copy_(read[picked] + noise * read.std() * drawn)
            assert layer.bias is not None
            assert copy.bias is not None
            copy.bias.copy_(layer.bias[picked])
            twins = picked
        head = {name: value for name, value in network.state_dict().items() if not name.startswith("eye.")}
        head["head.0.weight"] = _split(head["head.0.weight"], twins or [], times)
        made.load_state_dict({**made.state_dict(), **head})
    return wider, made


def _convolutions(network: VisuomotorNet) -> list[nn.Conv2d]:
    return [layer for layer in network.eye if isinstance(layer, nn.Conv2d)]


def _split(weight: Tensor, twins: list[int], times: int) -> Tensor:
    """The first layer after the eye: x and y of each map in the maps' order, then proprioception."""
    maps = 2 * len(twins) // times
    places = weight[:, :maps].unflatten(1, (-1, 2))[:, twins] / times
    return torch.cat([places.flatten(1), weight[:, maps:]], dim=1)
