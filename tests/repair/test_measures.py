"""RoboMD's measures against loops, and against the paper's own columns."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.errors import FaultfieldError
from faultfield.repair.measures import distances

PAPER = [
    (0.377, 0.016), (0.033, 0.001), (0.068, 0.003), (0.140, 0.006), (0.050, 0.002), (0.128, 0.005), (0.337, 0.014),
    (0.201, 0.008), (0.069, 0.003),
]  # fmt: skip
"""Mean square and chi-square of RoboMD, Tables 5 and 11, over 21 variations."""


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=30))
def test_they_are_what_their_definitions_say(success: list[float]) -> None:
    found, n = distances(success), len(success)
    shares = [s / sum(success) for s in success]
    assert found.accuracy == pytest.approx(sum(success) / n)
    assert found.mean_square == pytest.approx(sum((100 * s - 100 / n) ** 2 for s in shares) / n, abs=1e-9)
    assert found.chi_square == pytest.approx(sum(n * (s - 1 / n) ** 2 for s in shares), abs=1e-9)
    assert found.wasserstein == pytest.approx(sum(abs(s - 1 / n) for s in shares) / n, abs=1e-9)


def test_an_ideal_policy_is_at_no_distance_and_so_is_an_evenly_bad_one() -> None:
    assert vars(distances([1.0] * 21)) == {"accuracy": 1.0, "mean_square": 0, "chi_square": 0, "wasserstein": 0}
    assert distances([0.5] * 21).chi_square == pytest.approx(0)
    assert distances([0.0, 0.0]).chi_square is None


def test_the_papers_columns_have_the_ratio_that_ours_have() -> None:
    rng = np.random.default_rng(0)
    ours = distances(rng.uniform(0.5, 1, 21).tolist())
    assert ours.mean_square is not None
    assert ours.chi_square == pytest.approx(21**2 * ours.mean_square / 1e4)
    for mean_square, chi_square in PAPER:
        reach = [math.floor(1000 * 21**2 * (mean_square + d) / 1e4) / 1000 for d in (-0.0005, 0.0005)]
        assert chi_square in reach


@pytest.mark.parametrize("success", [[], [1.2], [-0.1], [math.nan]])
def test_what_is_no_success_is_refused(success: list[float]) -> None:
    with pytest.raises(FaultfieldError, match="each in 0–1"):
        distances(success)
