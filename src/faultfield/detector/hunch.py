"""What the eyes alone make of an episode: how well each explanation fits what they read, and so whether it failed.

A decoder that learns from a few thousand episodes judges by what task it is as much as by what happened, and on a task
that it was never taught its verdicts are off. Networks of one hidden layer that see nothing but numbers which mean the
same in every task (where the hand and the things are, whether they rose) carry further. They tell explanations apart,
of which "nothing failed" is one: an episode failed where a fault explains it better than that. How a reason begins says
which explanation it is; the language model goes on from there and says of what, and when. Of all failures whose reasons
give none that can be read, one explanation says that it was something else, and the language model begins by itself.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HEAD = 0.05
"""Weight of the head's log-odds beside the explanations': what the head makes of it counts where these are unsure.

It was chosen on episodes of tasks that were never taught (docs/results/detector.md), where each more costs verdicts; on
tasks that were, and of learned policies, up to four times as much makes some better.
"""

OTHER = ""
"""How a reason begins that gives another explanation than all openings do: as the language has it."""

_UNLIKELY = -10.0
"""Logit of an explanation that is new: the likeliest fault of 720 episodes had -2 at least, and so nothing changes."""


@dataclass(frozen=True)
class Guess:
    """What the eyes make of one episode.

    Attributes:
        fits: Log-probability of each explanation, float64 (k,); the first is that nothing failed.
    """

    fits: NDArray[np.float64]

    @property
    def odds(self) -> float:
        """Log-odds of the fault that explains it best against nothing having failed."""
        return float(self.fits[1:].max() - self.fits[0])

    def beside(self, head: float) -> float:
        """Log-odds of failure, the head's log-odds counted in."""
        return self.odds + HEAD * head

    def best(self, failed: bool) -> int:
        """What explains an episode best that failed, or did not."""
        return 1 + int(self.fits[1:].argmax()) if failed else 0


class Hunch(nn.Module):
    """Tells explanations of an episode apart by what a gaze reads in it.

    Args:
        places: Heights of a column's numbers (`Gaze.heights`).
        columns: Of a collage.
        hidden: Width of each network.
        members: How many networks judge; their log-probabilities are averaged.
        openings: How a reason begins that gives an explanation, by explanation; first, that nothing failed. `OTHER`
            for what the reasons of all other failures say.

    Example:
        >>> hunch = Hunch(4, columns=2, hidden=8, members=2, openings=["The robot succeeded", "The gripper let go"])
        >>> hunch(torch.zeros(3, 2, 4)).exp().sum(dim=1).round(decimals=4).tolist()
        [1.0, 1.0, 1.0]
    """

    def __init__(self, places: int, columns: int, hidden: int, members: int, openings: Sequence[str]) -> None:
        super().__init__()
        self.hidden, self.openings = hidden, tuple(openings)
        self.members = nn.ModuleList(
            nn.Sequential(
                nn.Linear(places * columns, hidden), nn.GELU(), nn.Dropout(0.5), nn.Linear(hidden, len(self.openings))
            )
            for _ in range(members)
        )

    @property
    def settings(self) -> dict[str, int | list[str]]:
        """What the constructor takes beside the gaze's shape."""
        return {"hidden": self.hidden, "members": len(self.members), "openings": list(self.openings)}

    def grown(self, openings: Sequence[str]) -> "Hunch":
        """One that can learn further explanations, by how their reasons begin, and judges as this one until it has."""
        found = deepcopy(self)
        found.openings = (*self.openings, *openings)
        for member in found.members:
            *_, last = member.children()
            _lengthen(last, len(openings))
        return found

    def forward(self, heights: Tensor) -> Tensor:
        """Log-probabilities (n, k) of heights (n, columns, places); probabilities sum to one."""
        each = torch.stack([member(heights.flatten(1)).log_softmax(dim=-1) for member in self.members])
        return each.mean(dim=0).log_softmax(dim=-1)

    @torch.no_grad()
    def guesses(self, heights: Tensor) -> list[Guess]:
        """What it makes of each of some episodes."""
        return [Guess(row) for row in self(heights).double().cpu().numpy()]


def _lengthen(layer: Any, count: int) -> None:
    """Give a linear layer further outputs, which are low whatever goes in."""
    weight, bias = layer.weight.detach(), layer.bias.detach()
    layer.weight = nn.Parameter(torch.cat([weight, weight.new_zeros(count, weight.shape[1])]))
    layer.bias = nn.Parameter(torch.cat([bias, bias.new_full((count,), _UNLIKELY)]))
    layer.out_features = len(layer.bias)
