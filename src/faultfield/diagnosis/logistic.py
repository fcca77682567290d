"""Regularised logistic regression on failures out of episodes, with signs that may be known beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize
from scipy.special import expit


@dataclass(frozen=True)
class Logistic:
    """A fitted line on the logit scale: logit = intercept + features · weights.

    Attributes:
        intercept: Logit where all features are zero.
        weights: Logits per unit of each feature, float64 (f,).
        covariance: Of (intercept, weights) by Laplace's approximation, float64 (f + 1, f + 1).
    """

    intercept: float
    weights: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def logits(self, features: ArrayLike) -> NDArray[np.float64]:
        """Failure logits of rows of features (n, f), float64 (n,)."""
        return np.asarray(self.intercept + np.asarray(features, dtype=np.float64) @ self.weights)

    def variances(self, features: ArrayLike) -> NDArray[np.float64]:
        """How uncertain those logits are because the line was fitted to few variations, variances (n,)."""
        x = _with_ones(np.asarray(features, dtype=np.float64))
        return np.asarray(np.einsum("ij,jk,ik->i", x, self.covariance, x))


def fit_logistic(
    features: ArrayLike,
    failures: ArrayLike,
    episodes: ArrayLike,
    *,
    precision: float | ArrayLike = 1.0,
    center: ArrayLike | None = None,
    intercept_precision: float = 1e-6,
    intercept_center: float = 0.0,
    increasing: bool | Sequence[bool] | NDArray[np.bool_] = False,
    overdispersion: float = 0.0,
) -> Logistic:
    """The most probable line under a binomial likelihood and independent normal priors.

    Args:
        features: One row a variation, shape (n, f).
        failures: Failed episodes, shape (n,).
        episodes: Episodes, shape (n,), each at least 1.
        precision: Inverse variance of the weights' priors, one number or (f,).
        center: Means of the weights' priors, shape (f,); zeros when None.
        intercept_precision: Inverse variance of the intercept's prior.
        intercept_center: Mean of the intercept's prior.
        increasing: Which weights may not be negative (all, none, or one answer each): failure may then only become
            likelier as the feature grows.
        overdispersion: Correlation ρ of the outcomes within one variation, 0–1. A variation of n episodes then counts
            as n / (1 + (n − 1) ρ): one picture tells little more about the line when rolled out a hundred times.

    Returns:
        The line; its covariance takes weights that stand at the bound 0 as fixed.
    """
    x = _with_ones(np.asarray(features, dtype=np.float64))
    k = np.asarray(failures, dtype=np.float64)
    n = np.asarray(episodes, dtype=np.float64)
    weight = 1.0 / (1.0 + (n - 1.0) * overdispersion)
    count = x.shape[1] - 1
    strength = np.concatenate([[intercept_precision], np.broadcast_to(np.asarray(precision, dtype=float), (count,))])
    middle = np.concatenate(
        [[intercept_center], np.zeros(count) if center is None else np.asarray(center, dtype=float)]
    )

    def loss(beta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = x @ beta
        off = beta - middle
        value = weight @ (n * np.logaddexp(0.0, logits) - k * logits) + 0.5 * strength @ off**2
        gradient = x.T @ (weight * (n * expit(logits) - k)) + strength * off
        return float(value), gradient

    one_sided = np.concatenate([[False], np.broadcast_to(np.asarray(increasing, dtype=bool), (count,))])
    bounds = [(0.0 if bound else None, None) for bound in one_sided]
    start = np.where(one_sided, np.maximum(middle, 0.0), middle)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 2000, "ftol": 1e-12})
    beta = np.asarray(found.x)
    rate = expit(x @ beta)
    hessian = (x * (weight * n * rate * (1.0 - rate))[:, None]).T @ x + np.diag(strength)
    free = ~one_sided | (beta > 0.0)
    covariance = np.zeros_like(hessian)
    covariance[np.ix_(free, free)] = np.linalg.inv(hessian[np.ix_(free, free)])
    return Logistic(float(beta[0]), beta[1:], covariance)


def _with_ones(features: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)
