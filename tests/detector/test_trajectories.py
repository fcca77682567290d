"""Settings of a refinement: whose defaults they are, and which ones mean nothing."""

import math
from typing import Any

import pytest

from faultfield.detector.head import DetectionHead
from faultfield.detector.trajectories import Refinement
from faultfield.errors import DetectorError


def test_the_defaults_are_those_of_table_5_but_for_what_is_ours() -> None:
    how = Refinement()
    assert (how.samples, how.rounds, how.weight, how.tolerance, how.temperature) == (3, 4, 0.1, 1e-4, 0.7)
    assert DetectionHead(32).settings["dropout"] == 0.1
    # The paper's Algorithm 2 does not look at what is said.
    assert how.agreeing


@pytest.mark.parametrize(
    "wrong", [{"temperature": math.nan}, {"weight": math.inf}, {"temperature": -1.0}, {"rounds": 0}]
)
def test_settings_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DetectorError, match="a weight and a temperature from 0 on"):
        Refinement(**wrong)
