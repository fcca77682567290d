import numpy as np

from faultfield.field.tokenizer import Tokenizer
from faultfield.field.wording import paraphrase, wordings
from faultfield.variations import NOMINAL
from tests.toy import PointReach

SPACE = PointReach().variation_space


def test_every_wording_names_every_value() -> None:
    variation = SPACE.variation({"goal_color": "teal", "brightness": 0.37, "wind": 1.25})
    rng = np.random.default_rng(0)
    texts = [paraphrase(SPACE, variation, rng) for _ in range(200)]
    assert all("teal" in text and "37" in text and "1.25" in text for text in texts)
    assert len(set(texts)) > 100


def test_half_of_the_sentences_are_the_factors_own() -> None:
    variation = SPACE.variation({"brightness": 0.37})
    rng = np.random.default_rng(0)
    own = sum(paraphrase(SPACE, variation, rng).replace("%", " percent") == variation.text for _ in range(2000))
    assert 0.45 < own / 2000 < 0.56


def test_the_nominal_variation_is_never_said_to_change_something() -> None:
    rng = np.random.default_rng(0)
    texts = {paraphrase(SPACE, NOMINAL, rng) for _ in range(100)}
    assert NOMINAL.text in texts
    assert not any("color" in text or "brightness" in text for text in texts)


def test_the_vocabulary_has_every_word_that_is_used() -> None:
    vocabulary = set(Tokenizer.of(wordings(SPACE)).words)
    rng = np.random.default_rng(1)
    said = [paraphrase(SPACE, variation, rng) for variation in SPACE.sample(rng, 300)]
    assert {word for word in Tokenizer.of(said).words if word.isalpha()} <= vocabulary
