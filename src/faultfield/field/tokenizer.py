"""Sentences as words, numbers and colours: numbers and colours keep their values, so that near ones stay near."""

import re
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faultfield.variations import color_names, color_rgb

_TOKEN = re.compile(r"-?\d+(?:\.\d+)?|[a-z]+|[%,;:]")
_NUMBER = re.compile(r"-?\d")

_SPECIAL = ("<pad>", "<start>", "<number>", "<color>")
_UNKNOWN = 32
"""Buckets for words that were not in the training sentences."""

_WAVES = tuple(float(w) for w in np.geomspace(0.02, 2000.0, 12))

VALUES = 3 + 2 * len(_WAVES) + 2
"""Numbers that stand beside each token."""


class Tokenizer:
    """Words to indices, with the value of every number and colour beside them.

    Args:
        words: The vocabulary; colour names need not be in it.
        length: Tokens kept at most.
    """

    def __init__(self, words: Sequence[str], length: int = 96) -> None:
        self.words = tuple(words)
        self.length = length
        self._index = {word: len(_SPECIAL) + _UNKNOWN + i for i, word in enumerate(self.words)}
        self._colors = {name: np.array(color_rgb(name)) for name in color_names()}

    @classmethod
    def of(cls, texts: Sequence[str], length: int = 96) -> "Tokenizer":
        """The tokenizer whose vocabulary is the words of `texts`."""
        colors = set(color_names())
        found = {token for text in texts for token in _split(text)}
        return cls(sorted(w for w in found if not _NUMBER.match(w) and w not in colors), length)

    def __len__(self) -> int:
        """How many indices there are."""
        return len(_SPECIAL) + _UNKNOWN + len(self.words)

    def __call__(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """`tokens` int64 (n, length of the longest) and `values` float32 (n, the same, `VALUES`); 0 pads."""
        rows = [_split(text)[: self.length - 1] for text in texts]
        longest = 1 + max((len(row) for row in rows), default=0)
        tokens = np.zeros((len(rows), longest), dtype=np.int64)
        values = np.zeros((len(rows), longest, VALUES), dtype=np.float32)
        tokens[:, 0] = _SPECIAL.index("<start>")
        for i, row in enumerate(rows):
            for j, token in enumerate(row, start=1):
                tokens[i, j], values[i, j] = self._code(token)
        return {"tokens": torch.from_numpy(tokens), "values": torch.from_numpy(values)}

    def _code(self, token: str) -> tuple[int, NDArray[np.float32]]:
        beside = np.zeros(VALUES, dtype=np.float32)
        if _NUMBER.match(token):
            number = float(token)
            phases = 2 * np.pi * number / np.array(_WAVES)
            beside[3:] = [
                *np.sin(phases),
                *np.cos(phases),
                np.tanh(number),
                np.sign(number) * np.log1p(abs(number)) / 5,
            ]
            return _SPECIAL.index("<number>"), beside
        if token in self._colors:
            beside[:3] = 2 * self._colors[token] - 1
            return _SPECIAL.index("<color>"), beside
        # A digest of our own: Python's hash of a string differs from process to process.
        bucket = sum(ord(letter) * 31**i for i, letter in enumerate(token)) % _UNKNOWN
        return self._index.get(token, len(_SPECIAL) + bucket), beside


def _split(text: str) -> list[str]:
    return _TOKEN.findall(text.lower())
