"""Estimators on the probe: failure follows from what the policy would do differently. The default of a diagnosis."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.calibration import Calibrated, Calibration
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.logistic import Logistic, fit_logistic
from faultfield.diagnosis.scorer import Scorer, Scores, nearest_support
from faultfield.diagnosis.values import ValuesScorer
from faultfield.field.probe import FEATURES
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation

USED = ("grasp", "bias_x", "bias_y", "bias_z")
"""The features that the line stands on: how much the policy's answer near the grasp changes, and which way. With more
of them, two dozen known variations teach weights that do not hold elsewhere (the lift's response, above all)."""

PRIOR_INTERCEPT = -6.5
"""Failure logit of a policy that does nothing different, before any rollout. Lines fitted to two Lift policies over 100
variations each begin at −3.9 and −9.1."""

PRIOR_WEIGHT = 2.5
"""Failure logits per unit of `grasp` before any rollout; the same two lines say 1.9 and 3.1. Which way is harmful
depends on where a policy errs anyway, so the signed features have none."""

PRIOR_SPREAD = 1.5
"""By how much that map errs, a standard deviation on the logit scale."""

HIDDEN_LOGIT, HIDDEN_SPREAD = -2.0, 2.0
"""What is believed of a factor that no picture shows and no rollout touched: a failure rate of 12 %, give or take."""

HIDDEN_SUPPORT = 0.3
"""Factor on the support of a candidate whose changes are partly hidden from the probe."""


class ProbeScorer(Scorer):
    """Logistic regression on the probe's features; what no picture shows comes from the factor values.

    The weight of the size of the change is never negative; the weights of its direction are free, and learned from any
    known variation serve all others: a shifted grasp is a shifted grasp, whatever shifted it.

    Args:
        views: Gives the features.
        seed: Of the model of hidden factors.
    """

    name = "probe"

    def __init__(self, views: Views, seed: int = 0) -> None:
        self._views, self._seed = views, seed

    def fit(self, episodes: Sequence[Episode]) -> "ProbeScorer":
        """Learn the line from variations that pictures show entirely, and the rest from those of hidden factors alone.

        Raises:
            LedgerError: There are no episodes.
            SetupError: The views cannot be probed.
        """
        counts = Counts.of(episodes)
        hidden = self._views.hidden(counts.variations)
        seen = counts.at(np.flatnonzero(~hidden))
        self._known = used(self._views, seen.variations)
        self.line = fit_line(self._known, seen)
        self._values = _values_of_hidden(self._views, episodes, counts, self._seed)
        return self

    def score(self, candidates: Sequence[Variation]) -> Scores:
        """Logit and deviation of the line, and support by distance in the features."""
        rows = used(self._views, candidates)
        seen = Scores(self.line.logits(rows), np.sqrt(self.line.variances(rows)), nearest_support(self._known, rows))
        return with_hidden(self._views, candidates, seen, self._values)


class ProbeLogistic(Calibrated):
    """The default estimator: the probe, fitted to failures, calibrated on held-out known variations.

    Args:
        views: Gives the probe's features.
        seed: Of the folds.
        folds: Of the cross-validation that calibrates.
    """

    def __init__(self, views: Views, seed: int = 0, *, folds: int | None = None) -> None:
        super().__init__(lambda: ProbeScorer(views, seed), folds, seed)


class ProbeLine(Estimator):
    """The probe's line alone, for whoever asks again after every few episodes: no cross-validation, no other model.

    Args:
        views: Gives the probe's features.
        seed: Not used; every estimator takes one.
        drawn: Whether the line is drawn towards what lines of other policies were; if not, towards one that says one
            half of everything.
    """

    name = "probe-line"

    def __init__(self, views: Views, seed: int = 0, *, drawn: bool = True) -> None:
        self._views, self._drawn = views, drawn

    def fit(self, episodes: Sequence[Episode]) -> "ProbeLine":
        """Learn the line from variations that pictures show entirely.

        Raises:
            LedgerError: There are no episodes.
            SetupError: The views cannot be probed.
        """
        counts = Counts.of(episodes)
        seen = counts.at(np.flatnonzero(~self._views.hidden(counts.variations)))
        self._known = used(self._views, seen.variations)
        self._line = fit_line(self._known, seen, self._drawn)
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """Failure probability, the interval of that probability (90 %, not of a rate), and support."""
        if not candidates:
            return Estimates(*(np.empty(0) for _ in range(4)))
        rows = used(self._views, candidates)
        seen = Scores(self._line.logits(rows), np.sqrt(self._line.variances(rows)), nearest_support(self._known, rows))
        scores = with_hidden(self._views, candidates, seen, None)
        spread = np.hypot(scores.spread, PRIOR_SPREAD)
        low, high = (expit(scores.logit + side * 1.645 * spread) for side in (-1.0, 1.0))
        return Estimates(expit(scores.logit), low, high, scores.support)


class ProbePrior(Estimator):
    """The probe before any rollout of a variation: a fixed map from the response to a probability.

    Args:
        views: Gives the probe's features.
        seed: Not used; every estimator takes one.
    """

    name = "probe-prior"

    def __init__(self, views: Views, seed: int = 0) -> None:
        self._views = views

    def fit(self, episodes: Sequence[Episode]) -> "ProbePrior":
        """Learns nothing: its constants were measured on the policies that ship."""
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """Failure probability, interval and support of each candidate."""
        if not candidates:
            return Estimates(*(np.empty(0) for _ in range(4)))
        rows = used(self._views, candidates)
        support = nearest_support(np.zeros_like(rows[:1]), rows)
        seen = Scores(PRIOR_INTERCEPT + PRIOR_WEIGHT * rows[:, 0], np.zeros(len(rows)), support)
        calibration = Calibration(slope=1.0, offset=0.0, spread=PRIOR_SPREAD)
        return calibration.estimates(with_hidden(self._views, candidates, seen, None), self.episodes)


def fit_line(rows: NDArray[np.float64], counts: Counts, drawn: bool = True) -> Logistic:
    """The line through what was counted, drawn towards the prior.

    Args:
        rows: Features as `used` gives them, float64 (n, len(USED)).
        counts: What was counted of the n variations, which pictures show entirely.
        drawn: Whether the prior is that of other policies; if not, it is zeros.
    """
    weight, intercept = (PRIOR_WEIGHT, PRIOR_INTERCEPT) if drawn else (0.0, 0.0)
    return fit_logistic(
        rows, counts.failures, counts.episodes, center=[weight, 0.0, 0.0, 0.0], precision=1.0,
        intercept_center=intercept, intercept_precision=0.1, increasing=[True, False, False, False],
        overdispersion=0.1,
    )  # fmt: skip


def used(views: Views, variations: Sequence[Variation]) -> NDArray[np.float64]:
    """The columns of the probe's features that the line stands on, float64 (n, len(USED))."""
    return views.probe(variations)[:, [FEATURES.index(name) for name in USED]]


def with_hidden(views: Views, candidates: Sequence[Variation], seen: Scores, values: ValuesScorer | None) -> Scores:
    """Add the risk of what no picture shows: a candidate fails for what is seen or, independently, for what is not.

    Args:
        views: Tells which factors are seen.
        candidates: n of them.
        seen: Scores of their visible parts.
        values: Scores variations of hidden factors alone; None where no rollout touched any.
    """
    hidden = views.hidden(candidates)
    if not hidden.any():
        return seen
    rows = np.flatnonzero(hidden)
    parts = [_hidden_part(views, candidates[i]) for i in rows]
    risk = Scores(*(np.full(len(rows), v) for v in (HIDDEN_LOGIT, HIDDEN_SPREAD, 1.0)))
    if values is not None:
        risk = values.score(parts)
    score, spread, support = seen.logit.copy(), seen.spread.copy(), seen.support.copy()
    both = 1.0 - expit(-seen.logit[rows]) * expit(-risk.logit)
    score[rows] = logit(np.clip(both, 1e-6, 1.0 - 1e-6))
    spread[rows] = np.hypot(seen.spread[rows], risk.spread)
    support[rows] *= HIDDEN_SUPPORT * risk.support
    return Scores(score, spread, support)


def _hidden_part(views: Views, variation: Variation) -> Variation:
    return views.space.variation({n: v for n, v in variation.items() if not views.space.factor(n).visible})


def _values_of_hidden(views: Views, episodes: Sequence[Episode], counts: Counts, seed: int) -> ValuesScorer | None:
    """A Gaussian process on the values of variations that change hidden factors alone, and of nominal."""
    alone = {v for v in counts.variations if all(not views.space.factor(name).visible for name in v)}
    if sum(not v.is_nominal for v in alone) < 2:
        return None
    return ValuesScorer(views, "gp", seed).fit([e for e in episodes if e.variation in alone])
