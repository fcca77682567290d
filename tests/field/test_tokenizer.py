import numpy as np
import pytest

from faultfield.field.tokenizer import VALUES, Tokenizer
from faultfield.variations import color_names

TOKENIZER = Tokenizer.of(["Change the cube color to red.", "Dim the light to 40 percent."])


def values_of(text: str) -> np.ndarray:
    return TOKENIZER([text])["values"].numpy()[0, 1]


def test_every_css_colour_is_one_token_that_carries_its_own_rgb() -> None:
    seen = {tuple(values_of(name)[:3]) for name in color_names()}
    tokens = TOKENIZER(list(color_names()))["tokens"].numpy()
    assert tokens.shape[1] == 2
    assert len(set(tokens[:, 1])) == 1
    # Some names are synonyms (gray and grey, aqua and cyan); the others differ.
    assert len(seen) > 0.85 * len(color_names())
    np.testing.assert_allclose(values_of("red")[:3], [1.0, -1.0, -1.0])
    np.testing.assert_allclose(values_of("gray"), values_of("grey"))


def test_near_numbers_have_near_values_and_signs_count() -> None:
    near = np.linalg.norm(values_of("40") - values_of("41"))
    far = np.linalg.norm(values_of("40") - values_of("80"))
    assert 0 < near < far
    assert np.linalg.norm(values_of("0.03") - values_of("-0.03")) > 0.1
    assert values_of("-0.03").shape == (VALUES,)


def test_case_and_full_stops_do_not_matter() -> None:
    one, two = TOKENIZER(["Dim the light to 40 percent."]), TOKENIZER(["dim the LIGHT to 40 percent"])
    assert one["tokens"].tolist() == two["tokens"].tolist()


def test_unknown_words_have_a_token_and_stay_apart_from_known_ones() -> None:
    known = set(TOKENIZER(["change the cube color to dim light percent"])["tokens"].flatten().tolist())
    unknown = TOKENIZER(["zebra"])["tokens"][0, 1].item()
    assert unknown not in known
    assert 0 < unknown < len(TOKENIZER)


@pytest.mark.parametrize("count", [0, 1, 500])
def test_texts_of_any_length_are_cut_and_padded(count: int) -> None:
    tokens = TOKENIZER(["light " * count, "the"])["tokens"]
    assert tokens.shape == (2, min(max(count, 1) + 1, TOKENIZER.length))
    assert (tokens[1, 2:] == 0).all()
