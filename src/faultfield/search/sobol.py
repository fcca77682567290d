"""Sobol search: a scrambled low-discrepancy sequence over which factors change and to what."""

import itertools
import math
from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.rollouts.episode import Episode
from faultfield.search._fresh import Fresh
from faultfield.search.base import Strategy
from faultfield.variations import Categorical, Color, Continuous, Factor, Value, Variation, VariationSpace

Floats = NDArray[np.float64]

_BLOCK = 64


class SobolSearch(Strategy):
    """Covers the space more evenly than chance (Sobol 1967, scrambled after Owen 1998; scipy's).

    The first coordinate chooses which factors change: every size from one to `order` has an equal share, every group of
    factors an equal share of its size's. The others give the changed factors' values, slot by slot.

    Args:
        space: Every proposal lies in it.
        seed: Of the scrambling.
        order: How many factors change together at most.

    Example:
        >>> from faultfield.variations import Continuous
        >>> space = VariationSpace([Continuous("light", "Set the light to {}.", low=0.0, high=2.0)])
        >>> values = sorted(v["light"] for v in SobolSearch(space, seed=1).ask(4))
        >>> [int(value // 0.5) for value in values]
        [0, 1, 2, 3]
    """

    def __init__(self, space: VariationSpace, seed: int = 0, order: int = 3) -> None:
        from scipy.stats import qmc

        super().__init__(space, seed)
        factors = list(space)
        sizes = range(1, min(order, len(factors)) + 1)
        self._groups = [list(itertools.combinations(factors, size)) for size in sizes]
        self._slot = max(coordinates(factor) for factor in factors)
        self._sequence: Any = qmc.Sobol(1 + self._slot * len(self._groups), scramble=True, seed=seed)
        self._left: list[Floats] = []
        self._fresh = Fresh(self._draw)

    def ask(self, count: int) -> list[Variation]:
        """The next `count` of the sequence, without those proposed before while the space has any left."""
        return self._fresh.take(count)

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Learns nothing: the sequence is fixed by the seed."""

    def _draw(self, count: int) -> list[Variation]:
        # Whole blocks of a power of two, in which alone the sequence is balanced.
        while len(self._left) < count:
            self._left.extend(self._sequence.random(_BLOCK))
        points, self._left = self._left[:count], self._left[count:]
        return [self._variation(point) for point in points]

    def _variation(self, point: Floats) -> Variation:
        size, rest = _split(float(point[0]), len(self._groups))
        group = self._groups[size][_split(rest, len(self._groups[size]))[0]]
        slots = point[1:].reshape(-1, self._slot)
        return self.space.variation({f.name: from_unit(f, slot) for f, slot in zip(group, slots, strict=False)})


@singledispatch
def coordinates(factor: Factor) -> int:
    """How many coordinates `from_unit` reads for this factor."""
    return 1


@coordinates.register
def _(factor: Color) -> int:
    return 3


@coordinates.register
def _(factor: Continuous) -> int:
    return factor.dim


@singledispatch
def from_unit(factor: Factor, point: Floats) -> Value:
    """The factor's value at a point of the unit cube, of at least `coordinates(factor)` numbers.

    A kind of factor that is not known here is sampled with the point as its seed: still inside, still repeatable.
    """
    return factor.sample(np.random.default_rng(int(point[0] * 2**53)))


@from_unit.register
def _(factor: Categorical, point: Floats) -> Value:
    return factor.choices[_split(float(point[0]), len(factor.choices))[0]]


@from_unit.register
def _(factor: Color, point: Floats) -> Value:
    return tuple(round(float(p), 3) for p in point[:3])


@from_unit.register
def _(factor: Continuous, point: Floats) -> Value:
    raw = factor.low + (factor.high - factor.low) * point[: factor.dim]
    numbers = [float(v) for v in np.clip(np.round(raw, 4), factor.low, factor.high)]
    return numbers[0] if factor.size == 0 else tuple(numbers)


def _split(position: float, parts: int) -> tuple[int, float]:
    """Which of `parts` equal parts of 0–1 the position lies in, and where in it, again in 0–1."""
    index = min(math.floor(position * parts), parts - 1)
    return index, position * parts - index
