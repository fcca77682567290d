"""Colours by name. The names are CSS's, as Pillow knows them; `green` is the pure green that simulators mean by it."""

from collections.abc import Sequence

from PIL import ImageColor

from faultfield.errors import VariationError

Rgb = tuple[float, float, float]

# CSS calls (0, 128, 0) green and (0, 255, 0) lime; robotics papers and simulators call (0, 1, 0) green.
_OVERRIDES: dict[str, Rgb] = {"green": (0.0, 1.0, 0.0)}


def color_names() -> list[str]:
    """All colour names, sorted."""
    return sorted(set(ImageColor.colormap) | set(_OVERRIDES))


def color_rgb(value: str | Sequence[float]) -> Rgb:
    """Red, green and blue in 0–1 of a colour name or of three numbers.

    Raises:
        VariationError: An unknown name, or not three numbers in 0–1.
    """
    if isinstance(value, str):
        name = value.lower()
        if name in _OVERRIDES:
            return _OVERRIDES[name]
        if name not in ImageColor.colormap:
            raise VariationError(f"'{value}' is not a colour name; use a CSS name or [r, g, b] in 0–1.")
        r, g, b = ImageColor.getrgb(name)[:3]
        return (round(r / 255, 4), round(g / 255, 4), round(b / 255, 4))
    numbers = tuple(float(v) for v in value)
    if len(numbers) != 3 or not all(0.0 <= v <= 1.0 for v in numbers):
        raise VariationError(f"A colour is a CSS name or [r, g, b] in 0–1, not {list(value)}.")
    return numbers


def nearest_name(rgb: Sequence[float]) -> tuple[str, float]:
    """The basic colour name nearest to `rgb` and its distance (Euclidean, RGB in 0–1)."""
    distances = {name: sum((a - b) ** 2 for a, b in zip(color_rgb(name), rgb, strict=True)) ** 0.5 for name in _BASIC}
    name = min(distances, key=distances.__getitem__)
    return name, distances[name]


_BASIC = (
    "black", "white", "gray", "lightgray", "dimgray", "red", "darkred", "green", "darkgreen", "blue", "navy", "cyan",
    "teal", "magenta", "purple", "violet", "yellow", "olive", "orange", "brown", "tan", "beige", "pink", "gold",
)  # fmt: skip
