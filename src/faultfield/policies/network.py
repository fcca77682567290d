"""The small network behind `VisualBC`: where things are in the picture, and what to do about it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

KERNELS = (8, 3, 3)
STRIDES = (4, 1, 1)
"""The first convolution goes to a quarter of the resolution at once: half the time of going in two steps."""


class SpatialSoftmax(nn.Module):
    """Turns every feature map into the expected place of its feature (Finn et al. 2016).

    Maps of shape (n, c, h, w) become coordinates of shape (n, 2 c): x and y of every map, each in −1–1.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Expected coordinates, shape (n, 2 c)."""
        height, width = maps.shape[2:]
        y = torch.linspace(-1.0, 1.0, height, device=maps.device, dtype=maps.dtype)
        x = torch.linspace(-1.0, 1.0, width, device=maps.device, dtype=maps.dtype)
        places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).view(height * width, 2)
        return (maps.flatten(2).softmax(-1) @ places).flatten(1)


class VisuomotorNet(nn.Module):
    """Three convolutions, spatial softmax, proprioception, and two hidden layers.

    Args:
        channels: Feature maps of the three convolutions.
        state_dim: Numbers of proprioception.
        arm_dim: Continuous action dimensions; the gripper comes on top.
        hidden: Units of each hidden layer.
    """

    state_mean: Tensor
    state_scale: Tensor

    def __init__(
        self, channels: Sequence[int] = (24, 32, 48), state_dim: int = 9, arm_dim: int = 6, hidden: int = 256
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = 3
        for out, kernel, stride in zip(channels, KERNELS, STRIDES, strict=True):
            layers += [nn.Conv2d(width, out, kernel, stride, (kernel - 1) // 2), nn.ReLU(inplace=True)]
            width = out
        # The last maps go into a softmax, which needs their negative side as well.
        self.eye = nn.Sequential(*layers[:-1], SpatialSoftmax())
        self.head = nn.Sequential(
            nn.Linear(2 * width + state_dim, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, arm_dim + 1),
        )
        self.register_buffer("state_mean", torch.zeros(state_dim))
        self.register_buffer("state_scale", torch.ones(state_dim))

    def forward(self, pictures: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """What to do.

        Args:
            pictures: Float in 0–1, shape (n, 3, height, width).
            states: Proprioception as observed, shape (n, state_dim).

        Returns:
            Arm action, shape (n, arm_dim), not clipped; logit that the gripper closes, shape (n,).
        """
        return self.act(self.see(pictures), states)

    def see(self, pictures: Tensor) -> Tensor:
        """Where the features are, shape (n, 2 channels[-1]), each number in −1–1; `pictures` as in `forward`."""
        places: Tensor = self.eye(2.0 * pictures - 1.0)
        return places

    def act(self, places: Tensor, states: Tensor) -> tuple[Tensor, Tensor]:
        """What to do, as `forward`, from what `see` answered."""
        felt = (states - self.state_mean) / self.state_scale
        out = self.head(torch.cat([places, felt], dim=1))
        return out[:, :-1], out[:, -1]


@contextmanager
def one_thread() -> Iterator[None]:
    """Run torch on one thread, so that worker processes do not fight and sums come in one order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
