import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.detector import pocket
from faultfield.errors import DetectorError
from tests.detector import armor


@given(st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_tokenizer_can_spell_anything(text: str) -> None:
    words = armor.detector().scribe.tokenizer
    # Qwen's tokenizers compose characters.
    import unicodedata

    assert words.decode(words(text)["input_ids"]) == unicodedata.normalize("NFC", text)


def test_sentences_become_words() -> None:
    sentence = "The gripper went too far to the left while approaching the cube."
    words = pocket.tokenizer([sentence] * 4)
    assert len(words(sentence)["input_ids"]) == len(sentence.split()) + 1
    assert len(words("<|im_start|><|image_pad|><|im_end|>")["input_ids"]) == 3
    with pytest.raises(DetectorError, match="at least 300"):
        pocket.tokenizer([sentence], size=299)


@pytest.mark.parametrize(("hidden", "heads"), [(128, 4), (48, 4), (256, 4), (96, 2)])
def test_rotary_sections_fill_the_head(hidden: int, heads: int) -> None:
    sections = pocket.Shape(hidden=hidden, heads=heads).sections
    assert sum(sections) == hidden // heads // 2
    assert sections[1] == sections[2] > 0
    assert sections[0] > 0
    assert pocket.Shape(hidden=128, heads=1).sections == (16, 24, 24)


def test_default_size_fits_the_repository() -> None:
    model = pocket.build(armor.SENTENCES * 2)
    weights = sum(each.numel() for each in model.parameters())
    assert weights * 4 < 20e6
    (told,) = re.findall(r"about ([\d.]+) million weights", pocket.Shape.__doc__ or "")
    assert weights / 1e6 == pytest.approx(float(told), abs=0.1)


def test_seed_makes_the_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = pocket.build(armor.SENTENCES * 2, armor.SHAPE, seed=1, size=330)
    assert torch.equal(torch.rand(1), expected)
    again, other = (pocket.build(armor.SENTENCES * 2, armor.SHAPE, seed=seed, size=330) for seed in (1, 2))
    states = [dict(model.state_dict()) for model in (first, again, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["head.projector.0.weight"], states[2]["head.projector.0.weight"])
    name = "backbone.model.language_model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(states[0][name], states[2][name])


def test_large_pictures_are_scaled_down() -> None:
    words = pocket.tokenizer(["Lift"], 300)
    shape = pocket.Shape(pixels=84 * 84)
    read = pocket.processor(words, shape)(
        text=["<|image_pad|>"], images=[np.zeros((300, 600, 3), np.uint8)], return_tensors="pt"
    )
    _, height, width = read["image_grid_thw"][0].tolist()
    assert height * width * shape.patch**2 <= 84 * 84
    assert height % shape.merge == width % shape.merge == 0
    assert int((read["input_ids"] == words.convert_tokens_to_ids("<|image_pad|>")).sum()) == height * width // 9
