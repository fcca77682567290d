"""From a failure logit to the failure rate of fresh episodes: how wrong logits are, and what interval that leaves.

One model throughout: a candidate with predicted logit `l` fails with probability sigmoid(l + σ z), z standard normal,
and its failures among `n` episodes are binomial. σ, the latent spread, is what held-out variations teach about the
predictor's error; the binomial part is the luck of a few episodes.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, gammaln, log_expit, logsumexp

# The integrand vanishes smoothly at both ends, where the plain trapezoid rule converges as fast as Gauss's, and its
# even nodes stay fine enough when σ is large and the binomial likelihood narrow.
_NODES = np.linspace(-5.5, 5.5, 221)
_LOG_WEIGHTS = -0.5 * _NODES**2 - logsumexp(-0.5 * _NODES**2)

MAX_SPREAD = 6.0
"""Largest latent spread considered: beyond it the interval is the whole of 0–1 for any logit."""


def log_likelihood(
    logits: ArrayLike, failures: ArrayLike, episodes: ArrayLike, sigma: float | ArrayLike
) -> NDArray[np.float64]:
    """Log probability of the failures seen, under the logit-normal-binomial model.

    Args:
        logits: Predicted failure logits, shape (n,).
        failures: How many episodes failed, shape (n,).
        episodes: Out of how many, shape (n,).
        sigma: Latent spread on the logit scale, at least 0: one number, or one a row, shape (n,).

    Returns:
        Natural logarithms, float64 (n,).
    """
    k = np.asarray(failures, dtype=np.float64)[:, None]
    n = np.asarray(episodes, dtype=np.float64)[:, None]
    latent = _latent(logits, sigma)
    log_choose = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    inside = log_choose + k * log_expit(latent) + (n - k) * log_expit(-latent)
    return np.asarray(logsumexp(inside + _LOG_WEIGHTS, axis=1))


def predictive_mean(logits: ArrayLike, sigma: float | ArrayLike) -> NDArray[np.float64]:
    """Failure probability once the latent spread is averaged over, float64 (n,): nearer to ½ than sigmoid(logit)."""
    return np.asarray(expit(_latent(logits, sigma)) @ np.exp(_LOG_WEIGHTS))


def predictive_interval(
    logits: ArrayLike, sigma: float | ArrayLike, episodes: int = 30, level: float = 0.9
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the failure rate of `episodes` fresh episodes is expected to lie: the shortest such interval.

    Shortest, not equal-tailed: near 0 and 1, where most rates lie, equal tails would waste one of them on counts that
    cannot occur and cover far more than `level`.

    Args:
        logits: Predicted failure logits, shape (n,).
        sigma: Latent spread on the logit scale: one number, or one a candidate, shape (n,).
        episodes: How many fresh episodes the rate will be taken over.
        level: Probability that the interval holds the rate, were logit and spread right; as counts are whole, it then
            holds it at least that often. Learned from few variations they are not (`calibration.Calibration`).

    Returns:
        `(low, high)`, rates in 0–1, float64 (n,) each.
    """
    return shortest_interval(count_distribution(_latent(logits, sigma), episodes), level)


def _latent(logits: ArrayLike, sigma: float | ArrayLike) -> NDArray[np.float64]:
    """Logits at the quadrature's nodes, shape (n, nodes)."""
    spread = np.asarray(sigma, dtype=np.float64)
    return np.asarray(np.asarray(logits, dtype=np.float64)[:, None] + spread[..., None] * _NODES)


def count_distribution(latent: NDArray[np.float64], episodes: int) -> NDArray[np.float64]:
    """Probability of 0…`episodes` failures, shape (n, episodes + 1), mixed over latent logits of shape (n, nodes)."""
    k = np.arange(episodes + 1)
    log_choose = gammaln(episodes + 1) - gammaln(k + 1) - gammaln(episodes - k + 1)
    logs = k[:, None] * log_expit(latent)[:, None] + (episodes - k)[:, None] * log_expit(-latent)[:, None]
    return np.asarray(np.exp(log_choose + logsumexp(logs + _LOG_WEIGHTS, axis=2)))


def shortest_interval(
    probabilities: NDArray[np.float64], level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shortest run of counts that holds `level` of each row's mass, as rates; of equally short ones the likeliest."""
    total = probabilities.shape[1] - 1
    cumulative = np.concatenate([np.zeros((len(probabilities), 1)), np.cumsum(probabilities, axis=1)], axis=1)
    low = np.zeros(len(probabilities))
    high = np.ones(len(probabilities))
    open_rows = np.ones(len(probabilities), dtype=bool)
    for width in range(1, total + 2):
        mass = cumulative[:, width:] - cumulative[:, :-width]
        start = np.argmax(mass, axis=1)
        # A mass of one short of the level by rounding is still the level.
        found = open_rows & (mass.max(axis=1) >= level - 1e-9)
        low[found] = start[found] / total
        high[found] = (start[found] + width - 1) / total
        open_rows &= ~found
        if not open_rows.any():
            break
    return low, high
