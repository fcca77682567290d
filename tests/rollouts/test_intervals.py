"""Wilson's interval against the equation that defines it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from faultfield.rollouts.intervals import wilson


@given(
    counts=st.integers(1, 300).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))),
    level=st.sampled_from([0.8, 0.9, 0.95, 0.99]),
)
def test_its_ends_are_the_shares_that_the_score_test_just_allows(counts: tuple[int, int], level: float) -> None:
    count, total = counts
    z2 = norm.ppf(0.5 + level / 2) ** 2
    # (count / total - p)^2 = z^2 p (1 - p) / total, a quadratic equation in p.
    roots = np.roots([1 + z2 / total, -(2 * count + z2) / total, (count / total) ** 2])
    low, high = wilson(count, total, level)
    assert (low, high) == pytest.approx((min(roots.real), max(roots.real)), abs=1e-6)
    assert 0 <= low <= count / total <= high <= 1


def test_nothing_counted_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
