"""Training data that a tiny model can learn: a picture's first channel tells the outcome, and the reason names it."""

from collections.abc import Sequence

import numpy as np
import torch

from faultfield.detector.opening import Opening
from faultfield.detector.prompts import Said
from tests.detector import tiny


class ToyCourse:
    """`count` samples, every third dense; half of them failed."""

    end = tiny.END
    ends = frozenset({tiny.END})

    def __init__(self, count: int = 12, dense_every: int = 3, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self._failed = rng.permutation(np.arange(count) % 2 == 0)
        self._dense = np.arange(count) % dense_every == 0
        self._seed = seed
        self.seen: list[int] = []
        self._openings: dict[int, Opening] = {}
        self._model = tiny.backbone()

    def __len__(self) -> int:
        return len(self._failed)

    def label(self, row: int) -> bool:
        return bool(self._failed[row])

    def annotated(self, row: int) -> str | None:
        if not self._dense[row]:
            return None
        return "30 31" if self._failed[row] else "33 34 35"

    def words(self, text: str) -> tuple[int, ...]:
        return tuple(int(word) for word in text.split())

    def text(self, words: Sequence[int]) -> str:
        return " ".join(str(word) for word in words)

    def detect(self, row: int, said: Said) -> Sequence[int]:
        return [21, *self._told(said)]

    def reason(self, row: int, said: Said) -> Sequence[int]:
        return [22, *self._told(said)]

    def plain(self, row: int) -> tuple[Sequence[int], Sequence[int]]:
        said = self.words(self.annotated(row) or "")
        return [23], [24, *said, 25, 26 + self.label(row)]

    def captions(self, row: int, draw: int) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        return [([27], self.words("36 37"))]

    def opening(self, row: int, pixels: bool = True) -> Opening:
        if pixels:
            self.seen.append(row)
        if row not in self._openings:
            patches, grid = tiny.picture(1000 * self._seed + row)
            shift = 2.0 if self.label(row) else -2.0
            patches = patches * 0.3 + shift * (torch.arange(patches.shape[1]) < 32)
            words = [8, 9 + row % 3, 10][: 2 + row % 2]
            self._openings[row] = tiny.opening(self._model, words, patches, grid)
        return self._openings[row]

    def _told(self, said: Said) -> list[int]:
        failed = [] if said.failed is None else [16 + said.failed]
        return failed + ([] if said.reason is None else [18, *self.words(said.reason)])
