"""When a failure is verified: against the reference library, and by hand."""

import pytest
from statsmodels.stats.proportion import proportion_confint

from faultfield.errors import StudyError
from faultfield.rollouts.intervals import wilson
from faultfield.search.verification import Verification


def test_the_rule_of_the_interval_alone_lets_one_failure_pass():
    """1 of 1 has a lower bound of 0.207: above any nominal rate of 20 successes in 20."""
    bound = wilson(0, 20)[1]
    assert Verification(bound, failures=1).verdict(1, 1) == "verified"
    assert Verification(bound, failures=2).verdict(1, 1) == "open"
    assert Verification(bound, failures=2).verdict(2, 2) == "verified"


def test_a_failure_within_the_nominal_rates_reach_is_not_verified():
    rule = Verification(bound=0.16, most=40)
    assert not rule.verified(4, 16)
    assert proportion_confint(4, 16, method="wilson")[0] < 0.16
    assert rule.verified(8, 16)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_variation_is_left_when_successes_lead(patience):
    rule = Verification(bound=0.1, failures=5, patience=patience)
    assert rule.verdict(0, patience - 1) == "open"
    assert rule.verdict(0, patience) == "left"
    assert rule.verdict(2, 4 + patience) == "left"
    assert rule.verdict(2, 3 + patience) == "open"


def test_nobody_goes_on_forever():
    assert Verification(bound=0.1, failures=15, most=20).verdict(10, 20) == "left"


def test_what_cannot_be_is_refused():
    with pytest.raises(StudyError, match=r"upper bound of 0.95"):
        Verification(bound=0.95)
    with pytest.raises(StudyError, match="at least one"):
        Verification(bound=0.1, failures=0)
    with pytest.raises(StudyError, match=r"budget of 1 rollouts is smaller than one variation.*at least 2"):
        Verification(bound=0.1).check_budget(1)
