"""Picture anomaly as a baseline: how far a candidate's pictures lie from nominal ones."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.calibration import Calibrated
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.scorer import Scorer, Scores, nearest_support
from faultfield.field.encoders import CachingEncoder, Encoder, build_encoder
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.variations import NOMINAL, Variation

Space = Literal["features", "pixels"]


class AnomalyScorer(Scorer):
    """Cosine distance to the nearest nominal picture, as predictive red teaming has it (RoboART, Majumdar et al. 2025).

    No outcome is used but for the scale: the distances are divided by the known variations' median.

    Args:
        views: Gives the pictures.
        space: Distance in the encoder's `features`, or in `pixels` (root mean square instead of cosine).
        neighbors: Nominal pictures that the distance is averaged over.
        encoder: Turns pictures into features; the shipped one when None.
    """

    def __init__(
        self, views: Views, space: Space = "features", neighbors: int = 1, encoder: Encoder | None = None
    ) -> None:
        self._views, self._space, self._neighbors = views, space, neighbors
        self._encoder = encoder
        self.name = "anomaly" if space == "features" else "anomaly-pixels"

    def fit(self, episodes: Sequence[Episode]) -> "AnomalyScorer":
        """Keep the nominal pictures, and the scale of the known distances."""
        known = Counts.of(episodes).variations
        self._nominal = self._rows([NOMINAL])[0]
        self._known = self._rows(known).mean(axis=1)
        positive = [d for d in self._distances(known) if d > 0]
        self._scale = float(np.median(positive)) if positive else 1.0
        return self

    def score(self, candidates: Sequence[Variation]) -> Scores:
        """Logarithm of 1 + the relative distance; support by distance to the known variations' pictures."""
        rows = self._rows(candidates).mean(axis=1)
        logit = np.log1p(self._distances(candidates) / self._scale)
        return Scores(logit, np.zeros(len(rows)), nearest_support(self._known, rows))

    def _distances(self, variations: Sequence[Variation]) -> NDArray[np.float64]:
        rows = self._rows(variations)
        if self._space == "features":
            unit = rows / np.maximum(np.linalg.norm(rows, axis=2, keepdims=True), 1e-12)
            nominal = self._nominal / np.maximum(np.linalg.norm(self._nominal, axis=1, keepdims=True), 1e-12)
            between = np.maximum(1.0 - unit @ nominal.T, 0.0)
        else:
            difference = rows[:, :, None] - self._nominal[None, None]
            between = np.sqrt((difference**2).mean(axis=3))
        nearest = np.sort(between, axis=2)[:, :, : self._neighbors]
        return np.asarray(nearest.mean(axis=(1, 2)))

    def _rows(self, variations: Sequence[Variation]) -> NDArray[np.float64]:
        """One vector a picture, float64 (n, k, d)."""
        pictures = self._views.pictures(variations)
        flat = pictures.reshape(-1, *pictures.shape[2:])
        if self._space == "pixels":
            # Every fourth pixel each way: the distances are the same to a few per mille, at a sixteenth of the memory.
            rows = flat[:, ::4, ::4].reshape(len(flat), -1).astype(np.float64) / 255.0
        else:
            if self._encoder is None:
                self._encoder = CachingEncoder(build_encoder())
            rows = self._encoder.encode_pictures(flat).astype(np.float64)
        return rows.reshape(*pictures.shape[:2], -1)


class Anomaly(Calibrated):
    """Failure probability from picture anomaly alone.

    Args:
        views: Gives the pictures.
        seed: Of the folds.
        space: `features` of the encoder, or `pixels`.
        neighbors: Nominal pictures that the distance is averaged over.
        encoder: Turns pictures into features; the shipped one when None.
        folds: Of the cross-validation that calibrates.
    """

    def __init__(
        self,
        views: Views,
        seed: int = 0,
        *,
        space: Space = "features",
        neighbors: int = 1,
        encoder: Encoder | None = None,
        folds: int | None = 5,
    ) -> None:
        shared = encoder or (CachingEncoder(build_encoder()) if space == "features" else None)
        super().__init__(lambda: AnomalyScorer(views, space, neighbors, shared), folds, seed)
