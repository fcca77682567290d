"""One thing that can vary: what values it takes, how they are written as numbers, and how they are said in English."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import VariationError
from faultfield.variations.colors import color_rgb, nearest_name

Value = str | float | tuple[float, ...]
"""A factor's value in canonical form: a name, a number, or a tuple of numbers."""


@dataclass(frozen=True)
class Factor(ABC):
    """What can vary, by name.

    Attributes:
        name: Identifier, for instance `cube_color`.
        template: An English sentence with `{}` for the value ("Change the cube color to {}.").
        unit: Of its numbers; empty where there is none.
        visible: False where the camera cannot see it (friction, mass): then no picture can tell it apart.
        looks_only: True where pictures change and nothing else (colours, light, camera): what was done under one value
            can be pictured under any other. Sizes change what must be done as well.
    """

    name: str
    template: str
    unit: str = field(default="", kw_only=True)
    visible: bool = field(default=True, kw_only=True)
    looks_only: bool = field(default=False, kw_only=True)

    @property
    @abstractmethod
    def dim(self) -> int:
        """How many numbers `encode` gives."""

    @abstractmethod
    def canonical(self, value: object) -> Value:
        """`value` in the one form that this factor keeps.

        Raises:
            VariationError: This factor does not take the value.
        """

    @abstractmethod
    def encode(self, value: Value | None) -> NDArray[np.float64]:
        """Numbers of shape (dim,), roughly in −1–1, nominal (`None`) first among equals; near values lie near."""

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> Value:
        """A value drawn over the whole range."""

    @abstractmethod
    def grid(self, count: int) -> list[Value]:
        """About `count` values that cover the range evenly."""

    @abstractmethod
    def describe(self, value: Value) -> str:
        """The value in words, to stand in the template."""

    def text(self, value: Value) -> str:
        """The English sentence for the value."""
        return self.template.format(self.describe(value))

    def _refuse(self, value: object, wanted: str) -> VariationError:
        return VariationError(f"The factor '{self.name}' takes {wanted}, not {value!r}.")


@dataclass(frozen=True)
class Categorical(Factor):
    """One of a few names, encoded one-hot (all zeros is nominal)."""

    choices: tuple[str, ...] = ()

    @property
    def dim(self) -> int:
        """One number per choice."""
        return len(self.choices)

    def canonical(self, value: object) -> Value:
        """The name itself, if it is among the choices."""
        if not isinstance(value, str) or value not in self.choices:
            raise self._refuse(value, f"one of {', '.join(self.choices)}")
        return value

    def encode(self, value: Value | None) -> NDArray[np.float64]:
        """One-hot, shape (number of choices,)."""
        return np.array([float(value == choice) for choice in self.choices])

    def sample(self, rng: np.random.Generator) -> Value:
        """A choice, each as likely."""
        return self.choices[int(rng.integers(len(self.choices)))]

    def grid(self, count: int) -> list[Value]:
        """The first `count` choices."""
        return list(self.choices[:count])

    def describe(self, value: Value) -> str:
        """The name, with spaces for underscores."""
        return str(value).replace("_", " ").replace("-", " ")


@dataclass(frozen=True)
class Color(Factor):
    """A colour by name or as red, green, blue in 0–1.

    Attributes:
        nominal: The colour that stands nearest to the nominal look, the origin of `encode`.
        names: What `grid` offers.
        looks_only: True unless told otherwise.
    """

    looks_only: bool = field(default=True, kw_only=True)
    nominal: tuple[float, float, float] = (0.5, 0.5, 0.5)
    names: tuple[str, ...] = ("red", "green", "blue", "gray", "black", "white", "yellow", "cyan", "magenta", "orange",
                              "purple", "brown", "tan", "pink", "olive", "teal")  # fmt: skip

    @property
    def dim(self) -> int:
        """Whether it was changed at all, and red, green, blue."""
        return 4

    def canonical(self, value: object) -> Value:
        """The lower-case name, or three numbers."""
        if isinstance(value, str):
            color_rgb(value)
            return value.lower()
        if isinstance(value, Sequence) and all(isinstance(v, Real) for v in value):
            return tuple(round(v, 6) for v in color_rgb([float(v) for v in value]))
        raise self._refuse(value, "a colour name or [r, g, b] in 0–1")

    def rgb(self, value: Value) -> tuple[float, float, float]:
        """Red, green, blue in 0–1 of a canonical value."""
        if isinstance(value, float):
            raise self._refuse(value, "a colour name or [r, g, b] in 0–1")
        return color_rgb(value)

    def encode(self, value: Value | None) -> NDArray[np.float64]:
        """(changed, red, green, blue), shape (4,); nominal is (0, its own colour)."""
        return np.array([0.0, *self.nominal]) if value is None else np.array([1.0, *self.rgb(value)])

    def sample(self, rng: np.random.Generator) -> Value:
        """Red, green, blue uniform in 0–1."""
        return tuple(round(float(v), 3) for v in rng.uniform(size=3))

    def grid(self, count: int) -> list[Value]:
        """The first `count` names."""
        return list(self.names[:count])

    def describe(self, value: Value) -> str:
        """The name; for numbers the nearest basic name and the percentages."""
        if isinstance(value, str):
            return value
        rgb = self.rgb(value)
        name, distance = nearest_name(rgb)
        parts = ", ".join(f"{100 * v:.0f}" for v in rgb)
        return name if distance < 0.01 else f"{name} (red, green, blue {parts} percent)"


@dataclass(frozen=True)
class Continuous(Factor):
    """A number, or a vector of `size` numbers, each in `low`–`high`.

    Attributes:
        low, high: The range, ends included.
        nominal: The value that changes nothing (the same for every component, or one for each).
        size: 0 for a plain number, else the length of the vector.
        percent: Say the number as a percentage.
    """

    low: float = 0.0
    high: float = 1.0
    nominal: float | tuple[float, ...] = 0.0
    size: int = 0
    percent: bool = False

    @property
    def dim(self) -> int:
        """One number per component."""
        return max(self.size, 1)

    def canonical(self, value: object) -> Value:
        """A float, or a tuple of `size` floats."""
        if self.size == 0:
            return self._number(value)
        if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != self.size:
            raise self._refuse(value, self._wanted())
        return tuple(self._number(v) for v in value)

    def encode(self, value: Value | None) -> NDArray[np.float64]:
        """(value − nominal) / half the range, per component, shape (dim,)."""
        numbers = self.nominal if value is None else value
        array = np.broadcast_to(np.asarray(numbers, dtype=np.float64), (self.dim,))
        half_range = 0.5 * (self.high - self.low)
        return np.asarray((array - np.asarray(self.nominal)) / half_range)

    def sample(self, rng: np.random.Generator) -> Value:
        """Uniform in the range, per component."""
        numbers = [self._round(v) for v in rng.uniform(self.low, self.high, size=self.dim)]
        return numbers[0] if self.size == 0 else tuple(numbers)

    def grid(self, count: int) -> list[Value]:
        """`count` values from `low` to `high`; of a vector, one component at a time."""
        numbers = [self._round(v) for v in np.linspace(self.low, self.high, count)]
        if self.size == 0:
            return list(numbers)
        origin = np.broadcast_to(np.asarray(self.nominal, dtype=np.float64), (self.size,))
        values: list[Value] = []
        for axis in range(self.size):
            for number in numbers:
                vector = origin.copy()
                vector[axis] = number
                values.append(tuple(float(v) for v in vector))
        return values

    def describe(self, value: Value) -> str:
        """The number with its unit, or the components joined by "by"."""
        if isinstance(value, tuple):
            return " by ".join(self._say(v) for v in value) + (f" {self.unit}" if self.unit else "")
        return self._say(value) + (" percent" if self.percent else f" {self.unit}" if self.unit else "")

    def _round(self, number: float) -> float:
        """Four decimals, but never past an end of the range that has more."""
        return min(max(round(float(number), 4), self.low), self.high)

    def _say(self, value: object) -> str:
        number = float(value)  # type: ignore[arg-type]
        return f"{100 * number:.4g}" if self.percent else f"{number:.4g}"

    def _number(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, Real):
            raise self._refuse(value, self._wanted())
        number = float(value)
        if not self.low <= number <= self.high:
            raise self._refuse(value, self._wanted())
        return number + 0.0  # no negative zero: equal values have equal keys

    def _wanted(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        span = f"{self.low:g} to {self.high:g}{unit}"
        if self.size == 0:
            return f"a number from {span}"
        return f"{self.size} numbers from {span}"


def as_mapping(factors: Sequence[Factor]) -> Mapping[str, Factor]:
    """The factors by name.

    Raises:
        VariationError: Two of them have the same name.
    """
    named = {factor.name: factor for factor in factors}
    if len(named) != len(factors):
        raise VariationError("Two factors of one variation space have the same name.")
    return named
