"""Statistics of what passes by, against numpy on all of it at once."""

import numpy as np
import pytest

from faultfield.exports.statistics import QUANTILES, PictureStatistics, VectorStatistics


@pytest.mark.parametrize("shape", [(3,), ()])
def test_vectors(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(n, *shape)) for n in (5, 1, 40)]
    found = VectorStatistics()
    for part in parts:
        found.add(part)
    whole, result = np.concatenate(parts).reshape(46, -1), found.result()
    assert result["count"].tolist() == [46]
    for name in ("min", "max", "mean", "std"):
        assert np.allclose(result[name], getattr(whole, name)(axis=0))
    for name, share in QUANTILES.items():
        assert np.allclose(result[name], np.quantile(whole, share, axis=0))


def test_pictures_are_exact_by_channel() -> None:
    rng = np.random.default_rng(1)
    pictures = (rng.beta(2, 5, size=(9, 12, 10, 3)) * [255, 120, 30]).astype(np.uint8)
    found = PictureStatistics()
    found.add(pictures[:4])
    found.add(pictures[4:])
    result, whole = found.result(), pictures.reshape(-1, 3) / 255
    assert result["count"].tolist() == [9]
    for name in ("min", "max", "mean", "std"):
        assert result[name].shape == (3, 1, 1)
        assert np.allclose(result[name].ravel(), getattr(whole, name)(axis=0))
    for name, share in QUANTILES.items():
        expected = np.quantile(whole, share, axis=0, method="inverted_cdf")
        assert np.allclose(result[name].ravel(), expected)
