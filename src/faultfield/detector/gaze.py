"""What a small vision tower was taught to tell of a collage, told to the decoder beside the tower's own tokens.

A tower of a few layers holds where things are in directions that a small decoder, asked for verdicts alone, does not
find: it learns its tasks by heart. The readout that taught the tower is kept instead. Each of its numbers is written as
a place among centres, so that "right there" and "a little beside" are different inputs and not nearly the same one, and
added to all tokens of its column. What went wrong lies between columns, in how far the hand was from the thing when it
closed and whether the thing rose with it: a second readout, of all columns at once, is added to all tokens alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faultfield.detector.hunch import Guess, Hunch
from faultfield.detector.views import Viewer
from faultfield.rollouts.clip import CAMERAS

CENTRES = 13
"""Places of a number, at even quantiles of what it was in training."""

STORY = 512
"""Width inside the readout of all columns, of a gaze that is made today."""

NOISE = 0.1
"""Deviation of what is added in training to what is read, where values have the deviation 1."""

_TAIL = 0.005
"""Share of the numbers that lie beyond the outermost centres, at either end."""


class Readout(nn.Module):
    """From the tokens of a column's cells to what is known of it."""

    def __init__(self, tokens: int, width: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(width, 48)
        self.mix = nn.Sequential(
            nn.LayerNorm(48 * tokens), nn.Linear(48 * tokens, hidden), nn.GELU(), nn.Linear(hidden, outputs)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Outputs (n, columns, outputs) of tokens (n, columns, tokens, width)."""
        out: Tensor = self.mix(self.squeeze(tokens).flatten(2))
        return out


class Story(nn.Module):
    """From what is read of all columns to what happened, as a vector of a token's width.

    It learns from a few thousand episodes: half of what it makes of them is left out at random while it trains.
    """

    def __init__(self, places: int, hidden: int, width: int) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(places, hidden), nn.Linear(hidden, width, bias=False)
        # As with the words of a column: nothing is added at first.
        nn.init.zeros_(self.out.weight)

    def forward(self, placed: Tensor) -> Tensor:
        """Vectors (n, width) of placed numbers (n, columns, places)."""
        kept = nn.functional.dropout(nn.functional.gelu(self.into(placed.flatten(1))), 0.5, self.training)
        told: Tensor = self.out(kept)
        return told


class Gaze(nn.Module):
    """A readout of simulator states, and how the decoder is told of them.

    Args:
        rows: Cameras of a collage, one above the other.
        columns: Its time steps.
        cell: Height and width of a cell, tokens.
        width: Of a token.
        hidden: Width inside the readout.
        values: How many numbers are read of a column.
        flags: How many truths.
        story: Width inside the readout of all columns; 0 for none, as detectors of before have it.
        hunch: Settings of its hunch; None for none, as until one has been learned.

    Example:
        >>> gaze = Gaze(rows=3, columns=8, cell=(2, 2), width=32, hidden=16, values=15, flags=3)
        >>> gaze(torch.zeros(2 * 96, 32)).shape
        torch.Size([192, 32])
    """

    centres: Tensor

    def __init__(
        self,
        rows: int,
        columns: int,
        cell: Sequence[int],
        width: int,
        hidden: int,
        values: int,
        flags: int,
        story: int = 0,
        hunch: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.rows, self.columns, self.cell = rows, columns, (int(cell[0]), int(cell[1]))
        self._width, self._hidden, self._values, self._flags = width, hidden, values, flags
        self.readout = Readout(rows * self.cell[0] * self.cell[1], width, hidden, values + flags)
        self.register_buffer("centres", torch.linspace(-2, 2, CENTRES).repeat(values, 1))
        places = values * CENTRES + flags
        self.words = nn.Linear(places, width, bias=False)
        # Nothing is added until the decoder has learned what to do with it.
        nn.init.zeros_(self.words.weight)
        self._story = story
        self.story = Story(columns * places, story, width) if story else None
        self.hunch = None if hunch is None else self.new_hunch(**hunch)

    @property
    def settings(self) -> dict[str, Any]:
        """What the constructor takes to build one of this shape."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "cell": list(self.cell),
            "width": self._width,
            "hidden": self._hidden,
            "values": self._values,
            "flags": self._flags,
            **({"story": self._story} if self._story else {}),
            **({"hunch": self.hunch.settings} if self.hunch is not None else {}),
        }

    @property
    def spans(self) -> list[int]:
        """How many of a column's `heights` each number that is read has."""
        return [*[CENTRES - 1] * self._values, *[1] * self._flags]

    def new_hunch(self, hidden: int, members: int, openings: Sequence[str]) -> Hunch:
        """One that reads what this gaze reads, and knows nothing yet."""
        return Hunch(sum(self.spans), self.columns, hidden, members, openings)

    def unwritten(self, seed: int) -> "Gaze":
        """One that reads the same; no decoder knows yet what it tells, and it judges nothing.

        Args:
            seed: Of what it has yet to learn.
        """
        settings = {name: value for name, value in self.settings.items() if name != "hunch"}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = Gaze(**settings)
        found.readout.load_state_dict(self.readout.state_dict())
        found.centres.copy_(self.centres)
        return found

    @property
    def tokens(self) -> int:
        """Of one collage."""
        return self.rows * self.columns * self.cell[0] * self.cell[1]

    @torch.no_grad()
    def calibrate(self, values: NDArray[np.floating[Any]]) -> None:
        """Take the centres from numbers (n, columns, values) as they are to be read; NaN is unknown."""
        each = values.reshape(-1, values.shape[-1]).T
        self.centres.copy_(torch.from_numpy(np.stack([_centres(known) for known in each])))

    def fits(self, viewer: Viewer, width: int, token: int) -> bool:
        """Whether it can read what a viewer shows, of tokens of a width and of so many pixels along a side."""
        cell = (viewer.cell // token, viewer.cell // token) if viewer.cell % token == 0 else None
        shown = (viewer.kind, viewer.frames, cell, width)
        return shown == ("collage", self.columns, self.cell, self._width) and self.rows == len(CAMERAS)

    def read(self, tokens: Tensor) -> Tensor:
        """What is read of collages: (n, columns, values, standardised, then logits of flags).

        Args:
            tokens: Of the vision tower, float (n × `tokens`, width).
        """
        grid = tokens.reshape(-1, self.rows * self.cell[0], self.columns, self.cell[1], tokens.shape[-1])
        out: Tensor = self.readout(grid.permute(0, 2, 1, 3, 4).flatten(2, 3))
        return out

    def forward(self, tokens: Tensor) -> Tensor:
        """The tokens (n × `tokens`, width), each with what is read of its column."""
        # Between centres, finer steps count than bfloat16 has.
        with torch.autocast(tokens.device.type, enabled=False):
            read = self.read(tokens.to(self.words.weight.dtype))
            if self.training and self.story is not None:
                # The readout is surer of the pictures that it was taught on than of any others.
                read = read + NOISE * torch.randn_like(read)
            placed = self._placed(read)
            told: Tensor = self.words(placed)
            if self.story is not None:
                told = told + self.story(placed)[:, None]
        n, columns, width = told.shape
        shape = (n, self.rows * self.cell[0], columns, self.cell[1], width)
        spread = told[:, None, :, None].expand(shape).reshape(-1, width)
        return tokens + spread.to(tokens.dtype)

    @torch.no_grad()
    def guess(self, tokens: Tensor) -> list[Guess] | None:
        """What its hunch makes of collages, by the tower's tokens (n × `tokens`, width); None where it has none."""
        if self.hunch is None:
            return None
        with torch.autocast(tokens.device.type, enabled=False):
            return self.hunch.guesses(self.heights(self.read(tokens.to(self.words.weight.dtype))))

    def heights(self, read: Tensor) -> Tensor:
        """How far each number has come from each centre to the next, 0–1, and each flag's likelihood; by `spans`."""
        along, flags = self._along(read)
        return torch.cat([along.flatten(-2), flags.sigmoid()], dim=-1)

    def _placed(self, read: Tensor) -> Tensor:
        """Each number as weights of the two centres that it lies between, each flag as its likelihood."""
        along, flags = self._along(read)
        # A hat around each centre: up from the one before, down to the one behind.
        ones = torch.ones_like(along[..., :1])
        hats = torch.cat([ones, along], dim=-1) - torch.cat([along, torch.zeros_like(ones)], dim=-1)
        placed: Tensor = torch.cat([hats.flatten(-2), flags.sigmoid()], dim=-1)
        return placed

    def _along(self, read: Tensor) -> tuple[Tensor, Tensor]:
        """How far each number has come from each centre to the next (…, values, CENTRES − 1), and the flags."""
        values, flags = read.split([self._values, self._flags], dim=-1)
        first, last = self.centres[:, 0], self.centres[:, -1]
        values = values.clamp(first, last)[..., None]
        below, above = self.centres[:, :-1], self.centres[:, 1:]
        return ((values - below) / (above - below)).clamp(0, 1), flags


def _centres(values: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Even quantiles, set apart where many values are one."""
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return np.linspace(-2, 2, CENTRES)
    found: NDArray[np.float64] = np.quantile(known, np.linspace(_TAIL, 1 - _TAIL, CENTRES))
    apart = max(float(found[-1] - found[0]), 1e-3) / (4 * CENTRES)
    for place in range(1, CENTRES):
        found[place] = max(found[place], found[place - 1] + apart)
    return found
