"""Estimators on factor values alone: they need no picture, so they are what is left for friction and mass."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.calibration import Calibrated
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.gp import LogitGP
from faultfield.diagnosis.logistic import fit_logistic
from faultfield.diagnosis.scorer import Scaling, Scorer, Scores, nearest_support
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor

Model = Literal["gp", "logistic", "forest"]


class ValuesScorer(Scorer):
    """A model on `VariationSpace.encode`.

    Args:
        views: Gives the values.
        model: `gp` (BoTorch), `logistic` (ridge penalty 1 on scaled values), `forest` (200 trees on empirical logits).
        seed: Of the forest.
    """

    def __init__(self, views: Views, model: Model, seed: int = 0) -> None:
        self._views, self._model, self._seed = views, model, seed
        self.name = "values" if model == "gp" else f"values-{model}"

    def fit(self, episodes: Sequence[Episode]) -> "ValuesScorer":
        """Learn from one row a variation."""
        counts = Counts.of(episodes)
        raw = self._views.values(counts.variations)
        self._scaling = Scaling(raw)
        self._known = self._scaling(raw)
        if self._model == "gp":
            self._gp = LogitGP().fit(self._known, counts)
        elif self._model == "logistic":
            self._line = fit_logistic(self._known, counts.failures, counts.episodes)
        else:
            self._trees = _forest(self._known, counts, self._seed)
        return self

    def score(self, candidates: Sequence[Variation]) -> Scores:
        """The model's logit, with its deviation where it has one; support by distance in scaled values."""
        rows = self._scaling(self._views.values(candidates))
        support = nearest_support(self._known, rows)
        if self._model == "gp":
            return Scores(*self._gp.predict(rows), support)
        if self._model == "logistic":
            return Scores(self._line.logits(rows), np.sqrt(self._line.variances(rows)), support)
        return Scores(self._trees.predict(rows), np.zeros(len(rows)), support)


class ValuesGP(Calibrated):
    """Gaussian process on factor values: the estimator for what no picture shows (friction, mass).

    Args:
        views: Gives the values.
        seed: Of the folds.
        folds: Of the cross-validation that calibrates.
    """

    def __init__(self, views: Views, seed: int = 0, *, folds: int | None = 5) -> None:
        super().__init__(lambda: ValuesScorer(views, "gp", seed), folds, seed)


class ValuesLogistic(Calibrated):
    """Logistic regression on factor values: the plainest baseline.

    Args:
        views: Gives the values.
        seed: Of the folds.
        folds: Of the cross-validation that calibrates.
    """

    def __init__(self, views: Views, seed: int = 0, *, folds: int | None = 5) -> None:
        super().__init__(lambda: ValuesScorer(views, "logistic", seed), folds, seed)


class ValuesForest(Calibrated):
    """Random forest on factor values.

    Args:
        views: Gives the values.
        seed: Of the forest and of the folds.
        folds: Of the cross-validation that calibrates.
    """

    def __init__(self, views: Views, seed: int = 0, *, folds: int | None = 5) -> None:
        super().__init__(lambda: ValuesScorer(views, "forest", seed), folds, seed)


def _forest(known: NDArray[np.float64], counts: Counts, seed: int) -> "RandomForestRegressor":
    from sklearn.ensemble import RandomForestRegressor

    forest = RandomForestRegressor(n_estimators=200, random_state=seed, n_jobs=1)
    forest.fit(known, counts.logits, sample_weight=1.0 / counts.logit_variances)
    return forest
