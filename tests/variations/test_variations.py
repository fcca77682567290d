"""Variations: canonical values, English, keys, spaces. Checked against closed forms and by property."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultfield.errors import VariationError
from faultfield.variations import NOMINAL, Categorical, Color, Continuous, Variation, VariationSpace, color_rgb


@pytest.fixture(scope="module")
def space() -> VariationSpace:
    return VariationSpace(
        [
            Color("cube_color", "Change the cube color to {}.", nominal=(0.7, 0.1, 0.1)),
            Continuous("light", "Dim the light to {}.", low=0.0, high=2.0, nominal=1.0, percent=True),
            Continuous("shift", "Shift the camera by {}.", low=-0.1, high=0.1, size=3, unit="m"),
            Continuous("size", "Resize to {}.", low=0.01, high=2.0, nominal=1.0, size=3),
            Categorical("texture", "Cover the table with {}.", choices=("light-wood", "tiles")),
            Continuous("mass", "Scale the mass to {}.", low=0.1, high=10.0, nominal=1.0, percent=True, visible=False),
        ]
    )


def test_text_is_built_in_the_order_of_the_space(space: VariationSpace) -> None:
    variation = space.variation({"light": 0.4, "cube_color": "red"})
    assert variation.text == "Change the cube color to red. Dim the light to 40 percent."


def test_text_of_vectors_names_and_numeric_colors(space: VariationSpace) -> None:
    assert space.variation({"shift": [0, 0.02, 0]}).text == "Shift the camera by 0 by 0.02 by 0 m."
    assert space.variation({"texture": "light-wood"}).text == "Cover the table with light wood."
    assert space.variation({"cube_color": [0, 0, 1]}).text == "Change the cube color to blue."
    assert "green (red, green, blue 10, 80, 5 percent)" in space.variation({"cube_color": [0.1, 0.8, 0.05]}).text
    assert NOMINAL.text == "Change nothing."


def test_key_is_stable_across_machines_and_orders(space: VariationSpace) -> None:
    a = space.variation({"light": 0.4, "cube_color": "red"})
    b = space.variation({"cube_color": "RED", "light": np.float32(0.5)})
    assert a.key == hashlib.sha256(b'{"cube_color":"red","light":0.4}').hexdigest()[:16]
    assert a == Variation({"light": 0.4, "cube_color": "red"})
    assert (b["cube_color"], b["light"]) == ("red", 0.5)
    assert len({a, space.variation(a), NOMINAL}) == 2


def test_yaml_and_python_spell_the_same_variation(space: VariationSpace) -> None:
    assert space.variation({"light": 1}).key == space.variation({"light": 1.0}).key
    assert space.variation({"shift": [0, 0, 0.05]}).key == space.variation({"shift": (0.0, 0.0, 0.05)}).key
    assert space.variation(space.variation({"shift": [0, 0, 0.05]}).to_json()) == space.variation(
        {"shift": [0, 0, 0.05]}
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cube_colour": "red"}, "did you mean 'cube_color'"),
        ({"zzz": 1}, "no factor 'zzz'"),
        ({1: 2}, "no factor '1'"),
        ({"cube_color": "reddish"}, "not a colour name"),
        ({"cube_color": [0, 0, 1.5]}, "0–1"),
        ({"cube_color": [0, 0]}, "0–1"),
        ({"cube_color": 3}, "a colour name"),
        ({"light": 2.5}, "from 0 to 2"),
        ({"light": "dark"}, "a number"),
        ({"light": float("nan")}, "from 0 to 2"),
        ({"light": True}, "a number"),
        ({"shift": 0.02}, "3 numbers"),
        ({"shift": [0.5, 0, 0]}, "3 numbers from -0.1 to 0.1 m"),
        ({"texture": "marble"}, "one of light-wood, tiles"),
        ({"texture": ["tiles"]}, "one of"),
        ({"cube_color": None}, "a colour name"),
    ],
)
def test_what_a_factor_does_not_take_is_refused_in_one_sentence(
    space: VariationSpace, values: dict[str, object], message: str
) -> None:
    with pytest.raises(VariationError, match=message) as caught:
        space.variation(values)
    assert "\n" not in str(caught.value)


def test_encode_is_zero_at_nominal_and_scaled_by_the_range(space: VariationSpace) -> None:
    nominal = space.encode(NOMINAL)
    assert nominal.shape == (space.dim,) == (4 + 1 + 3 + 3 + 2 + 1,)
    np.testing.assert_allclose(nominal, [0, 0.7, 0.1, 0.1] + [0] * 10)
    np.testing.assert_allclose(space.encode(space.variation({"light": 0.5}))[4], -0.5)
    np.testing.assert_allclose(space.encode(space.variation({"size": [1.5] * 3}))[8:11], [0.5 / 0.995] * 3)
    assert space.encode_many([]).shape == (0, space.dim)


def test_distance_is_a_metric_on_codes(space: VariationSpace) -> None:
    a, b = space.variation({"light": 0.5}), space.variation({"light": 1.5})
    assert space.distance(a, b) == pytest.approx(1.0)
    assert space.distance(a, a) == 0.0


@given(seed=st.integers(0, 2**32 - 1))
def test_samples_lie_in_the_space_and_repeat_by_seed(space: VariationSpace, seed: int) -> None:
    drawn = space.sample(np.random.default_rng(seed), count=3)
    assert drawn == space.sample(np.random.default_rng(seed), count=3)
    for variation in drawn:
        assert 1 <= len(variation) <= 3
        assert space.validate(variation) == variation
        assert np.isfinite(space.encode(variation)).all()
        assert variation.text.count(".") >= len(variation)


def test_grid_covers_single_factors_and_pairs(space: VariationSpace) -> None:
    singles = space.grid(3, names=["light", "texture"])
    assert [v.to_json() for v in singles] == [
        {"light": 0.0}, {"light": 2.0}, {"texture": "light-wood"}, {"texture": "tiles"},
    ], "light at 1.0 changes nothing"  # fmt: skip
    assert len(space.grid(2, names=["light", "texture"], order=2)) == 4
    assert len(space.grid(3, names=["light", "texture"], order=2)) == 4
    assert len(space.grid(3, names=["shift"])) == 6


def test_two_factors_of_one_name_are_refused() -> None:
    with pytest.raises(VariationError, match="same name"):
        VariationSpace([Categorical("a", "{}", choices=("x",)), Categorical("a", "{}", choices=("y",))])


def test_color_names_are_css_but_green_is_the_simulators() -> None:
    assert color_rgb("green") == (0.0, 1.0, 0.0)
    assert color_rgb("tan") == pytest.approx((210 / 255, 180 / 255, 140 / 255), abs=1e-4)


def test_a_look_is_what_pictures_alone_tell() -> None:
    space = VariationSpace([
        Color("cup_color", "Make the cup {}.", nominal=(1.0, 0.0, 0.0)),
        Continuous("light", "Dim to {}.", low=0.1, high=2.0, nominal=1.0, looks_only=True),
        Continuous("size", "Scale to {}.", low=0.5, high=2.0, nominal=1.0),
    ])  # fmt: skip
    small_and_blue = space.variation({"size": 0.5, "cup_color": "blue"})
    assert dict(space.look(small_and_blue)) == {"cup_color": "blue"}
    dark_and_big = space.variation({"light": 0.2, "size": 2.0})
    assert dict(space.seen_as(small_and_blue, dark_and_big)) == {"size": 0.5, "light": 0.2}
    assert space.seen_as(small_and_blue, small_and_blue) == small_and_blue
