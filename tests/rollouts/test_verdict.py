import json

import pytest

from faultfield.errors import DetectorError
from faultfield.rollouts.verdict import Round, Verdict

ROUNDS = (Round(0.6, "It fell.", 0.67, 0.9), Round(0.9, "It slipped.", 0.33, 0.4), Round(0.8, "Hm.", 0.5, 0.3))


def test_the_form_that_explain_prints() -> None:
    verdict = Verdict.of(ROUNDS, best=1)
    printed = json.loads(json.dumps(verdict.to_json("clip-3")))
    assert {key: printed[key] for key in ("id", "failed", "failure_probability", "reason")} == {
        "id": "clip-3",
        "failed": True,
        "failure_probability": 0.9,
        "reason": "It slipped.",
    }
    assert [set(each) for each in printed["rounds"]] == [
        {"failure_probability", "reason", "detection_entropy", "reason_entropy"}
    ] * 3
    assert printed["rounds"][2]["reason"] == "Hm."
    assert Verdict.from_json(printed) == verdict


@pytest.mark.parametrize(("probability", "failed"), [(0.0, False), (0.49, False), (0.5, True), (1.0, True)])
def test_failed(probability: float, failed: bool) -> None:
    assert Verdict(probability, "", 0.0, 0.0).failed is failed


def test_damaged() -> None:
    values = Verdict.of(ROUNDS, best=0).to_json("a")
    for wrong in ({**values, "rounds": [{}]}, {**values, "failure_probability": "much"}, {"id": "a"}):
        with pytest.raises(DetectorError, match="damaged"):
            Verdict.from_json(wrong)
