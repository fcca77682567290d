"""Variation spaces for properties that must hold in any."""

import numpy as np
from hypothesis import strategies as st

from faultfield.rollouts.episode import Episode
from faultfield.variations import Categorical, Color, Continuous, VariationSpace

SPACE = VariationSpace(
    [
        Color("cube_color", "Change the cube color to {}."),
        Continuous("light", "Set the light to {}.", low=0.0, high=2.0, nominal=1.0, percent=True),
        Continuous("camera", "Shift the camera by {}.", low=-0.05, high=0.05, size=3, unit="metres"),
        Categorical("texture", "Cover the table with {}.", choices=("wood", "cork", "steel")),
    ]
)


@st.composite
def spaces(draw):
    """One to five factors of all kinds, ranges down to a hundredth of a unit."""
    factors = []
    for index in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["categorical", "color", "number", "vector"]))
        name, template = f"factor_{index}", "Set it to {}."
        if kind == "categorical":
            choices = tuple(f"choice_{i}" for i in range(draw(st.integers(1, 4))))
            factors.append(Categorical(name, template, choices=choices))
        elif kind == "color":
            factors.append(Color(name, template))
        else:
            low = draw(st.integers(-1000, 1000)) / 100
            high = low + draw(st.integers(1, 1000)) / 100
            size = 0 if kind == "number" else draw(st.integers(1, 3))
            factors.append(Continuous(name, template, low=low, high=high, nominal=low, size=size))
    return VariationSpace(factors)


def episode(variation, failed, seed=0):
    return Episode(variation, seed, not failed, steps=10, policy="p", environment="e", stage="known")


def embed(variations):
    """A fixed random projection of the variations' codes."""
    projection = np.random.default_rng(0).normal(size=(SPACE.dim, 12))
    return (SPACE.encode_many(variations) @ projection).astype(np.float32)
