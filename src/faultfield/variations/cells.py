"""When two failures are the same one: a fixed partition of a variation space into cells.

No search strategy may look at it: it is what their finds are counted with.
"""

from collections.abc import Iterable

import numpy as np

from faultfield.variations.factor import Categorical, Color, Factor, Value
from faultfield.variations.space import VariationSpace
from faultfield.variations.variation import Variation

BRIGHT = 0.5
"""A colour's channel counts as on from here."""

FAR = 0.5
"""From this share of half the range a number counts as far from nominal."""

_AXES = "xyzuvw"


def cell_of(variation: Variation, space: VariationSpace) -> str:
    """The cell that a variation lies in; the nominal variation's is empty.

    One changed factor: the factor and the bin of its value. Several at once: which factors, whatever their values. A
    factor that is set to its nominal value is not changed.

    Raises:
        VariationError: A factor that the space does not have.

    Example:
        >>> from faultfield.variations import Continuous
        >>> space = VariationSpace([Continuous("light", "Set the light to {}.", low=0.0, high=2.0, nominal=1.0)])
        >>> [cell_of(space.variation({"light": light}), space) for light in (0.2, 0.9, 1.9)]
        ['light: far below', 'light: below', 'light: far above']
    """
    names = sorted(space.changed(variation))
    factors = [space.factor(name) for name in names]
    if len(names) == 1:
        return f"{names[0]}: {bin_of(factors[0], variation[names[0]])}"
    return " + ".join(names)


def cells(variations: Iterable[Variation], space: VariationSpace) -> set[str]:
    """The distinct cells of some variations."""
    return {cell_of(variation, space) for variation in variations}


def bin_of(factor: Factor, value: Value) -> str:
    """The bin of a factor's value.

    A category is a bin of its own. Colours fall into eight bins, by which of red, green and blue are at least half on.
    Numbers are told apart by the component that moves most, the side of nominal, and whether it moves by more than half
    of half the range.
    """
    if isinstance(factor, Categorical):
        return str(value)
    if isinstance(factor, Color):
        channels = zip(("red", "green", "blue"), factor.rgb(value), strict=True)
        return " and ".join(name for name, amount in channels if amount >= BRIGHT) or "dark"
    moved = factor.encode(value) - factor.encode(None)
    if not np.any(moved):
        return "nominal"
    axis = int(np.abs(moved).argmax())
    size = "far " if abs(moved[axis]) > FAR else ""
    side = "above" if moved[axis] > 0 else "below"
    return f"{_AXES[axis] if axis < len(_AXES) else axis} {size}{side}" if len(moved) > 1 else f"{size}{side}"
