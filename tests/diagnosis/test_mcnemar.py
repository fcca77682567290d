"""Pairs of outcomes, against statsmodels, closed forms and sums over every table that there is."""

from itertools import product
from math import comb, factorial

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from faultfield.diagnosis.mcnemar import Pairs, holm
from faultfield.errors import FaultfieldError


def test_the_test_is_statsmodels_exact_mcnemar() -> None:
    for lost, gained in product(range(9), range(9)):
        pairs = Pairs(3, lost, gained, 2)
        expected = mcnemar([[3, lost], [gained, 2]], exact=True).pvalue
        assert pairs.p() == pytest.approx(min(expected, 1.0))


def test_the_one_sided_test_counts_coins() -> None:
    for lost, gained in product(range(7), range(7)):
        differing = lost + gained
        chance = sum(comb(differing, k) for k in range(lost, differing + 1)) / 2**differing
        assert Pairs(1, lost, gained, 1).p("drop") == pytest.approx(chance)


def test_without_correlation_the_interval_is_newcombes_for_two_independent_samples() -> None:
    for both, lost, gained, neither in ((4, 2, 2, 1), (0, 3, 0, 7), (6, 3, 2, 1), (5, 0, 0, 0)):
        assert both * neither == lost * gained
        pairs = Pairs(both, lost, gained, neither)
        n = pairs.count
        expected = confint_proportions_2indep(both + gained, n, both + lost, n, compare="diff", method="newcomb")
        assert pairs.interval() == pytest.approx(expected, abs=1e-9)


def test_pairs_that_agree_narrow_the_interval_and_pairs_that_differ_widen_it() -> None:
    def width(pairs: Pairs) -> float:
        low, high = pairs.interval()
        return high - low

    assert width(Pairs(10, 0, 0, 10)) < width(Pairs(5, 5, 5, 5)) < width(Pairs(0, 10, 10, 0))


def test_before_and_after_swapped_turns_the_interval_round() -> None:
    low, high = Pairs(5, 4, 1, 2).interval(0.9)
    assert Pairs(5, 1, 4, 2).interval(0.9) == pytest.approx((-high, -low))


@pytest.mark.parametrize(
    "truth", [(0.5, 0.3, 0.1, 0.1), (0.8, 0.05, 0.05, 0.1), (0.1, 0.1, 0.1, 0.7), (0.7, 0.3, 0, 0)]
)
def test_the_interval_holds_its_level_at_ten_pairs(truth: tuple[float, ...]) -> None:
    """Over every table of ten pairs, weighted by its multinomial probability."""
    n, held = 10, 0.0
    for counts in product(range(n + 1), repeat=4):
        if sum(counts) != n:
            continue
        weight = factorial(n) * np.prod([p**k / factorial(k) for p, k in zip(truth, counts, strict=True)])
        low, high = Pairs(*counts).interval() if weight else (0, 0)
        held += weight * (low <= truth[2] - truth[1] <= high)
    assert held > 0.94


def test_holm_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.uniform(0, 0.2, 7)
        order = np.argsort(p)
        expected, highest = np.zeros(7), 0.0
        for place, index in enumerate(order):
            highest = max(highest, min(1.0, (7 - place) * p[index]))
            expected[index] = highest
        assert holm(list(p)) == pytest.approx(list(expected))


@pytest.mark.parametrize("counts", [(0, 0, 0, 0), (1, -1, 2, 3)])
def test_no_pairs_are_refused(counts: tuple[int, int, int, int]) -> None:
    with pytest.raises(FaultfieldError, match="at least one pair"):
        Pairs(*counts)
