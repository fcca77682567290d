"""What may change in an environment, as pure data: factors, variations, the space of them."""

from faultfield.variations.colors import color_names, color_rgb
from faultfield.variations.factor import Categorical, Color, Continuous, Factor, Value
from faultfield.variations.space import VariationSpace
from faultfield.variations.variation import NOMINAL, Variation

__all__ = [
    "NOMINAL", "Categorical", "Color", "Continuous", "Factor", "Value", "Variation", "VariationSpace", "color_names",
    "color_rgb",
]  # fmt: skip
