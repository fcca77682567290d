"""Least, greatest, mean, deviation and quantiles of what passes by: of vectors by number, of pictures by channel."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = {"q01": 0.01, "q10": 0.10, "q50": 0.50, "q90": 0.90, "q99": 0.99}

Numbers = dict[str, NDArray[Any]]
"""`min`, `max`, `mean`, `std`, the `QUANTILES`, each of one shape; `count` of shape (1,)."""


class VectorStatistics:
    """Of arrays (n, d), or (n,): statistics of shape (d,), or (1,)."""

    def __init__(self) -> None:
        self._rows: list[NDArray[np.float64]] = []

    def add(self, array: NDArray[Any]) -> None:
        """Take more rows along."""
        self._rows.append(np.asarray(array, dtype=np.float64).reshape(len(array), -1))

    def result(self) -> Numbers:
        """Over all rows so far."""
        rows = np.concatenate(self._rows)
        found: Numbers = {
            "min": rows.min(axis=0), "max": rows.max(axis=0), "mean": rows.mean(axis=0), "std": rows.std(axis=0),
            "count": np.array([len(rows)]),
        }  # fmt: skip
        return found | {name: np.quantile(rows, share, axis=0) for name, share in QUANTILES.items()}


class PictureStatistics:
    """Of pictures uint8 (n, height, width, 3): statistics of 0–1, shape (3, 1, 1), exact from counts of the 256 values.

    `count` is of pictures.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)
        self._pictures = 0

    def add(self, pictures: NDArray[np.uint8]) -> None:
        """Take more pictures along."""
        self._pictures += len(pictures)
        for channel in range(3):
            self._counts[channel] += np.bincount(pictures[..., channel].ravel(), minlength=256)

    def result(self) -> Numbers:
        """Over all pictures so far."""
        values = np.arange(256) / 255.0
        total = self._counts.sum(axis=1)
        mean = self._counts @ values / total
        spread = np.sqrt(np.maximum(self._counts @ values**2 / total - mean**2, 0.0))
        seen = self._counts > 0
        cumulative = self._counts.cumsum(axis=1)
        found = {
            "min": values[seen.argmax(axis=1)], "max": values[255 - seen[:, ::-1].argmax(axis=1)], "mean": mean,
            "std": spread,
        }  # fmt: skip
        for name, share in QUANTILES.items():
            found[name] = values[(cumulative >= share * total[:, None]).argmax(axis=1)]
        return {name: array.reshape(3, 1, 1) for name, array in found.items()} | {"count": np.array([self._pictures])}
