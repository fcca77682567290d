"""Small fields whose failures are known exactly."""

import numpy as np
from numpy.typing import NDArray


def two_clusters(count: int = 24, dim: int = 16, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Half of the embeddings around one point, always failing; half around another, never."""
    rng = np.random.default_rng(seed)
    failing = np.arange(count) < count // 2
    centers = rng.normal(size=(2, dim))
    known = centers[failing.astype(int)] + 0.3 * rng.normal(size=(count, dim))
    return known.astype(np.float32), failing.astype(np.float64)


def line(count: int = 41, steepness: float = 8.0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Points from −1 to 1 whose failure rate rises from 0 to 1, with the boundary at 0."""
    x = np.linspace(-1.0, 1.0, count)
    return x[:, None].astype(np.float32), 1.0 / (1.0 + np.exp(-steepness * x))
