"""The compiled search against distances taken one by one."""

import numpy as np
import pytest

from faultfield.search._kernels import FAR, GROUP, nearest


def reach(points, queries):
    fill = -len(points) % GROUP
    halves = np.pad((points.astype(np.float64) ** 2).sum(1) / 2, (0, fill), constant_values=FAR).astype(np.float32)
    reached, distances = np.full(len(queries), -1), np.full(len(queries), np.nan, np.float32)
    nearest(queries, np.pad(points, ((0, fill), (0, 0))), halves, reached, distances)
    return reached, distances


# Around the sizes of a group (3) and of a tile (12).
@pytest.mark.parametrize("count", [1, 2, 3, 4, 11, 12, 13, 21, 24, 256, 840])
def test_indices_and_distances_are_those_of_brute_force(count):
    rng = np.random.default_rng(count)
    points = rng.normal(size=(count, 24)).astype(np.float32)
    queries = rng.normal(size=(300, 24)).astype(np.float32)
    reached, distances = reach(points, queries)
    exact = np.linalg.norm(queries[:, None].astype(np.float64) - points[None], axis=2)
    assert reached.dtype == np.int64
    assert np.array_equal(reached, exact.argmin(axis=1))
    assert distances == pytest.approx(exact.min(axis=1), rel=1e-4)


def test_of_equal_points_the_first_is_taken():
    points = np.array([[5.0, 0.0], [1.0, 1.0], [1.0, 1.0], [5.0, 0.0]], dtype=np.float32)
    reached, _ = reach(points, np.array([[4.0, 0.0], [0.0, 1.0]], dtype=np.float32))
    assert reached.tolist() == [0, 1]


def test_a_query_on_or_beside_a_point_far_from_the_origin_keeps_its_distance():
    """‖a‖² − (2 a·e − ‖e‖²) alone would have no digits left."""
    rng = np.random.default_rng(0)
    points = (1000.0 + rng.normal(size=(5, 64))).astype(np.float32)
    moved = points + np.float32(0.01)
    reached, distances = reach(points, np.concatenate([points, moved]))
    assert reached.tolist() == [0, 1, 2, 3, 4] * 2
    assert (distances[:5] == 0.0).all()
    assert distances[5:] == pytest.approx(np.linalg.norm(moved.astype(np.float64) - points, axis=1), rel=1e-5)
