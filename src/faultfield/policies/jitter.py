"""Random changes of pictures, so that a policy does not live by the exact colours and places of its demonstrations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Jitter:
    """Random changes of colour (channels mixed, brightness of the whole and of each channel, an offset) and of place.

    Attributes:
        gain: Range of the factor on the whole picture.
        channel: Range of the factor on each channel.
        bias: Offset within ± this.
        mix: Standard deviation of what each channel gets of each other, and of itself on top: paint and light of any
            colour, and 0 for none.
        shift: Pixels by which the whole picture is moved at most, either way along both sides, its rim repeated: the
            camera stands elsewhere, so that only where things are beside each other tells what to do.
        moved: Share of the pictures that are moved.
    """

    gain: tuple[float, float] = (0.5, 1.15)
    channel: tuple[float, float] = (0.7, 1.3)
    bias: float = 0.1
    mix: float = 0.0
    shift: int = 0
    moved: float = 0.7

    def __call__(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        """Pictures in 0–1, shape (n, 3, height, width), each changed in its own way and cut to 0–1."""
        n = len(pictures)
        if self.mix:
            mixing = np.eye(3) + self.mix * rng.standard_normal((n, 3, 3))
            pictures = torch.einsum("nij,njhw->nihw", like(mixing, pictures), pictures)
        factor = rng.uniform(*self.gain, (n, 1, 1, 1)) * rng.uniform(*self.channel, (n, 3, 1, 1))
        bias = rng.uniform(-self.bias, self.bias, (n, 3, 1, 1))
        pictures = (pictures * like(factor, pictures) + like(bias, pictures)).clamp(0.0, 1.0)
        return self._elsewhere(pictures, rng) if self.shift else pictures

    def _elsewhere(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        n, _, height, width = pictures.shape
        by = rng.integers(-self.shift, self.shift + 1, (2, n)) * (rng.random(n) < self.moved)
        rows = (np.arange(height) + by[0, :, None]).clip(0, height - 1)[:, :, None]
        columns = (np.arange(width) + by[1, :, None]).clip(0, width - 1)[:, None, :]
        place = [torch.from_numpy(index).to(pictures.device) for index in (np.arange(n)[:, None, None], rows, columns)]
        return pictures.permute(0, 2, 3, 1)[tuple(place)].permute(0, 3, 1, 2)


PLAIN = Jitter()
"""What keeps a policy from living by exact colours, and little more."""

STRONG = Jitter(gain=(0.4, 1.2), bias=0.2, mix=0.25, shift=4)
"""For a policy that is to see through paint, light and places of the camera other than its demonstrations show."""


def like(array: NDArray[Any], tensor: Tensor) -> Tensor:
    """An array as a tensor of another's type, where that lies."""
    return torch.as_tensor(array, dtype=tensor.dtype, device=tensor.device)
