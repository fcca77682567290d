"""Tokens drawn from next-token distributions by given uniform numbers, and how sure the distributions are."""

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

_BLOCK = 256
"""Weights summed at once before double precision takes over: a vocabulary has 150,000."""


class Choices:
    """Next-token distributions behind some nodes, ready to be drawn from many times.

    Args:
        logits: Raw, float (n, vocabulary).
        temperature: For draws, the logits are divided by it; 0 takes the likeliest token.
    """

    def __init__(self, logits: Tensor, temperature: float) -> None:
        self.logits, self._temperature = logits.float(), temperature
        self._largest = self.logits.amax(dim=-1, keepdim=True)
        if temperature:
            self._blocks = self._weights(self.logits, self._largest).sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)

    @cached_property
    def entropies(self) -> list[float]:
        """Of each distribution at temperature 1, nats."""
        found: list[float] = entropy(self.logits).tolist()
        return found

    def draw(self, rows: Sequence[int], uniforms: Sequence[float]) -> list[int]:
        """The token of a row that each uniform number falls on, by inversion of the distribution function.

        The number decides, not the order of the draws: whatever is read ahead, in a batch or one by one, the same
        token comes out.

        Args:
            rows: Which distributions, n of them; one may come up more than once.
            uniforms: In [0, 1), n.
        """
        index = torch.tensor(rows, device=self.logits.device)
        drawn = self._inverted(index, uniforms) if self._temperature else self.logits.argmax(dim=-1)[index]
        tokens: list[int] = drawn.tolist()
        return tokens

    def _inverted(self, index: Tensor, uniforms: Sequence[float]) -> Tensor:
        """First the block that each number falls into, then the token within it."""
        blocks = self._blocks[index]
        numbers = torch.tensor(uniforms, dtype=torch.float64, device=blocks.device)[:, None]
        wanted = _below(numbers * blocks[:, -1:], blocks[:, -1:])
        block = (blocks <= wanted).sum(dim=-1, keepdim=True)
        before = torch.where(block > 0, blocks.gather(-1, (block - 1).clamp(min=0)), 0.0)
        places = block * _BLOCK + torch.arange(_BLOCK, device=blocks.device)
        inside = self.logits[index[:, None], places.clamp(max=self.logits.shape[1] - 1)]
        inside = inside.masked_fill(places >= self.logits.shape[1], -torch.inf)
        sums = self._weights(inside, self._largest[index])[:, 0].double().cumsum(dim=-1)
        place = (sums <= _below(wanted - before, sums[:, -1:])).sum(dim=-1)
        return block[:, 0] * _BLOCK + place

    def _weights(self, logits: Tensor, largest: Tensor) -> Tensor:
        """Not normalised, float (n, blocks, block)."""
        padded = torch.nn.functional.pad(logits, (0, -logits.shape[-1] % _BLOCK), value=-torch.inf)
        blocks: Tensor = ((padded - largest) / self._temperature).exp().unflatten(-1, (-1, _BLOCK))
        return blocks


def _below(numbers: Tensor, bounds: Tensor) -> Tensor:
    """Where rounding carried a number to its bound, the next below: beyond lie tokens of no weight."""
    return torch.minimum(numbers, torch.nextafter(bounds, torch.zeros_like(bounds)))


def entropy(logits: Tensor) -> Tensor:
    """Entropy of each distribution, nats, float (n,), of raw logits (n, classes)."""
    shifted = logits.float() - logits.amax(dim=-1, keepdim=True)
    weights = shifted.exp()
    total = weights.sum(dim=-1)
    # A token that is ruled out has a logit of −∞ and adds nothing.
    return total.log() - (weights * shifted.clamp(min=torch.finfo(shifted.dtype).min)).sum(dim=-1) / total


def binary_entropy(probability: float) -> float:
    """Entropy of a yes or no, nats, 0 to ln 2."""
    return -sum(p * math.log(p) for p in (probability, 1.0 - probability) if p > 0.0)


def log_odds(logits: Tensor) -> list[float]:
    """Of the second class against the first, of raw logits (n, 2)."""
    raw = logits.float()
    found: list[float] = (raw[:, 1] - raw[:, 0]).tolist()
    return found
