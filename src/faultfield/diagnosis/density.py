"""The paper's estimator: how dense the diagnostic policy's actions are at a candidate's embedding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from faultfield.diagnosis.calibration import Calibrated
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.fields import FieldBank
from faultfield.diagnosis.metrics import Truth, distinct_pairs, variation_pairs
from faultfield.diagnosis.scorer import Scorer, Scores, nearest_support
from faultfield.errors import StudyError
from faultfield.field.config import FieldConfig
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.search.config import Algorithm, PpoSettings, SearchConfig
from faultfield.search.diagnostic import DiagnosticPolicy, train_diagnostic
from faultfield.variations import NOMINAL, Variation

Averaging = Literal["density", "log", "drift"]
"""How the density at a candidate is averaged over states: see `mean_log_density`."""


TUNED = SearchConfig(steps=40_000, ppo=PpoSettings(learning_rate=3e-3))
"""The search as this estimator trains it unless told otherwise. With the paper's learning rate of 3e-4 the policy has
hardly left the middle of the field after as many steps, and the direction in which it went is a matter of the seed."""

RESTARTS = 6
"""Trainings at most. Of those on robosuite Lift, four in ten ended among the successes: Eq. 2's repeat penalty makes a
failure that is found again and again worth less than a small cost. Such a training ranks the known variations backwards
(not one pair in order, where the others have every pair in order), so it is told without a further rollout."""

ENOUGH = 0.9
"""Share of pairs of known variations in the right order from which a training counts as having found the failures."""


class DensityScorer(Scorer):
    """Log-likelihood ratio p(a | s) / p(nominal | s) of the diagnostic policy (RoboMD, Section 3.4).

    The ratios span hundreds of nats and their scale changes from one training to the next; what survives is their
    order. They are therefore centred and scaled by what the known variations have, and compressed by asinh, which
    keeps the order, before `Calibrated` makes probabilities of them.

    Args:
        bank: Fits fields and keeps them.
        search: Settings of the diagnostic policy's training.
        seed: Of the first training; each further one counts on.
        average: What is averaged over states; when None, `drift`, or `density` for `sac`, which has no drift.
        restarts: Trainings at most: the first that orders the known variations by their failures is kept, or the best.
    """

    def __init__(
        self,
        bank: FieldBank,
        search: SearchConfig,
        seed: int = 0,
        average: Averaging | None = None,
        restarts: int = RESTARTS,
    ) -> None:
        self._bank, self._search, self._seed, self._restarts = bank, search, seed, restarts
        self._average: Averaging = average or ("density" if search.algorithm == "sac" else "drift")
        self.name = "density" if search.algorithm == "ppo" else f"density-{search.algorithm}"
        self.policy: DiagnosticPolicy

    def fit(self, episodes: Sequence[Episode]) -> "DensityScorer":
        """Fit the field, then train the diagnostic policy on the known embeddings, without a rollout.

        Attributes set: `policy`, the diagnostic policy kept, and `agreement`, the share of pairs of known variations
        (failure rates 0.4 apart or more) that it puts in the right order, 0–1; NaN where there is no such pair.
        """
        counts = Counts.of(episodes)
        self._field = self._bank.field(episodes)
        self._known = self._bank.embed(self._field, counts.variations)
        known = self._known.astype(np.float32)
        potential = np.asarray(self._field.potential(known), dtype=np.float64)
        pairs = distinct_pairs(Truth(counts.failures, counts.episodes))
        self.agreement = float("nan")
        for seed in range(self._seed, self._seed + self._restarts):
            policy = train_diagnostic(known, counts.rates, self._search, seed, potential=potential)
            agreement = variation_pairs(mean_log_density(policy, known, known, self._average), pairs)
            if not agreement <= self.agreement:
                self.policy, self.agreement = policy, agreement
            if not agreement < ENOUGH:
                break
        nominal = self._bank.embed(self._field, [NOMINAL])
        self._nominal = float(self._log_density(nominal)[0])
        ratios = self._log_density(self._known) - self._nominal
        self._center = float(np.median(ratios))
        spread = float(np.median(np.abs(ratios - self._center)))
        self._scale = max(spread, 1e-6 * max(float(np.abs(ratios).max()), 1.0))
        return self

    def log_ratios(self, candidates: Sequence[Variation]) -> NDArray[np.float64]:
        """Log-likelihood ratios against the nominal variation, in nats, float64 (n,): above 0 is likelier to fail."""
        return self._log_density(self._bank.embed(self._field, candidates)) - self._nominal

    def score(self, candidates: Sequence[Variation]) -> Scores:
        """Compressed log-likelihood ratios; support by distance in the field."""
        rows = self._bank.embed(self._field, candidates)
        ratios = self._log_density(rows) - self._nominal
        logit = np.arcsinh((ratios - self._center) / self._scale)
        return Scores(logit, np.zeros(len(rows)), nearest_support(self._known, rows))

    def _log_density(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        states = self._known.astype(np.float32)
        return mean_log_density(self.policy, states, rows.astype(np.float32), self._average)


def mean_log_density(
    policy: DiagnosticPolicy, states: NDArray[np.float32], rows: NDArray[np.float32], average: Averaging = "density"
) -> NDArray[np.float64]:
    """Log density of a diagnostic policy at candidates, averaged over states, in nats, float64 (n,).

    Args:
        policy: Trained.
        states: Embeddings, (s, d).
        rows: Candidates' embeddings, (n, d).
        average: `density` averages p(a | s), as RoboMD has it; in hundreds of dimensions the densest state then decides
            alone. `log` averages log p(a | s), so that every state has a say. `drift` does too, but of the ratio to the
            same Gaussian before it moved, around the middle of the known embeddings. The mean moves by a fraction of
            the way to the failures, across 512 dimensions of noise; the plain density is then highest in the middle
            of the field and, failures lying further out than successes, ranks them backwards. The ratio has no such
            term: it grows all the way in the direction in which the search went.

    Raises:
        StudyError: `drift` of a squashed policy (`sac`), which has no such Gaussian.
    """
    if average == "drift":
        return _drift(policy, states, rows)
    logs = policy.log_density(states, rows)
    if average == "log":
        return np.asarray(logs.mean(axis=0), dtype=np.float64)
    return np.asarray(logsumexp(logs, axis=0) - np.log(len(states)), dtype=np.float64)


def _drift(policy: DiagnosticPolicy, states: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean over states of log N(a; μ(s), σ) − log N(a; c, σ) = Σ (μ − c)(a − (μ + c) / 2) / σ²."""
    if policy.squashed:
        raise StudyError("The average 'drift' needs a Gaussian policy (ppo or a2c); sac's is squashed.")
    mean, log_std = policy.gaussian(states)
    center = policy.center.astype(np.float64)
    slope = (mean - center) * np.exp(-2.0 * log_std)
    return np.asarray(rows.astype(np.float64) @ slope.mean(axis=0) - 0.5 * (slope * (mean + center)).sum(axis=1).mean())


class Density(Calibrated):
    """The paper's estimator, its likelihood ratios turned into probabilities by a monotone map of held-out variations.

    Named `density`; `density-a2c` and `density-sac` with those algorithms.

    Args:
        views: What can be seen of variations.
        seed: Of the field, the search and the folds.
        field: Settings of the field.
        search: Settings of the search; `TUNED` when None.
        algorithm: Instead of the one that `search` names.
        average: What is averaged over states; when None, `drift`, or `density` for `sac`, which has no drift.
        folds: Of the cross-validation that calibrates; each trains a field and a diagnostic policy.
        restarts: Trainings of each diagnostic policy at most, see `DensityScorer`.
        bank: Fields shared with other estimators; its own when None.
    """

    def __init__(
        self,
        views: Views,
        seed: int = 0,
        *,
        field: FieldConfig | None = None,
        search: SearchConfig | None = None,
        algorithm: Algorithm | None = None,
        average: Averaging | None = None,
        folds: int | None = 5,
        restarts: int = RESTARTS,
        bank: FieldBank | None = None,
    ) -> None:
        shared = bank or FieldBank(views, field or FieldConfig(), seed)
        settings = search or TUNED
        if algorithm is not None:
            settings = replace(settings, algorithm=algorithm)
        super().__init__(lambda: DensityScorer(shared, settings, seed, average, restarts), folds, seed)

    @property
    def scorer(self) -> DensityScorer:
        """The fitted scorer, for its likelihood ratios and its diagnostic policy."""
        assert isinstance(self._scorer, DensityScorer)
        return self._scorer
