"""Pairs of outcomes, against statsmodels, closed forms and sums over every table that there is."""

from itertools import product
from math import comb, factorial

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from faultfield.diagnosis.mcnemar import Pairs, holm, tarone_holm
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


def test_tarone_leaves_out_only_what_can_never_be_significant() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        pairs = [Pairs(5, int(lost), int(gained), 5) for lost, gained in rng.integers(0, 9, (12, 2))]
        p, least = [each.p() for each in pairs], [each.least_p() for each in pairs]
        assert all(low <= value + 1e-12 for low, value in zip(least, p, strict=True))
        found, plain = tarone_holm(p, least, 0.05), holm(p)
        # All that Holm over all tests rejects is rejected here too.
        assert all(new <= 0.05 for new, old in zip(found, plain, strict=True) if old <= 0.05)
    assert tarone_holm([1.0, 1.0], [1.0, 1.0], 0.05) == [1.0, 1.0]


def test_tarones_level_holds_where_few_pairs_differ() -> None:
    """Luck alone, with few pairs that differ in each of thirty variations: whole comparisons rarely alarm."""
    rng, alarms = np.random.default_rng(1), 0
    known = {(k, d): Pairs(1, k, d - k, 1) for d in range(8) for k in range(d + 1)}
    p, least = ({key: number(pairs) for key, pairs in known.items()} for number in (Pairs.p, Pairs.least_p))
    for _ in range(60):
        differing = rng.integers(0, 8, 30)
        drawn = list(zip(rng.binomial(differing, 0.5).tolist(), differing.tolist(), strict=True))
        alarms += min(tarone_holm([p[key] for key in drawn], [least[key] for key in drawn], 0.2)) <= 0.2
    assert alarms <= 20, "binomial(60, 0.2) is above 20 six times in a thousand"
