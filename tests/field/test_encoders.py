from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from faultfield.errors import CheckpointError, FieldError
from faultfield.field.encoders import CachingEncoder, Encoder, build_encoder
from tests.field.rendered import episodes, known_variations, small_clip, small_encoder


class Counting:
    """An encoder that counts what it is asked."""

    name, picture_dim, text_dim, fingerprint = "counting", 3, 1, "0" * 16

    def __init__(self) -> None:
        self.pictures, self.texts = 0, 0

    def encode_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.pictures += len(pictures)
        return pictures.mean(axis=(1, 2), dtype=np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.texts += len(texts)
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def test_an_encoder_answers_each_picture_and_sentence_whatever_stands_beside_it() -> None:
    encoder = small_encoder()
    data = episodes(known_variations(), each=14)
    pictures, texts = encoder.encode_pictures(data.pictures), encoder.encode_texts(data.texts)
    assert pictures.shape == (140, encoder.picture_dim)
    assert texts.shape == (140, encoder.text_dim)
    assert pictures.dtype == texts.dtype == np.float32
    for i in (0, 77, 139):
        np.testing.assert_allclose(encoder.encode_pictures(data.pictures[i : i + 1])[0], pictures[i], atol=1e-5)
        np.testing.assert_allclose(encoder.encode_texts([data.texts[i]])[0], texts[i], atol=1e-5)
    assert encoder.encode_pictures(data.pictures[:0]).shape == (0, encoder.picture_dim)
    assert encoder.encode_texts([]).shape == (0, encoder.text_dim)


def test_pictures_of_another_size_are_brought_to_its_own() -> None:
    encoder = small_encoder()
    picture = np.full((1, 32, 32, 3), 120, dtype=np.uint8)
    large = np.full((1, 64, 80, 3), 120, dtype=np.uint8)
    np.testing.assert_allclose(encoder.encode_pictures(picture), encoder.encode_pictures(large), atol=1e-4)


def test_what_is_not_a_picture_is_refused() -> None:
    with pytest.raises(FieldError, match="uint8"):
        small_encoder().encode_pictures(np.zeros((1, 32, 32, 3)))  # type: ignore[arg-type]
    with pytest.raises(FieldError, match="uint8"):
        small_encoder().encode_pictures(np.zeros((1, 32, 32, 4), dtype=np.uint8))


def test_the_cache_asks_once_for_each_picture_and_sentence() -> None:
    inner = Counting()
    cached = CachingEncoder(inner)
    assert isinstance(cached, Encoder)
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, size=(5, 8, 8, 3), dtype=np.uint8)
    order = [0, 1, 1, 4, 0, 2]
    np.testing.assert_array_equal(cached.encode_pictures(pictures[order]), Counting().encode_pictures(pictures[order]))
    np.testing.assert_array_equal(cached.encode_pictures(pictures[::-1]), Counting().encode_pictures(pictures[::-1]))
    assert inner.pictures == 5
    assert cached.encode_texts(["a", "bb", "a"]).tolist() == [[1.0], [2.0], [1.0]]
    assert cached.encode_texts(["bb", "ccc"]).tolist() == [[2.0], [3.0]]
    assert inner.texts == 3
    # The same bytes in another shape are another picture.
    assert cached.encode_pictures(pictures[:1].reshape(1, 4, 16, 3)).shape == (1, 3)
    assert inner.pictures == 6
    assert cached.encode_pictures(pictures[:0]).shape == (0, 3)
    assert cached.encode_texts([]).shape == (0, 1)


def test_a_pocket_encoder_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    model = small_clip()
    model.save(tmp_path)
    loaded = build_encoder(str(tmp_path))
    data = episodes(known_variations(), each=1)
    assert loaded.fingerprint == model.encoder().fingerprint
    np.testing.assert_array_equal(loaded.encode_pictures(data.pictures), model.encoder().encode_pictures(data.pictures))
    np.testing.assert_array_equal(loaded.encode_texts(data.texts), model.encoder().encode_texts(data.texts))
    assert small_clip(seed=1).encoder().fingerprint != loaded.fingerprint


def test_missing_foreign_and_damaged_pocket_encoders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is missing"):
        build_encoder(str(tmp_path))
    small_clip().save(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="damaged"):
        build_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text('{"format": "other"}')
    with pytest.raises(CheckpointError, match="'other'"):
        build_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        build_encoder(str(tmp_path))
