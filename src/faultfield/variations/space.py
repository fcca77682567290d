"""The factors that an environment offers, with their ranges."""

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import VariationError
from faultfield.variations.factor import Factor, Value, as_mapping
from faultfield.variations.variation import NOMINAL, Variation


class VariationSpace:
    """Makes, checks, samples and measures variations.

    Args:
        factors: What may vary, in the order in which it is told and encoded.

    Raises:
        VariationError: Two factors share a name.

    Example:
        >>> from faultfield.variations import Categorical, Continuous
        >>> space = VariationSpace([
        ...     Categorical("shape", "Make it a {}.", choices=("cube", "ball")),
        ...     Continuous("light", "Dim the light to {}.", low=0.0, high=2.0, nominal=1.0, percent=True),
        ... ])
        >>> space.variation({"light": 0.4, "shape": "ball"}).text
        'Make it a ball. Dim the light to 40 percent.'
    """

    def __init__(self, factors: Sequence[Factor]) -> None:
        self.factors: Mapping[str, Factor] = as_mapping(factors)

    def __contains__(self, name: object) -> bool:
        return name in self.factors

    def __iter__(self) -> Iterator[Factor]:
        return iter(self.factors.values())

    @property
    def nominal(self) -> Variation:
        """The variation that changes nothing."""
        return NOMINAL

    @property
    def dim(self) -> int:
        """How many numbers `encode` gives."""
        return sum(factor.dim for factor in self)

    def factor(self, name: str) -> Factor:
        """The factor of that name.

        Raises:
            VariationError: There is none; the text names the nearest.
        """
        if name not in self.factors:
            near = difflib.get_close_matches(str(name), self.factors, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else f"; it offers {', '.join(self.factors)}."
            raise VariationError(f"The environment has no factor '{name}'{hint}")
        return self.factors[name]

    def variation(self, values: Mapping[str, object] | None = None) -> Variation:
        """Check values and make a variation of them.

        Raises:
            VariationError: An unknown factor or a value out of range.
        """
        values = values or {}
        for name in values:
            self.factor(name)
        canonical = {name: self.factors[name].canonical(values[name]) for name in self.factors if name in values}
        return Variation(canonical, " ".join(self.factors[n].text(v) for n, v in canonical.items()))

    def validate(self, variation: Variation) -> Variation:
        """The variation itself, once it is known to lie in this space.

        Raises:
            VariationError: It does not.
        """
        return self.variation(variation)

    def changed(self, variation: Variation) -> Variation:
        """The part of a variation that changes anything: a factor set to its nominal value does not."""
        nominal = {name: self.factor(name).encode(None) for name in variation}
        kept = {n: v for n, v in variation.items() if not np.array_equal(self.factor(n).encode(v), nominal[n])}
        return variation if len(kept) == len(variation) else self.variation(kept)

    def look(self, variation: Variation) -> Variation:
        """The part of a variation that changes pictures and nothing else."""
        return self.variation({name: value for name, value in variation.items() if self.factor(name).looks_only})

    def beyond_look(self, variation: Variation) -> Variation:
        """The other part, which changes more than pictures: sizes, masses."""
        return self.variation({name: value for name, value in variation.items() if not self.factor(name).looks_only})

    def seen_as(self, variation: Variation, look: Variation) -> Variation:
        """A variation that looks like another: its own colours, light and camera give way to those of `look`."""
        return self.variation({**self.beyond_look(variation), **self.look(look)})

    def grid(self, count: int, names: Sequence[str] | None = None, order: int = 1) -> list[Variation]:
        """All variations that change exactly `order` factors, about `count` values each and none of them nominal.

        Args:
            count: Values per factor.
            names: Factors to use; all when None.
            order: How many factors change together.
        """
        chosen = [self.factor(name) for name in names] if names is not None else list(self)
        result = []
        for group in itertools.combinations(chosen, order):
            for values in itertools.product(*(factor.grid(count) for factor in group)):
                variation = self.variation({f.name: v for f, v in zip(group, values, strict=True)})
                if len(self.changed(variation)) == order:
                    result.append(variation)
        return result

    def sample(
        self, rng: np.random.Generator, count: int = 1, order: int | None = None, most: int = 3
    ) -> list[Variation]:
        """Draw variations: which factors change at random (`order` of them, else 1 to `most`), then their values."""
        names = list(self.factors)
        result = []
        for _ in range(count):
            size = int(rng.integers(1, min(most, len(names)) + 1)) if order is None else order
            picked = rng.choice(len(names), size=size, replace=False)
            values: dict[str, Value] = {names[i]: self.factors[names[i]].sample(rng) for i in sorted(picked)}
            result.append(self.variation(values))
        return result

    def encode(self, variation: Variation) -> NDArray[np.float64]:
        """The variation as numbers, shape (dim,): every factor's code, nominal ones too."""
        return np.concatenate([factor.encode(variation.get(factor.name)) for factor in self])

    def encode_many(self, variations: Sequence[Variation]) -> NDArray[np.float64]:
        """Codes of many variations, shape (count, dim)."""
        if not variations:
            return np.empty((0, self.dim))
        return np.stack([self.encode(v) for v in variations])

    def distance(self, a: Variation, b: Variation) -> float:
        """Euclidean distance of the codes: 0 for equal variations, about 1 per factor moved over half its range."""
        return float(np.linalg.norm(self.encode(a) - self.encode(b)))
