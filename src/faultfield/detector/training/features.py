"""Picture tokens for training: computed in the same pass where the vision tower learns, once where it is frozen.

Once as far as there is room for them: at 7B those of an episode take 3.5 to 11 MB, and of ten thousand episodes more
than most machines have.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from faultfield.detector.opening import Opening
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.memory import large_given_back

_AT_ONCE = 8
"""Rows that are asked for together ahead of a training."""


class Pictures(Protocol):
    """What the vision tower sees, by row of the training data."""

    def opening(self, row: int, pixels: bool = True) -> Opening:
        """The opening of a row; its pixels may be left empty where they are not asked for."""
        ...


class FeatureCache:
    """Picture tokens by row; each row is encoded once and kept in main memory, or each time where there is no room.

    Args:
        pictures: Where patches come from.
        run: Calls a function with the learner, under the wrapper that shards it.
        keep: Whether to keep what was encoded: only with a frozen tower.
        kept: What the same tower encoded before, float (tokens, width) by row; added to where `keep` says so.
        room: Bytes that all tokens which are kept may take, those of before among them; None for as many as it takes.
    """

    def __init__(
        self,
        pictures: Pictures,
        run: Callable[[Callable[[Learner], Any]], Any],
        keep: bool,
        kept: dict[int, Tensor] | None = None,
        room: int | None = None,
    ) -> None:
        self._pictures, self._run, self._keep = pictures, run, keep
        self._kept: dict[int, Tensor] = {} if kept is None or not keep else kept
        self._room = math.inf if room is None else room - sum(tokens.nbytes for tokens in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    @torch.no_grad()
    def of(self, rows: Sequence[int], device: torch.device) -> Tensor:
        """Tokens of several rows, one after another, float (tokens, width), without gradient."""
        missing = list(dict.fromkeys(row for row in rows if row not in self._kept))
        fresh = self._encoded(missing, device) if missing else {}
        out = torch.cat([fresh[row] if row in fresh else self._kept[row].to(device) for row in rows])
        for row, tokens in fresh.items() if self._keep else ():
            if tokens.nbytes <= self._room:
                self._room -= tokens.nbytes
                self._kept[row] = tokens.cpu()
        return out

    def fill(self, rows: Sequence[int], device: torch.device, on_progress: Callable[[int], None]) -> None:
        """Encode what is missing of these rows, some at a time, where it is kept; `on_progress` is told how many are.

        It ends where there is no more room.

        Before a training rather than in the midst of it: the few kilobytes that are kept of each row would come to lie
        between the large tensors of the steps, which then need new memory each time (12 GB after 2000 rows).
        """
        missing = [row for row in rows if row not in self._kept] if self._keep else []
        for start in range(0, len(missing), _AT_ONCE):
            before = len(self)
            self.of(missing[start : start + _AT_ONCE], device)
            if len(self) == before:
                break
            on_progress(min(start + _AT_ONCE, len(missing)))

    def in_parts(self, rows: Sequence[int], device: torch.device) -> Tensor:
        """As `of`, encoding what is missing in such parts as `fill` does."""
        parts = [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]
        return torch.cat([self.of(part, device) for part in parts])

    def _encoded(self, rows: Sequence[int], device: torch.device) -> dict[int, Tensor]:
        # One by one: a processor's matrix products may round by how many rows there are, and what a training that was
        # killed learns must not hang on which others a row is encoded with now. Processes that share out the weights
        # wait for each other at each pass, and keep nothing.
        groups = [[row] for row in rows] if self._keep else [rows]
        fresh: dict[int, Tensor] = {}
        for group in groups:
            fresh |= self._together(group, device)
        return fresh

    def _together(self, rows: Sequence[int], device: torch.device) -> dict[int, Tensor]:
        with large_given_back():
            pixels, grid = self.pixels(rows, device)
            tokens = self._run(lambda learner: learner.see(pixels, grid))
        openings = [self._pictures.opening(row, pixels=False) for row in rows]
        lengths = [int((opening.ids == opening.placeholder).sum()) for opening in openings]
        return dict(zip(rows, torch.split(tokens, lengths), strict=True))

    def pixels(self, rows: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
        """Patches and grids of several rows, one after another."""
        openings = [self._pictures.opening(row) for row in rows]
        pixels = torch.cat([opening.pixels for opening in openings])
        return pixels.to(device), torch.cat([opening.grid for opening in openings]).to(device)
