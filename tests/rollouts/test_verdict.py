import pytest

from faultfield.rollouts.verdict import Round, Verdict


def test_a_verdict_is_that_of_its_best_round_and_keeps_them_all() -> None:
    rounds = (Round(0.6, "It fell.", 0.67, 0.9), Round(0.9, "It slipped.", 0.33, 0.4), Round(0.8, "Hm.", 0.5, 0.3))
    verdict = Verdict.of(rounds, best=1)
    assert (verdict.failure_probability, verdict.reason, verdict.detection_entropy) == (0.9, "It slipped.", 0.33)
    assert verdict.rounds == rounds


@pytest.mark.parametrize(("probability", "failed"), [(0.0, False), (0.49, False), (0.5, True), (1.0, True)])
def test_failed(probability: float, failed: bool) -> None:
    assert Verdict(probability, "", 0.0, 0.0).failed is failed
