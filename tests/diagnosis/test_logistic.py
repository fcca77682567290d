"""The logistic line against scikit-learn and statsmodels, and what signs and overdispersion do to it."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from faultfield.diagnosis.logistic import fit_logistic


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    n = rng.integers(5, 30, size=40).astype(float)
    k = rng.binomial(n.astype(int), expit(-0.5 + x @ np.array([1.0, -0.7, 0.3]))).astype(float)
    return x, k, n


def test_without_priors_it_is_statsmodels_binomial_regression(data: tuple[np.ndarray, ...]) -> None:
    x, k, n = data
    line = fit_logistic(x, k, n, precision=1e-9, intercept_precision=1e-9)
    reference = sm.GLM(np.stack([k, n - k], axis=1), sm.add_constant(x), family=sm.families.Binomial()).fit()
    assert np.allclose([line.intercept, *line.weights], reference.params, atol=1e-4)
    assert np.allclose(line.covariance, reference.cov_params(), rtol=1e-3, atol=1e-6)


def test_with_ridge_it_is_scikit_learns_logistic_regression(data: tuple[np.ndarray, ...]) -> None:
    x, k, n = data
    line = fit_logistic(x, k, n, precision=5.0)
    rows = np.concatenate([x, x])
    outcome = np.repeat([1, 0], len(x))
    reference = LogisticRegression(C=1 / 5.0, tol=1e-10, max_iter=1000)
    reference.fit(rows, outcome, sample_weight=np.concatenate([k, n - k]))
    assert np.allclose(line.weights, reference.coef_[0], atol=1e-4)
    assert line.intercept == pytest.approx(reference.intercept_[0], abs=1e-4)


def test_variances_are_those_of_the_linear_predictor(data: tuple[np.ndarray, ...]) -> None:
    x, k, n = data
    line = fit_logistic(x, k, n, precision=1e-9, intercept_precision=1e-9)
    reference = sm.GLM(np.stack([k, n - k], axis=1), sm.add_constant(x), family=sm.families.Binomial()).fit()
    errors = reference.get_prediction(sm.add_constant(x)).linpred.se
    assert np.allclose(np.sqrt(line.variances(x)), errors, rtol=1e-3)


def test_increasing_allows_no_negative_weight_and_agrees_where_none_is_wanted(data: tuple[np.ndarray, ...]) -> None:
    x, k, n = data
    bounded = fit_logistic(x, k, n, increasing=True)
    assert bounded.weights[1] == 0.0
    assert (bounded.weights[[0, 2]] > 0).all()
    assert np.allclose(bounded.covariance[2], 0.0)
    flipped = x * [1, -1, 1]
    free = fit_logistic(flipped, k, n)
    assert np.allclose(fit_logistic(flipped, k, n, increasing=True).weights, free.weights, atol=1e-4)


def test_overdispersion_one_counts_a_variation_once(data: tuple[np.ndarray, ...]) -> None:
    x, k, n = data
    once = fit_logistic(x, k, n, overdispersion=1.0)
    rates = fit_logistic(x, k / n, np.ones_like(n))
    assert np.allclose(once.weights, rates.weights, atol=1e-4)


def test_without_evidence_the_prior_stands() -> None:
    line = fit_logistic(
        np.zeros((1, 2)), [0.0], [1e-9], center=[0.5, 2.0], intercept_center=-3.0, intercept_precision=1.0
    )
    assert np.allclose(line.weights, [0.5, 2.0])
    assert line.intercept == pytest.approx(-3.0)


def test_separable_outcomes_stay_finite() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    line = fit_logistic(x, [0, 0, 10, 10], [10, 10, 10, 10])
    assert np.isfinite(line.logits(x)).all()
    assert (np.diff(line.logits(x)) > 0).all()


def test_only_the_weights_that_must_are_kept_from_falling(data: tuple[np.ndarray, ...]) -> None:
    x, k, n = data
    free = fit_logistic(x, k, n)
    kept = fit_logistic(x, k, n, increasing=[True, False, True])
    assert np.allclose(kept.weights, free.weights, atol=1e-4), "the one negative weight was free"
