import json
from pathlib import Path

import numpy as np
import pytest
import torch

from faultfield.errors import CheckpointError, FieldError
from faultfield.field.config import FieldConfig
from faultfield.field.encoders import CachingEncoder, TowerEncoder
from faultfield.field.model import Field, FieldData
from tests.field.rendered import episodes, fails, known_variations, small_encoder
from tests.toy import PointReach

CONFIG = FieldConfig(dim=32, steps=60, lr=3e-3, batch=32, dropout=0.0, folds=3, contrastive_weight=1.0)


@pytest.fixture(scope="module")
def encoder() -> TowerEncoder:
    return small_encoder()


@pytest.fixture(scope="module")
def data() -> FieldData:
    return episodes(known_variations(), each=6)


@pytest.fixture(scope="module")
def field(encoder: TowerEncoder, data: FieldData) -> Field:
    return Field.fit(data, CONFIG, seed=0, encoder=encoder)


def roc_auc(scores: np.ndarray, failed: np.ndarray) -> float:
    pairs = scores[failed == 1][:, None] - scores[failed == 0][None, :]
    return float((pairs > 0).mean())


def test_variations_that_fail_lie_apart_from_those_that_succeed_on_fresh_pictures(
    data: FieldData, encoder: TowerEncoder
) -> None:
    field = Field.fit(data, CONFIG.model_copy(update={"folds": 0, "steps": 150}), seed=0, encoder=encoder)
    variations = known_variations()
    fresh = episodes(variations, each=6, seed=1)
    pictures = fresh.pictures.reshape(len(variations), 6, *fresh.pictures.shape[1:])
    logits = field.potential(field.embed(pictures, [v.text for v in variations]))
    assert roc_auc(logits, np.array([fails(v) for v in variations])) > 0.95


def test_eq_1_brings_like_outcomes_nearer_than_unlike(data: FieldData, encoder: TowerEncoder) -> None:
    ratios = []
    for loss in ("bce", "bce+contrastive"):
        field = Field.fit(data, CONFIG.model_copy(update={"loss": loss, "folds": 0}), seed=0, encoder=encoder)
        embeddings = field.embed(data.pictures[:, None], data.texts)
        distance = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
        like = data.failed[:, None] == data.failed[None]
        ratios.append(distance[like].mean() / distance[~like].mean())
    assert ratios[1] < 0.8 * ratios[0]


def test_contrast_by_variation_separates_variations(data: FieldData, encoder: TowerEncoder) -> None:
    ratios = {}
    for contrast in ("outcome", "variation"):
        config = CONFIG.model_copy(update={"contrast": contrast, "folds": 0, "contrastive_weight": 5.0})
        embeddings = Field.fit(data, config, seed=0, encoder=encoder).embed(data.pictures[:, None], data.texts)
        distance = np.linalg.norm(embeddings[:, None] - embeddings[None], axis=2)
        same = data.groups[:, None] == data.groups[None]
        ratios[contrast] = distance[same].mean() / distance[~same].mean()
    assert ratios["variation"] < ratios["outcome"]


def test_the_same_seed_gives_the_same_field_and_leaves_the_global_generator_alone(
    data: FieldData, encoder: TowerEncoder
) -> None:
    config = CONFIG.model_copy(update={"steps": 20})
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    one = Field.fit(data, config, seed=3, encoder=encoder)
    assert torch.equal(torch.rand(1), expected)
    two = Field.fit(data, config, seed=3, encoder=encoder)
    other = Field.fit(data, config, seed=4, encoder=encoder)
    embeddings = [f.embed(data.pictures[:, None], data.texts) for f in (one, two, other)]
    np.testing.assert_array_equal(embeddings[0], embeddings[1])
    assert not np.array_equal(embeddings[0], embeddings[2])


def test_saved_and_loaded_it_answers_bit_for_bit(
    field: Field, data: FieldData, encoder: TowerEncoder, tmp_path: Path
) -> None:
    field.save(tmp_path)
    loaded = Field.load(tmp_path, encoder)
    embeddings = field.embed(data.pictures[:, None], data.texts)
    np.testing.assert_array_equal(loaded.embed(data.pictures[:, None], data.texts), embeddings)
    np.testing.assert_array_equal(loaded.potential(embeddings), field.potential(embeddings))
    assert loaded.config == field.config


def test_several_pictures_of_a_variation_are_averaged(field: Field, data: FieldData) -> None:
    pictures, text = data.pictures[:4], data.texts[0]
    together = field.embed(pictures[None], [text])
    apart = field.embed(pictures[:, None], [text] * 4)
    assert together.shape == (1, 32)
    assert together.dtype == np.float32
    np.testing.assert_allclose(together[0], apart.mean(axis=0), atol=1e-5)


def test_the_probe_alone_can_tell_failures_where_pictures_cannot(encoder: TowerEncoder) -> None:
    data = episodes([PointReach().variation_space.nominal] * 10, each=4)
    failed = (data.groups % 2).astype(np.float32)
    probe = np.stack([failed + 0.1 * np.arange(len(failed)) % 0.3, np.ones(len(failed))], axis=1)
    told = FieldData(data.pictures, data.texts, failed, data.groups, probe)
    config = CONFIG.model_copy(update={"inputs": ("vision", "text", "probe")})
    field = Field.fit(told, config, seed=0, encoder=encoder)
    logits = field.potential(field.embed(data.pictures[:, None], data.texts, probe))
    assert roc_auc(logits, failed) == 1.0
    with pytest.raises(FieldError, match="probe"):
        field.embed(data.pictures[:, None], data.texts)
    with pytest.raises(FieldError, match="2 probe features, not 3"):
        field.embed(data.pictures[:1, None], data.texts[:1], np.zeros((1, 3)))


def test_the_number_of_steps_is_that_with_the_least_loss_on_held_out_variations(field: Field) -> None:
    assert field.log is not None
    assert field.log.steps == min(field.log.held_out, key=lambda step: field.log.held_out[step])  # type: ignore[union-attr]
    assert len(field.log.bce) == field.log.steps


def test_the_papers_setting_trains_for_all_steps(data: FieldData, encoder: TowerEncoder) -> None:
    field = Field.fit(data, FieldConfig.paper(dim=16, steps=7), seed=0, encoder=encoder)
    assert field.log is not None
    assert (field.log.steps, len(field.log.bce)) == (7, 7)


def test_towers_can_be_trained_along_on_a_copy(data: FieldData, encoder: TowerEncoder, tmp_path: Path) -> None:
    before = encoder.fingerprint
    config = CONFIG.model_copy(update={"steps": 3, "train_towers": True})
    field = Field.fit(data, config, seed=0, encoder=CachingEncoder(encoder))
    assert encoder.fingerprint == before
    assert field.encoder.fingerprint != before
    field.save(tmp_path)
    loaded = Field.load(tmp_path, small_encoder())
    np.testing.assert_array_equal(
        loaded.embed(data.pictures[:, None], data.texts), field.embed(data.pictures[:, None], data.texts)
    )


def test_a_field_of_another_encoder_is_refused(field: Field, tmp_path: Path) -> None:
    field.save(tmp_path)
    with pytest.raises(CheckpointError, match="another encoder"):
        Field.load(tmp_path, small_encoder(seed=1))


def test_missing_foreign_and_damaged_files_are_refused(field: Field, encoder: TowerEncoder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"field\.json is missing"):
        Field.load(tmp_path, encoder)
    field.save(tmp_path)
    weights, content = (tmp_path / "field.safetensors").read_bytes(), json.loads((tmp_path / "field.json").read_text())
    (tmp_path / "field.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(CheckpointError, match="damaged"):
        Field.load(tmp_path, encoder)
    (tmp_path / "field.safetensors").write_bytes(weights)
    (tmp_path / "field.json").write_text(json.dumps(content | {"widths": {"vision": 5, "text": 5}}))
    with pytest.raises(CheckpointError, match="do not fit"):
        Field.load(tmp_path, encoder)
    (tmp_path / "field.json").write_text(json.dumps({"format": "somebody.else/3"}))
    with pytest.raises(CheckpointError, match=r"somebody\.else/3"):
        Field.load(tmp_path, encoder)
    (tmp_path / "field.json").write_text("[]")
    with pytest.raises(CheckpointError):
        Field.load(tmp_path, encoder)


def test_wrong_input_is_refused_in_a_sentence(field: Field, data: FieldData, encoder: TowerEncoder) -> None:
    with pytest.raises(FieldError, match="uint8"):
        field.embed(data.pictures[:, None].astype(np.float32), data.texts)  # type: ignore[arg-type]
    with pytest.raises(FieldError, match="uint8"):
        field.embed(data.pictures, data.texts)
    with pytest.raises(FieldError, match="1 texts"):
        field.embed(data.pictures[:2, None], data.texts[:1])
    with pytest.raises(FieldError, match=r"\(n, 32\)"):
        field.potential(np.zeros((3, 31)))
    with pytest.raises(FieldError, match="one row an episode"):
        FieldData(data.pictures, data.texts[:-1], data.failed, data.groups)
    halves = FieldData(data.pictures, data.texts, np.full(len(data), 0.5, dtype=np.float32), data.groups)
    with pytest.raises(FieldError, match=r"0 \(success\) or 1"):
        Field.fit(halves, CONFIG, encoder=encoder)


def test_the_rule_of_the_test_episodes_has_both_outcomes() -> None:
    assert {fails(v) for v in known_variations()} == {True, False}
