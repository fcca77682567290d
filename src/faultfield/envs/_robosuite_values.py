"""The kinds of factor that only robosuite's tasks have."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from faultfield.variations import Continuous, Factor, Value

TEXTURES = (
    "checker", "red-wood", "green-wood", "blue-wood", "dark-wood", "light-wood", "wood-tiles", "white-bricks",
    "yellow-plaster", "pink-plaster", "steel-brushed", "steel-scratched", "brass-ambra", "gray-felt", "dirt", "clay",
)  # fmt: skip
"""Table textures: MuJoCo's built-in checker and images that robosuite ships."""


@dataclass(frozen=True)
class BoxSize(Factor):
    """The size of a box: a plain number scales it, three numbers are its half-sizes in metres.

    Attributes:
        half_size: Nominal half-size of the (cubic) box, metres.
        low, high: Range of every half-size, metres.
    """

    half_size: float = 0.021
    low: float = 0.005
    high: float = 0.045

    def half_sizes(self, value: Value) -> tuple[float, float, float]:
        """The three half-sizes in metres that a canonical value means."""
        if isinstance(value, tuple):
            return value  # type: ignore[return-value]
        side = float(value) * self.half_size
        return (side, side, side)

    def _in_range(self, side: float) -> bool:
        # Scales are told with four decimals, so the ends may be missed by a hundredth of a millimetre.
        return self.low - 1e-5 <= side <= self.high + 1e-5

    @property
    def dim(self) -> int:
        """One number an axis."""
        return 3

    def canonical(self, value: object) -> Value:
        """A scale as a float, or three half-sizes as a tuple."""
        if isinstance(value, Real) and not isinstance(value, bool):
            scale = float(value)
            if self._in_range(scale * self.half_size):
                return scale
        elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 3:
            sides = [float(v) for v in value if isinstance(v, Real) and not isinstance(v, bool)]
            if len(sides) == 3 and all(self._in_range(side) for side in sides):
                return tuple(sides)
        scales = f"a scale from {self.low / self.half_size:.3g} to {self.high / self.half_size:.3g}"
        raise self._refuse(value, f"{scales}, or three half-sizes from {self.low:g} to {self.high:g} m")

    def encode(self, value: Value | None) -> NDArray[np.float64]:
        """Relative change of each half-size, shape (3,); nominal is zero."""
        return np.zeros(3) if value is None else np.array(self.half_sizes(value)) / self.half_size - 1.0

    def sample(self, rng: np.random.Generator) -> Value:
        """A scale, uniform in the range."""
        return round(float(rng.uniform(self.low, self.high)) / self.half_size, 4)

    def grid(self, count: int) -> list[Value]:
        """Scales from the smallest to the largest."""
        return [round(float(s) / self.half_size, 4) for s in np.linspace(self.low, self.high, count)]

    def describe(self, value: Value) -> str:
        """A scale in percent, or the full edge lengths in centimetres."""
        if isinstance(value, tuple):
            return " by ".join(f"{200 * float(side):.3g}" for side in value) + " centimetres"
        return f"{100 * float(value):.4g} percent"


@dataclass(frozen=True)
class Direction(Continuous):
    """A direction in space: three numbers of which at least one is not zero; only where it points matters."""

    def canonical(self, value: object) -> Value:
        """The three numbers as given."""
        numbers = super().canonical(value)
        if math.hypot(*numbers) < 1e-3:  # type: ignore[misc]
            raise self._refuse(value, "three numbers that point somewhere")
        return numbers

    def encode(self, value: Value | None) -> NDArray[np.float64]:
        """Difference of the unit vectors, shape (3,)."""
        nominal = np.asarray(self.nominal, dtype=np.float64)
        chosen = nominal if value is None else np.asarray(value, dtype=np.float64)
        return np.asarray(chosen / np.linalg.norm(chosen) - nominal / np.linalg.norm(nominal), dtype=np.float64)
