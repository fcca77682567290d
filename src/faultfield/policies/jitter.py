"""Random changes of colour, so that a policy does not live by the exact colours of its demonstrations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Jitter:
    """Random changes of colour: channels mixed, brightness of the whole and of each channel, and an offset.

    Attributes:
        gain: Range of the factor on the whole picture.
        channel: Range of the factor on each channel.
        bias: Offset within ± this.
        mix: Standard deviation of what each channel gets of each other, and of itself on top: paint and light of any
            colour, and 0 for none.
    """

    gain: tuple[float, float] = (0.5, 1.15)
    channel: tuple[float, float] = (0.7, 1.3)
    bias: float = 0.1
    mix: float = 0.0

    def __call__(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        """Pictures in 0–1, shape (n, 3, height, width), each changed in its own way and cut to 0–1."""
        n = len(pictures)
        if self.mix:
            mixing = np.eye(3) + self.mix * rng.standard_normal((n, 3, 3))
            pictures = torch.einsum("nij,njhw->nihw", like(mixing, pictures), pictures)
        factor = rng.uniform(*self.gain, (n, 1, 1, 1)) * rng.uniform(*self.channel, (n, 3, 1, 1))
        bias = rng.uniform(-self.bias, self.bias, (n, 3, 1, 1))
        return (pictures * like(factor, pictures) + like(bias, pictures)).clamp(0.0, 1.0)


PLAIN = Jitter()
"""What keeps a policy from living by exact colours, and little more."""

STRONG = Jitter(gain=(0.4, 1.2), bias=0.2, mix=0.25)
"""For a policy that is to see through paint and light of other colours than its demonstrations show."""


def like(array: NDArray[Any], tensor: Tensor) -> Tensor:
    """An array as a tensor of another's type, where that lies."""
    return torch.as_tensor(array, dtype=tensor.dtype, device=tensor.device)
