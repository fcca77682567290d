"""The probe's estimators on the toy, whose exact failure rates are known."""

import numpy as np
import pytest
from scipy.special import expit

from faultfield.diagnosis.calibration import Calibrated
from faultfield.diagnosis.metrics import spearman
from faultfield.diagnosis.probe import USED, ProbeLine, ProbeLogistic, ProbePrior, ProbeScorer
from faultfield.rollouts.episode import Episode
from faultfield.variations import NOMINAL
from tests.diagnosis.conftest import ToyStudy


@pytest.mark.parametrize("kind", [ProbePrior, ProbeLogistic])
def test_unseen_variations_are_ranked_as_they_fail(kind: type, toy: ToyStudy) -> None:
    estimates = kind(toy.views).fit(toy.episodes).estimate(toy.unseen)
    assert spearman(estimates.mean, toy.rates) > 0.85
    assert (estimates.low <= estimates.mean).all()
    assert (estimates.mean <= estimates.high).all()
    assert ((estimates.support > 0) & (estimates.support <= 1)).all()


def test_without_a_response_the_prior_believes_in_success(toy: ToyStudy) -> None:
    estimates = ProbePrior(toy.views).estimate([NOMINAL])
    assert estimates.mean[0] < 0.1
    assert estimates.support[0] == 1.0


def test_nominal_successes_alone_leave_a_drawn_line_where_other_policies_have_theirs(toy: ToyStudy) -> None:
    nominal = [episode for episode in toy.episodes if episode.variation.is_nominal]
    drawn, free = (ProbeLine(toy.views, drawn=drawn).fit(nominal).estimate(toy.unseen) for drawn in (True, False))
    assert spearman(drawn.mean, toy.rates) > 0.85
    assert np.ptp(free.mean) < 1e-6, "with nothing to stand on and no variation seen all are alike"


def test_more_known_variations_than_the_worst_case_of_four_are_not_needed(toy: ToyStudy) -> None:
    chosen = [toy.episodes[0].variation, *{e.variation: None for e in toy.episodes if not e.variation.is_nominal}]
    few = [e for e in toy.episodes if e.variation in set(chosen[1:9:2])]
    estimates = ProbeLogistic(toy.views).fit(few).estimate(toy.unseen)
    assert len({e.variation for e in few}) == 4
    assert spearman(estimates.mean, toy.rates) > 0.7


def test_failure_grows_with_the_size_of_the_response(toy: ToyStudy) -> None:
    scorer = ProbeScorer(toy.views).fit(toy.episodes)
    assert scorer.line.weights[USED.index("grasp")] > 0
    bigger = scorer.line.logits([[2.0, 0.0, 0.0, 0.0], [3.0, 0.0, 0.0, 0.0]])
    assert bigger[1] > bigger[0]


def test_the_default_is_calibrated_by_leaving_one_variation_out(toy: ToyStudy) -> None:
    estimator = ProbeLogistic(toy.views).fit(toy.episodes)
    assert isinstance(estimator, Calibrated)
    known = {e.variation for e in toy.episodes if not e.variation.is_nominal}
    assert len(np.unique(estimator.held_out.folds)) == len(known)
    held = estimator.held_out
    rates = held.counts.failures / held.counts.episodes
    inside = (held.estimates.low <= rates) & (rates <= held.estimates.high)
    assert inside.mean() > 0.75
    assert abs(held.estimates.mean.mean() - rates.mean()) < 0.12


def test_a_hidden_factor_is_predicted_from_its_values_and_marked(toy: ToyStudy, windy: list[Episode]) -> None:
    space = toy.views.space
    calm, breeze, storm = (
        space.variation({"goal_color": "crimson"} | ({"wind": w} if w else {})) for w in (0.0, 0.15, 1.7)
    )
    estimates = ProbeLogistic(toy.views).fit(windy).estimate([calm, breeze, storm])
    assert estimates.mean[2] > 0.6
    assert estimates.mean[1] < 0.4
    assert (estimates.support[1:] < estimates.support[0]).all()


def test_a_hidden_factor_that_nothing_is_known_of_widens_the_interval(toy: ToyStudy) -> None:
    space = toy.views.space
    seen, hidden = space.variation({"brightness": 0.95}), space.variation({"brightness": 0.95, "wind": 1.0})
    for estimator in (ProbePrior(toy.views), ProbeLogistic(toy.views)):
        estimates = estimator.fit(toy.episodes).estimate([seen, hidden])
        width = estimates.high - estimates.low
        assert width[1] > width[0]
        assert estimates.support[1] < estimates.support[0]
        assert estimates.mean[1] > estimates.mean[0]


def test_risks_join_as_independent_causes(toy: ToyStudy, windy: list[Episode]) -> None:
    scorer = ProbeScorer(toy.views).fit(windy)
    space = toy.views.space
    look, wind, both = (
        space.variation(v) for v in ({"brightness": 0.5}, {"wind": 0.9}, {"brightness": 0.5, "wind": 0.9})
    )
    look_risk, nominal_risk, wind_risk, both_risk = expit(scorer.score([look, NOMINAL, wind, both]).logit)
    hidden_risk = 1 - (1 - wind_risk) / (1 - nominal_risk)
    assert both_risk == pytest.approx(1 - (1 - look_risk) * (1 - hidden_risk), abs=1e-6)


@pytest.mark.parametrize("kind", [ProbeLine, ProbeLogistic])
def test_what_was_seen_of_hidden_factors_alone_leaves_the_prior_and_no_support(
    kind: type, toy: ToyStudy, windy: list[Episode]
) -> None:
    winds = [e for e in windy if "wind" in e.variation]
    storm = toy.views.space.variation({"wind": 1.7})
    estimates = kind(toy.views).fit(winds).estimate([*toy.unseen, storm])
    assert (estimates.support == 0.0).all()
    assert ((estimates.low <= estimates.mean) & (estimates.mean <= estimates.high)).all()
    # No picture was learned from, so they are ranked as the probe's prior ranks them.
    prior = ProbePrior(toy.views).estimate(toy.unseen)
    assert spearman(estimates.mean[:-1].round(6), prior.mean.round(6)) == pytest.approx(1.0)
