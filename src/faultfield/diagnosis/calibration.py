"""From scores to probabilities: cross-validation over variations, Platt scaling with shrinkage, and intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.counts import Counts, deal
from faultfield.diagnosis.intervals import MAX_SPREAD, log_likelihood, predictive_interval, predictive_mean
from faultfield.diagnosis.scorer import Scorer, Scores
from faultfield.errors import LedgerError
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation


@dataclass(frozen=True)
class Calibration:
    """Score to failure probability: sigmoid(slope · score + offset + spread · z), z standard normal.

    The three numbers are plugged in as if they were certain, so with few known variations intervals are too narrow. In
    simulations (docs/results/coverage.md) with a scorer that errs by half a logit those of 90 % held .87 of the rates
    of ten fresh episodes with 4 known variations, .90 with 8 and .92 with 20; of thirty fresh ones .78, .85 and .88.

    Attributes:
        slope: Positive, so that the map keeps the order.
        offset: On the logit scale.
        spread: Latent spread, what the scorer errs by beyond what it knows itself, on the logit scale.
    """

    slope: float
    offset: float
    spread: float

    @classmethod
    def fit(cls, scores: Scores, failures: NDArray[np.float64], episodes: NDArray[np.float64]) -> "Calibration":
        """Most probable slope, offset and spread given held-out scores (Platt 1999, with a latent spread and priors).

        The priors hold where few variations say little: slope log-normal around 1 (deviation 1), offset normal around 0
        (deviation 2), spread with density σ·exp(−σ).

        Args:
            scores: Of n variations, each made without its own episodes.
            failures: How many episodes of each failed, float64 (n,).
            episodes: Out of how many, float64 (n,).
        """

        def loss(parameters: NDArray[np.float64]) -> float:
            log_slope, offset, log_spread = parameters
            slope, spread = np.exp(log_slope), np.exp(log_spread)
            total = np.hypot(spread, slope * scores.spread)
            likelihood = log_likelihood(slope * scores.logit + offset, failures, episodes, total).sum()
            prior = -0.5 * log_slope**2 - 0.5 * (offset / 2.0) ** 2 + log_spread - spread
            return float(-likelihood - prior)

        # Started from a small and from a large spread: either "all noise" or "a few great misses" may fit best.
        bounds = [(-5.0, 3.0), (-10.0, 10.0), (np.log(1e-3), np.log(MAX_SPREAD))]
        starts = [(0.0, 0.0, np.log(0.3)), (0.0, 0.0, np.log(2.0)), (-2.0, 0.0, np.log(1.0))]
        fits = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
        log_slope, offset, log_spread = min(fits, key=lambda fit: float(fit.fun)).x
        return cls(float(np.exp(log_slope)), float(offset), float(np.exp(log_spread)))

    def estimates(self, scores: Scores, episodes: int | NDArray[np.float64] = 30) -> Estimates:
        """Probabilities, and intervals (90 %) of the rate over `episodes` fresh episodes; support goes through.

        Intervals hold less where the calibration was learned from few variations (see the class).

        Of fewer episodes a rate varies more, so an interval is to be compared with a rate over as many: one number, or
        one for each row, shape (n,).

        An interval is widened to its mean where a very skewed distribution leaves that outside.
        """
        logits = self.slope * scores.logit + self.offset
        total = np.hypot(self.spread, self.slope * scores.spread)
        mean = predictive_mean(logits, total)
        each = np.broadcast_to(np.asarray(episodes, dtype=np.int64), logits.shape)
        low, high = np.zeros(len(logits)), np.ones(len(logits))
        for number in np.unique(each):
            rows = each == number
            low[rows], high[rows] = predictive_interval(logits[rows], total[rows], int(number))
        return Estimates(mean, np.minimum(low, mean), np.maximum(high, mean), scores.support)


@dataclass(frozen=True)
class HeldOut:
    """What an estimator said of known variations before it was shown them.

    Attributes:
        counts: What was counted, n rows.
        estimates: Made without the row's episodes, n rows.
        folds: Which group each row was held out with, int64 (n,).
    """

    counts: Counts
    estimates: Estimates
    folds: NDArray[np.int64]


class Calibrated(Estimator):
    """Any scorer as an estimator: calibrated on scores of variations that it was not shown.

    Variations, not episodes, are dealt into folds: episodes of one variation share its look and stay on one side.

    Args:
        scorer: Makes a fresh scorer.
        folds: How many groups of variations; `None` leaves out one variation at a time.
        seed: Of the dealing.

    Attributes:
        calibration: Fitted on all held-out scores.
        held_out: Cross-fitted: the calibration of each fold is learned from the other folds.
    """

    def __init__(self, scorer: Callable[[], Scorer], folds: int | None = 5, seed: int = 0) -> None:
        self._factory, self._folds, self._seed = scorer, folds, seed
        self.name = scorer().name
        self._scorer: Scorer | None = None
        self.calibration: Calibration
        self.held_out: HeldOut

    def fit(self, episodes: Sequence[Episode]) -> "Calibrated":
        """Score every fold by a scorer of the others, calibrate, then learn from all.

        Raises:
            LedgerError: Fewer than two known variations besides the nominal one.
        """
        counts = Counts.of(episodes)
        groups = deal(counts, self._folds or len(counts.variations), self._seed)
        parts = []
        for group in groups:
            hidden = {counts.variations[i] for i in group}
            scorer = self._factory().fit([e for e in episodes if e.variation not in hidden])
            parts.append(scorer.score([counts.variations[i] for i in group]))
        rows = np.concatenate(groups)
        fold = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        scores, counted = _joined(parts), counts.at(rows)
        self.calibration = Calibration.fit(scores, counted.failures, counted.episodes)
        self.held_out = HeldOut(counted, _cross_fitted(scores, counted, fold), fold)
        self._scorer = self._factory().fit(episodes)
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """Calibrated probability, interval and support of each candidate.

        Raises:
            LedgerError: `fit` was not called.
        """
        if self._scorer is None:
            raise LedgerError(f"The estimator '{self.name}' has not learned from episodes yet; call fit first.")
        if not candidates:
            return Estimates(*(np.empty(0) for _ in range(4)))
        return self.calibration.estimates(self._scorer.score(candidates), self.episodes)


def _joined(parts: Sequence[Scores]) -> Scores:
    return Scores(
        np.concatenate([part.logit for part in parts]),
        np.concatenate([part.spread for part in parts]),
        np.concatenate([part.support for part in parts]),
    )


def _rows(scores: Scores, rows: NDArray[np.bool_]) -> Scores:
    return Scores(scores.logit[rows], scores.spread[rows], scores.support[rows])


def _cross_fitted(scores: Scores, counts: Counts, fold: NDArray[np.int64]) -> Estimates:
    """Each fold's estimates under the calibration that the other folds teach."""
    columns = np.empty((4, len(fold)))
    for group in np.unique(fold):
        inside = fold == group
        taught = Calibration.fit(_rows(scores, ~inside), counts.failures[~inside], counts.episodes[~inside])
        estimates = taught.estimates(_rows(scores, inside), counts.episodes[inside])
        columns[:, inside] = estimates.mean, estimates.low, estimates.high, estimates.support
    return Estimates(*columns)
