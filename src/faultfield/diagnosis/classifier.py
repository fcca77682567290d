"""The field's own classification head as an estimator."""

from collections.abc import Sequence

import numpy as np

from faultfield.diagnosis.calibration import Calibrated
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.fields import FieldBank
from faultfield.diagnosis.scorer import Scorer, Scores, nearest_support
from faultfield.field.config import FieldConfig
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation


class ClassifierScorer(Scorer):
    """The potential at a candidate's embedding: the failure logit of the head (RoboMD, Section 3.2).

    Args:
        bank: Fits fields and keeps them.
    """

    def __init__(self, bank: FieldBank) -> None:
        self._bank = bank
        self.name = "field+probe" if bank.uses_probe else "field"

    def fit(self, episodes: Sequence[Episode]) -> "ClassifierScorer":
        """Fit the field."""
        self._field = self._bank.field(episodes)
        self._known = self._bank.embed(self._field, Counts.of(episodes).variations)
        return self

    def score(self, candidates: Sequence[Variation]) -> Scores:
        """The potential; support by distance in the field."""
        rows = self._bank.embed(self._field, candidates)
        potential = np.asarray(self._field.potential(rows.astype(np.float32)), dtype=np.float64)
        return Scores(potential, np.zeros(len(rows)), nearest_support(self._known, rows))


class FieldClassifier(Calibrated):
    """Failure probability from the field's potential, averaged over the candidate's pictures.

    Named `field`; `field+probe` where the policy's response is among the field's inputs.

    Args:
        views: What can be seen of variations.
        seed: Of the field's training and of the folds.
        field: Settings of the field.
        folds: Of the cross-validation that calibrates.
        bank: Fields shared with other estimators; its own when None.
    """

    def __init__(
        self,
        views: Views,
        seed: int = 0,
        *,
        field: FieldConfig | None = None,
        folds: int | None = 5,
        bank: FieldBank | None = None,
    ) -> None:
        shared = bank or FieldBank(views, field or FieldConfig(), seed)
        super().__init__(lambda: ClassifierScorer(shared), folds, seed)
