"""The partition that finds are counted with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.errors import VariationError
from faultfield.variations import NOMINAL, Categorical, Color, Continuous, Variation, VariationSpace
from faultfield.variations.cells import cell_of, cells

SPACE = VariationSpace([
    Color("cup", "Change the cup color to {}."),
    Continuous("light", "Set the light to {}.", low=0.0, high=4.0, nominal=1.0),
    Continuous("camera", "Shift the camera by {}.", low=-0.1, high=0.1, size=3),
    Categorical("texture", "Cover the table with {}.", choices=("wood", "cork")),
])  # fmt: skip


@pytest.mark.parametrize(
    ("values", "cell"),
    [
        ({"texture": "cork"}, "texture: cork"),
        ({"cup": [0.9, 0.1, 0.6]}, "cup: red and blue"),
        ({"cup": "black"}, "cup: dark"),
        ({"light": 0.1}, "light: below"),
        ({"light": 1.9}, "light: above"),
        ({"light": 2.1}, "light: far above"),
        ({"camera": [0.01, -0.04, 0.0]}, "camera: y below"),
        ({"camera": [0.01, 0.0, 0.08]}, "camera: z far above"),
        ({"light": 0.1, "cup": "red"}, "cup + light"),
        ({"cup": "blue", "light": 3.0}, "cup + light"),
        ({}, ""),
        ({"light": 1.0}, ""),
        ({"light": 1.0, "camera": [0.0, 0.0, 0.0], "texture": "cork"}, "texture: cork"),
    ],
)
def test_cells(values, cell):
    assert cell_of(SPACE.variation(values), SPACE) == cell


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_single_factors_and_pairs_never_share_a_cell(seed):
    rng = np.random.default_rng(seed)
    for variation in SPACE.sample(rng, 5):
        assert ("+" in cell_of(variation, SPACE)) == (len(variation) > 1)
        for name in variation:
            assert name in cell_of(variation, SPACE)


def test_the_same_cell_is_counted_once():
    found = [SPACE.variation({"light": light}) for light in (0.1, 0.2, 3.0)]
    assert cells([*found, NOMINAL], SPACE) == {"light: below", "light: far above", ""}


def test_a_factor_of_another_space_is_refused():
    with pytest.raises(VariationError, match="no factor 'wind'"):
        cell_of(Variation({"wind": 1.0}), SPACE)
