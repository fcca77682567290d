"""Measures against closed forms."""

import math

import pytest

from faultfield.diagnosis.measures import entropy, failure_modes, severity
from faultfield.errors import FaultfieldError


def test_entropy_of_alike_variations_is_the_logarithm_of_their_number() -> None:
    assert entropy([0.3] * 21) == pytest.approx(math.log(21))
    assert entropy([0.0] * 21) == pytest.approx(math.log(21))


def test_entropy_of_one_failure_mode_is_zero() -> None:
    assert entropy([0, 0.7, 0]) == pytest.approx(0.0)


def test_entropy_of_two_to_one() -> None:
    assert entropy([0.5, 0.25]) == pytest.approx(math.log(3) - 2 / 3 * math.log(2))


def test_failure_modes_are_counted_above_the_threshold() -> None:
    assert failure_modes([0.5, 0.51, 1.0, 0.1]) == 2
    assert failure_modes([0.5, 0.51, 1.0, 0.1], threshold=0.05) == 4


def test_severity_weighs_by_the_likeliest_failure() -> None:
    assert severity([0.8, 0.4, 0.0]) == pytest.approx(0.8 + 0.4 * 0.5)
    assert severity([0.8, 0.4], weights=[1.0, 4.0]) == pytest.approx(0.8 / 4 + 0.4)
    assert severity([0.0, 0.0]) == 0.0
    assert severity([1.0] * 5) == pytest.approx(5.0)


@pytest.mark.parametrize("bad", [[], [-0.1, 0.2], [math.nan], [[0.1, 0.2]]])
@pytest.mark.parametrize("measure", [entropy, failure_modes, severity])
def test_what_is_no_distribution_is_refused(measure, bad) -> None:
    with pytest.raises(FaultfieldError, match="non-negative"):
        measure(bad)


def test_severity_refuses_weights_of_another_length() -> None:
    with pytest.raises(FaultfieldError, match="one weight for each of the 2"):
        severity([0.1, 0.2], weights=[1.0])
