import numpy as np
import pytest

from faultfield.errors import FieldError
from faultfield.field.config import FieldConfig
from faultfield.field.encoders import CachingEncoder
from faultfield.field.model import Field
from faultfield.field.quality import (
    distance_to_identity,
    field_map,
    knn_accuracy,
    quality_table,
    similarity_matrix,
)  # fmt: skip
from tests.field.rendered import episodes, known_variations, small_encoder

CONFIG = FieldConfig(dim=16, steps=30, lr=3e-3, folds=0, dropout=0.0)


def test_similarity_is_the_cosine_of_mean_embeddings() -> None:
    embeddings = np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [1.0, 1.0]])
    expected = [[1, 0, 0.5**0.5], [0, 1, 0.5**0.5], [0.5**0.5, 0.5**0.5, 1]]
    np.testing.assert_allclose(similarity_matrix(embeddings, np.array([2, 2, 5, 9])), expected, atol=1e-12)


@pytest.mark.parametrize(("variations", "off"), [(2, 0.5), (18, 0.3), (21, -0.2)])
def test_the_distance_to_the_identity_has_its_closed_form(variations: int, off: float) -> None:
    similarity = np.full((variations, variations), off)
    np.fill_diagonal(similarity, 1.0)
    mse, frobenius = distance_to_identity(similarity)
    assert mse == pytest.approx(off**2 * (variations - 1) / variations)
    assert frobenius == pytest.approx(abs(off) * np.sqrt(variations * (variations - 1)))


@pytest.mark.parametrize(
    ("mse", "frobenius"), [(0.6495, 14.5060), (0.6179, 14.1497), (0.8426, 16.5227), (0.1801, 7.6387)]
)
def test_both_numbers_of_table_7_follow_from_one_another_for_eighteen_variations(mse: float, frobenius: float) -> None:
    assert frobenius == pytest.approx(18 * mse**0.5, rel=1e-3)


def test_nearest_neighbours_vote_as_in_a_brute_force_loop() -> None:
    rng = np.random.default_rng(0)
    labels, asked_labels = rng.integers(2, size=60), rng.integers(2, size=25)
    known = rng.normal(size=(60, 4)) + labels[:, None]
    asked = rng.normal(size=(25, 4)) + asked_labels[:, None]
    expected = {}
    for k in (1, 3, 5):
        right = 0
        for point, label in zip(asked, asked_labels, strict=True):
            nearest = np.argsort(((known - point) ** 2).sum(axis=1))[:k]
            right += int((labels[nearest].mean() > 0.5) == label)
        expected[k] = right / 25
    assert knn_accuracy(known, labels, asked, asked_labels, (1, 3, 5, 61)) == expected


def test_the_table_has_the_four_settings_and_eq_1_sharpens_variations() -> None:
    data = episodes(known_variations(), each=6)
    config = CONFIG.model_copy(update={"contrast": "variation", "contrastive_weight": 5.0, "steps": 150})
    rows = quality_table(data, config, seed=0, encoder=CachingEncoder(small_encoder()))
    assert [(row.inputs, row.loss) for row in rows] == [
        (("vision",), "bce"),
        (("vision",), "bce+contrastive"),
        (("vision", "text"), "bce"),
        (("vision", "text"), "bce+contrastive"),
    ]
    assert all(row.variations == 10 and row.frobenius == pytest.approx(10 * row.mse**0.5) for row in rows)
    assert rows[3].mse < rows[2].mse
    # With the text, which names the variation, the nearest neighbour tells it better than the picture alone.
    assert rows[3].knn_variation[1] > rows[1].knn_variation[1]
    assert rows[3].knn_variation[1] > 0.9


def test_the_table_refuses_single_episodes() -> None:
    with pytest.raises(FieldError, match="two episodes"):
        quality_table(episodes(known_variations(), each=1), CONFIG, encoder=small_encoder())


def test_the_map_shows_the_potential_of_the_points_on_its_plane() -> None:
    data = episodes(known_variations(), each=3)
    field = Field.fit(data, CONFIG, seed=0, encoder=small_encoder())
    embeddings = field.embed(data.pictures[:, None], data.texts)
    drawn = field_map(field, embeddings, grid=11)
    centered = embeddings.astype(np.float64) - embeddings.mean(axis=0, dtype=np.float64)
    _, lengths, axes = np.linalg.svd(centered, full_matrices=False)
    np.testing.assert_allclose(np.abs(drawn.coordinates), np.abs(centered @ axes[:2].T), atol=1e-4)
    np.testing.assert_allclose(drawn.explained, lengths[:2] ** 2 / (lengths**2).sum(), rtol=1e-4)
    assert drawn.grid_x[0] < drawn.coordinates[:, 0].min() < drawn.coordinates[:, 0].max() < drawn.grid_x[-1]
    assert drawn.grid_y[0] < drawn.coordinates[:, 1].min() < drawn.coordinates[:, 1].max() < drawn.grid_y[-1]
    signs = np.sign((drawn.coordinates * (centered @ axes[:2].T)).sum(axis=0))
    for row, column in ((0, 0), (3, 8), (10, 5)):
        place = np.array([drawn.grid_x[column], drawn.grid_y[row]])
        point = embeddings.mean(axis=0) + (signs * place) @ axes[:2]
        assert drawn.potential[row, column] == pytest.approx(field.potential(point[None])[0], abs=1e-4)


def test_a_map_of_one_embedding_is_refused() -> None:
    field = Field.fit(episodes(known_variations(), each=1), CONFIG, encoder=small_encoder())
    with pytest.raises(FieldError, match="at least two"):
        field_map(field, np.zeros((1, 16)))
