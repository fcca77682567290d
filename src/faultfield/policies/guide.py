"""What a policy's eye learns beside the action: to tell where everything is, from what the simulator told."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faultfield.errors import PolicyError
from faultfield.policies.demonstrations import Demonstrations

GUIDANCE = 0.3
"""Weight of the guide's loss beside the action's."""

FLOOR = 0.01
"""A truth that hardly moves in the demonstrations is not blown up beyond this scale."""


class Guide(nn.Module):
    """Has the eye's features tell, by one linear layer, where everything is; thrown away after training.

    Args:
        places: Numbers that the eye answers.
        truths: All truths of the demonstrations, float32 (n, truth_dim): each is scaled to its spread among them.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, places: int, truths: NDArray[np.float32]) -> None:
        super().__init__()
        self.layer = nn.Linear(places, truths.shape[1])
        self.register_buffer("mean", torch.from_numpy(truths.mean(0)))
        self.register_buffer("scale", torch.from_numpy(np.maximum(truths.std(0), FLOOR)))

    def forward(self, places: Tensor, truths: Tensor) -> Tensor:
        """Mean Huber loss of the guesses; `places` of shape (n, places), `truths` (n, truth_dim)."""
        return nn.functional.smooth_l1_loss(self.layer(places), (truths - self.mean) / self.scale)


def truths_of(data: Demonstrations) -> NDArray[np.float32]:
    """Where everything was at each step, float32 (n, truth_dim).

    Raises:
        PolicyError: The demonstrations do not say.
    """
    if data.truths is None:
        raise PolicyError(
            "The demonstrations do not say where things are, so they cannot guide the eye; gather them anew with "
            "'faultfield policy demos', or train without guidance."
        )
    return data.truths
