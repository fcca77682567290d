"""How well an embedding keeps variations apart (RoboMD, Table 7, Figs. 8 and 15), and its map."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import FieldError
from faultfield.field.config import FieldConfig, Input
from faultfield.field.encoders import Encoder
from faultfield.field.model import Field, FieldData

NEIGHBOURS = (1, 3, 5, 10, 20)
"""Values of k for which accuracy is told, where there are as many embeddings."""


@dataclass(frozen=True)
class Quality:
    """One row of the embedding table.

    Attributes:
        inputs: What episodes were embedded from.
        loss: What the field was fitted with.
        variations: How many variations the similarity matrix compares.
        mse: Mean squared difference between that matrix and the identity.
        frobenius: Frobenius norm of the difference.
        knn_variation: Accuracy of telling the variation of a held-out episode from its k nearest, by k.
        knn_outcome: Accuracy of telling its outcome.
    """

    inputs: tuple[Input, ...]
    loss: str
    variations: int
    mse: float
    frobenius: float
    knn_variation: Mapping[int, float]
    knn_outcome: Mapping[int, float]


@dataclass(frozen=True)
class FieldMap:
    """A field in two dimensions.

    Attributes:
        coordinates: Where the embeddings lie, float64 (n, 2).
        grid_x, grid_y: Coordinates of the grid, ascending, float64 (g,).
        potential: Failure logit on the grid, float64 (g, g), one row for each y.
        explained: Share of the embeddings' variance along each axis, float64 (2,).
    """

    coordinates: NDArray[np.float64]
    grid_x: NDArray[np.float64]
    grid_y: NDArray[np.float64]
    potential: NDArray[np.float64]
    explained: NDArray[np.float64]


def similarity_matrix(embeddings: NDArray[np.floating[Any]], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cosine similarities (v, v) of the variations' mean embeddings, in ascending order of their indices (Fig. 8).

    Args:
        embeddings: Shape (n, dim), one row an episode.
        groups: Shape (n,), index of the row's variation.
    """
    means = np.stack([embeddings[groups == group].mean(axis=0, dtype=np.float64) for group in np.unique(groups)])
    length = np.linalg.norm(means, axis=1, keepdims=True)
    unit = means / np.where(length > 0, length, 1.0)
    return np.asarray(unit @ unit.T)


def distance_to_identity(similarity: NDArray[np.float64]) -> tuple[float, float]:
    """Mean squared error and Frobenius distance of a similarity matrix to the identity (Table 7).

    With v variations the second is v times the root of the first; perfectly separated variations have 0.
    """
    difference = similarity - np.eye(len(similarity))
    return float(np.mean(difference**2)), float(np.linalg.norm(difference))


def knn_accuracy(
    known: NDArray[np.floating[Any]],
    known_labels: NDArray[np.int64],
    asked: NDArray[np.floating[Any]],
    asked_labels: NDArray[np.int64],
    neighbours: Sequence[int] = NEIGHBOURS,
) -> dict[int, float]:
    """Accuracy of a k-nearest-neighbour classifier by k (Fig. 15); values of k beyond the known rows are left out.

    Args:
        known: Embeddings (n, dim) that are remembered.
        known_labels: Their labels (n,).
        asked: Embeddings (m, dim) to be told.
        asked_labels: Their true labels (m,).
        neighbours: Values of k.
    """
    from sklearn.neighbors import KNeighborsClassifier

    return {
        k: float(KNeighborsClassifier(n_neighbors=k).fit(known, known_labels).score(asked, asked_labels))
        for k in neighbours
        if k <= len(known)
    }


def quality(field: Field, fitted: FieldData, held_out: FieldData) -> Quality:
    """How well a field keeps the variations of held-out episodes apart.

    Args:
        field: Fitted to `fitted`.
        fitted: Episodes whose embeddings the k-nearest-neighbour classifiers remember.
        held_out: Other episodes of the same variations.
    """
    known, asked = (field.embed(d.pictures[:, None], d.texts, d.probe) for d in (fitted, held_out))
    similarity = similarity_matrix(asked, held_out.groups)
    mse, frobenius = distance_to_identity(similarity)
    outcome, true_outcome = (d.failed.astype(np.int64) for d in (fitted, held_out))
    return Quality(
        field.config.inputs,
        field.config.loss,
        len(similarity),
        mse,
        frobenius,
        knn_accuracy(known, fitted.groups, asked, held_out.groups),
        knn_accuracy(known, outcome, asked, true_outcome),
    )


def quality_table(
    data: FieldData, config: FieldConfig | None = None, seed: int = 0, encoder: Encoder | None = None
) -> list[Quality]:
    """The embedding table: picture alone or with text, each with cross-entropy alone and with Eq. 1 (Table 7).

    A third of every variation's episodes is held out from the fit and measured.

    Args:
        data: Episodes, at least two a variation.
        config: All other settings.
        seed: Of the split and the fits.
        encoder: Use this one instead of the one that `config` names.

    Raises:
        FieldError: A variation has a single episode.
    """
    config = config or FieldConfig()
    held_out = _third_of_each(data.groups, seed)
    inside, outside = data.take(~held_out), data.take(held_out)
    settings: list[dict[str, object]] = [
        {"inputs": inputs, "loss": loss}
        for inputs in (("vision",), ("vision", "text"))
        for loss in ("bce", "bce+contrastive")
    ]
    return [
        quality(Field.fit(inside, config.model_copy(update=setting), seed, encoder), inside, outside)
        for setting in settings
    ]


def field_map(field: Field, embeddings: NDArray[np.floating[Any]], grid: int = 60, margin: float = 0.15) -> FieldMap:
    """The plane through the embeddings along which they vary most, with the potential on it.

    The plane is that of their two first principal components; the potential between the points is the field's own, at
    the points of the plane itself.

    Args:
        field: Whose potential to show.
        embeddings: Shape (n, dim), at least two.
        grid: Points along each side.
        margin: How far the grid goes beyond the outermost points, as a share of their span.

    Raises:
        FieldError: Fewer than two embeddings.
    """
    from sklearn.decomposition import PCA

    if len(embeddings) < 2:
        raise FieldError(f"A map needs at least two embeddings, not {len(embeddings)}.")
    plane = PCA(n_components=2, svd_solver="full").fit(np.asarray(embeddings, dtype=np.float64))
    coordinates = plane.transform(embeddings)
    axes = []
    for axis in range(2):
        low, high = coordinates[:, axis].min(), coordinates[:, axis].max()
        beyond = margin * (high - low) or 1.0
        axes.append(np.linspace(low - beyond, high + beyond, grid))
    x, y = np.meshgrid(*axes)
    points = plane.inverse_transform(np.stack([x.ravel(), y.ravel()], axis=1))
    explained = np.nan_to_num(plane.explained_variance_ratio_)
    return FieldMap(coordinates, axes[0], axes[1], field.potential(points).reshape(grid, grid), explained)


def _third_of_each(groups: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """A mask (n,) of a third of every variation's rows, at least one."""
    rng = np.random.default_rng(seed)
    mask = np.zeros(len(groups), dtype=np.bool_)
    for group in np.unique(groups):
        rows = rng.permutation(np.nonzero(groups == group)[0])
        if len(rows) < 2:
            raise FieldError(f"The embedding table needs two episodes a variation; variation {group} has one.")
        mask[rows[: max(1, len(rows) // 3)]] = True
    return mask
