"""Gaussian processes on failure logits: the core, and the estimator that stands on the field's embedding."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from faultfield.diagnosis.calibration import Calibrated
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.fields import FieldBank
from faultfield.diagnosis.scorer import Scorer, Scores, nearest_support
from faultfield.field.config import FieldConfig
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation


class LogitGP:
    """BoTorch's `SingleTaskGP` on empirical failure logits with the noise that binomial counts have.

    Matérn 5/2 with one length scale for all columns: a few dozen variations cannot teach one each. The length scale's
    prior grows with the root of the number of columns (Hvarfner et al. 2024), the output scale's covers logits of a
    few units.
    """

    def fit(self, rows: NDArray[np.float64], counts: Counts) -> "LogitGP":
        """Learn from m variations.

        Args:
            rows: Scaled features, float64 (m, d).
            counts: What was counted of them.
        """
        from botorch.fit import fit_gpytorch_mll
        from botorch.models import SingleTaskGP
        from gpytorch.kernels import MaternKernel, ScaleKernel
        from gpytorch.mlls import ExactMarginalLogLikelihood
        from gpytorch.priors import LogNormalPrior

        scale_prior = LogNormalPrior(0.5 * math.log(max(rows.shape[1], 1)), 1.0)
        kernel = ScaleKernel(
            MaternKernel(nu=2.5, lengthscale_prior=scale_prior), outputscale_prior=LogNormalPrior(math.log(4.0), 1.0)
        ).double()
        kernel.base_kernel.lengthscale = math.exp(scale_prior.loc.item())
        kernel.outputscale = 4.0
        self._model = SingleTaskGP(
            torch.as_tensor(rows), torch.as_tensor(counts.logits)[:, None],
            torch.as_tensor(counts.logit_variances)[:, None], covar_module=kernel, outcome_transform=None,
        )  # fmt: skip
        fit_gpytorch_mll(ExactMarginalLogLikelihood(self._model.likelihood, self._model))
        return self

    def predict(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean and standard deviation of the latent failure logit, float64 (n,) each, of scaled features (n, d)."""
        with torch.no_grad():
            posterior = self._model.posterior(torch.as_tensor(rows))
        mean = posterior.mean[:, 0].numpy().astype(np.float64)
        return mean, np.sqrt(posterior.variance[:, 0].numpy().astype(np.float64))


class Projection:
    """Principal components of known rows, on the scale of their largest; for embeddings longer than they are many.

    Args:
        known: Rows, float64 (m, d).
        count: Components at most.
    """

    def __init__(self, known: NDArray[np.float64], count: int) -> None:
        self._mean = known.mean(axis=0)
        _, singular, directions = np.linalg.svd(known - self._mean, full_matrices=False)
        kept = min(count, int((singular > 1e-6 * max(float(singular[0]), 1e-12)).sum()))
        self._directions = directions[: max(kept, 1)]
        deviation = float(singular[0]) / math.sqrt(len(known))
        self._scale = deviation if deviation > 1e-12 else 1.0

    def __call__(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Components of rows (n, d), float64 (n, kept)."""
        return np.asarray((rows - self._mean) @ self._directions.T / self._scale)


class FieldGPScorer(Scorer):
    """A Gaussian process on principal components of the field's embedding.

    Args:
        bank: Fits fields and keeps them.
        components: Principal components at most.
    """

    name = "gp"

    def __init__(self, bank: FieldBank, components: int = 6) -> None:
        self._bank, self._components = bank, components

    def fit(self, episodes: Sequence[Episode]) -> "FieldGPScorer":
        """Fit the field, then the process on the known variations' embeddings."""
        counts = Counts.of(episodes)
        self._field = self._bank.field(episodes)
        self._known = self._bank.embed(self._field, counts.variations)
        self._projection = Projection(self._known, self._components)
        self._gp = LogitGP().fit(self._projection(self._known), counts)
        return self

    def score(self, candidates: Sequence[Variation]) -> Scores:
        """The process's mean and deviation; support by distance in the field."""
        rows = self._bank.embed(self._field, candidates)
        mean, deviation = self._gp.predict(self._projection(rows))
        return Scores(mean, deviation, nearest_support(self._known, rows))


class FieldGP(Calibrated):
    """Gaussian process on the field's embedding: smooth in the potential field, wide where nothing is known.

    Args:
        views: What can be seen of variations.
        seed: Of the field's training and of the folds.
        field: Settings of the field.
        components: Principal components of the embedding at most.
        folds: Of the cross-validation that calibrates.
        bank: Fields shared with other estimators; its own when None.
    """

    def __init__(
        self,
        views: Views,
        seed: int = 0,
        *,
        field: FieldConfig | None = None,
        components: int = 6,
        folds: int | None = 5,
        bank: FieldBank | None = None,
    ) -> None:
        shared = bank or FieldBank(views, field or FieldConfig(), seed)
        super().__init__(lambda: FieldGPScorer(shared, components), folds, seed)
