"""Intervals against Monte Carlo and brute force."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import binom

from faultfield.diagnosis.intervals import (
    log_likelihood,
    predictive_interval,
    predictive_mean,
    shortest_interval,
)


def test_without_spread_the_likelihood_is_binomial() -> None:
    logits, failures, episodes = np.array([-3.0, 0.0, 1.2]), np.array([0, 4, 10]), np.array([10, 7, 10])
    expected = binom.logpmf(failures, episodes, expit(logits))
    np.testing.assert_allclose(log_likelihood(logits, failures, episodes, 0.0), expected, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.5, 2.0, 5.0])
def test_the_likelihood_with_spread_matches_monte_carlo(sigma: float) -> None:
    rng = np.random.default_rng(0)
    latent = 0.7 + sigma * rng.normal(size=400_000)
    expected = binom.pmf(12, 30, expit(latent)).mean()
    assert np.exp(log_likelihood([0.7], [12], [30], sigma)[0]) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("sigma", [0.0, 0.8, 2.0])
def test_intervals_hold_fresh_rates_as_often_as_they_say(sigma: float) -> None:
    rng = np.random.default_rng(2)
    logits = rng.normal(0.0, 2.5, size=100)
    rates = rng.binomial(30, expit(logits + sigma * rng.normal(size=(500, 100)))) / 30
    low, high = predictive_interval(logits, sigma)
    coverage = np.mean((rates >= low) & (rates <= high))
    assert 0.895 <= coverage <= 0.95


def test_the_interval_is_the_shortest_by_brute_force() -> None:
    rng = np.random.default_rng(3)
    masses = rng.dirichlet(np.full(9, 0.4), size=50)
    low, high = shortest_interval(masses, 0.8)
    for row, a, b in zip(masses, low, high, strict=True):
        runs = [(j - i, i, j) for i in range(9) for j in range(i, 9) if row[i : j + 1].sum() >= 0.8]
        width = min(runs)[0]
        assert round((b - a) * 8) == width
        assert row[round(a * 8) : round(b * 8) + 1].sum() >= 0.8 - 1e-9


def test_one_spread_a_candidate() -> None:
    low, high = predictive_interval(np.zeros(2), np.array([0.0, 3.0]))
    assert high[1] - low[1] > high[0] - low[0]


def test_the_mean_is_averaged_over_the_spread() -> None:
    rng = np.random.default_rng(5)
    expected = expit(2.0 + 1.5 * rng.normal(size=400_000)).mean()
    assert predictive_mean([2.0], 1.5)[0] == pytest.approx(expected, abs=0.002)
