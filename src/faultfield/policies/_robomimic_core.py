"""Small encoders of pictures and of states in robomimic's own registry; importing this file imports robomimic."""

from collections.abc import Sequence

import numpy as np
import torch
from robomimic.models.obs_core import EncoderCore
from torch import Tensor, nn

from faultfield.policies.jitter import Jitter
from faultfield.policies.network import KERNELS, STRIDES, SpatialSoftmax


class PocketCore(EncoderCore):  # type: ignore[misc]
    """Three convolutions, spatial softmax, and a linear layer: a fifth of the work of robomimic's smallest backbone.

    robomimic registers every subclass of its `EncoderCore` by name, so a configuration names it as any other
    (`core_class: PocketCore`); whoever loads such a checkpoint without Faultfield imports this file first.

    Args:
        input_shape: (3, height, width) of the pictures.
        feature_dimension: Numbers that come out. They are signed: robomimic puts a ReLU behind every core.
        channels: Feature maps of the convolutions.
        jitter: Change colours at random while training.
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        feature_dimension: int = 64,
        channels: Sequence[int] = (24, 32, 48),
        jitter: bool = False,
    ) -> None:
        super().__init__(input_shape=input_shape)
        layers: list[nn.Module] = []
        width = input_shape[0]
        for out, kernel, stride in zip(channels, KERNELS, STRIDES, strict=True):
            layers += [nn.Conv2d(width, out, kernel, stride, (kernel - 1) // 2), nn.ReLU(inplace=True)]
            width = out
        self.nets = nn.Sequential(*layers[:-1], SpatialSoftmax(), nn.Linear(2 * width, feature_dimension))
        self.nets.to(memory_format=torch.channels_last)
        self.feature_dimension = feature_dimension
        self.jitter = jitter

    def output_shape(self, input_shape: Sequence[int] | None = None) -> list[int]:
        """Shape of the features without the batch."""
        return [self.feature_dimension]

    def forward(self, inputs: Tensor) -> Tensor:
        """Features, shape (n, feature_dimension), of pictures in 0–1, shape (n, 3, height, width)."""
        pictures = inputs
        if self.training and self.jitter:
            # Drawn from torch, whose seed robomimic's training sets.
            pictures = Jitter()(pictures, np.random.default_rng(int(torch.randint(2**62, ()))))
        features: Tensor = self.nets((2.0 * pictures - 1.0).contiguous(memory_format=torch.channels_last))
        return features


class PocketState(EncoderCore):  # type: ignore[misc]
    """A state scaled to its spread among the demonstrations: raw, in metres, it is drowned by what the eye says.

    Vectors of another length pass as they are: BCQ's critics are given actions beside the state, by the same encoder.

    Args:
        input_shape: (dim,).
        mean: Of the demonstrations, one number for each of the state's.
        scale: By which it is divided.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, input_shape: Sequence[int], mean: Sequence[float] = (), scale: Sequence[float] = ()) -> None:
        super().__init__(input_shape=input_shape)
        self.dim = input_shape[0]
        fits = len(mean) == len(scale) == self.dim
        self.register_buffer("mean", torch.tensor(mean) if fits else torch.zeros(self.dim))
        self.register_buffer("scale", torch.tensor(scale) if fits else torch.ones(self.dim))

    def output_shape(self, input_shape: Sequence[int] | None = None) -> list[int]:
        """Shape of the features without the batch."""
        return [2 * self.dim]

    def forward(self, inputs: Tensor) -> Tensor:
        """Features, shape (n, 2 dim), of states, shape (n, dim): each number and its opposite, for robomimic's ReLU."""
        scaled = (inputs - self.mean) / self.scale
        return torch.cat([scaled, -scaled], dim=-1)
