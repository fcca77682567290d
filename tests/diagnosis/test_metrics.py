"""Metrics against scipy, scikit-learn and brute force."""

import itertools

import numpy as np
import pytest
from scipy.stats import fisher_exact, spearmanr
from sklearn.metrics import roc_auc_score

from faultfield.diagnosis.base import Estimates
from faultfield.diagnosis.metrics import (
    Truth,
    bootstrapped,
    brier,
    calibration_error,
    coverage,
    distinct_pairs,
    episode_pairs,
    evaluate,
    spearman,
    variation_pairs,
)


@pytest.fixture(name="truth")
def _truth() -> Truth:
    rng = np.random.default_rng(0)
    episodes = rng.integers(5, 31, size=30).astype(float)
    return Truth(rng.binomial(episodes.astype(int), rng.beta(0.4, 0.4, size=30)).astype(float), episodes)


@pytest.fixture(name="predicted")
def _predicted(truth: Truth) -> np.ndarray:
    return np.clip(truth.rates + 0.3 * np.random.default_rng(1).normal(size=30), 0, 1).round(2)


def test_all_episode_pairs_are_the_area_under_the_curve(truth: Truth, predicted: np.ndarray) -> None:
    failures, successes = truth.failures.astype(int), (truth.episodes - truth.failures).astype(int)
    labels = np.concatenate([np.ones(failures.sum()), np.zeros(successes.sum())])
    scores = np.concatenate([np.repeat(predicted, failures), np.repeat(predicted, successes)])
    expected = roc_auc_score(labels, scores)
    assert episode_pairs(predicted, truth, count=None) == pytest.approx(expected)
    assert episode_pairs(predicted, truth, count=200_000) == pytest.approx(expected, abs=0.005)


def test_episode_pairs_need_a_failure_and_a_success() -> None:
    assert np.isnan(episode_pairs(np.array([0.1, 0.2]), Truth(np.zeros(2), np.full(2, 5.0))))


@pytest.mark.parametrize("differs", ["gap", "fisher", "gap+fisher"])
def test_distinct_pairs_by_brute_force(truth: Truth, differs: str) -> None:
    truth = truth.at(np.arange(14))
    expected = set()
    for i, j in itertools.permutations(range(len(truth.rates)), 2):
        gap = truth.rates[i] - truth.rates[j]
        table = [[truth.failures[k], truth.episodes[k] - truth.failures[k]] for k in (i, j)]
        significant = fisher_exact(np.array(table, dtype=int)).pvalue < 0.05
        if gap > 0 and (differs == "fisher" or gap >= 0.4 - 1e-9) and (differs == "gap" or significant):
            expected.add((i, j))
    assert {(int(a), int(b)) for a, b in distinct_pairs(truth, differs)} == expected  # type: ignore[arg-type]


def test_variation_pairs_count_ties_half() -> None:
    pairs = np.array([[0, 1], [0, 2], [1, 2]])
    assert variation_pairs(np.array([0.9, 0.5, 0.5]), pairs) == pytest.approx(2.5 / 3)
    assert np.isnan(variation_pairs(np.array([0.9]), np.empty((0, 2), dtype=np.int64)))


def test_spearman_is_scipys_and_undefined_when_constant(truth: Truth, predicted: np.ndarray) -> None:
    assert spearman(predicted, truth.rates) == pytest.approx(spearmanr(predicted, truth.rates)[0])
    assert np.isnan(spearman(np.full(30, 0.5), truth.rates))


def test_calibration_error_by_brute_force(truth: Truth, predicted: np.ndarray) -> None:
    labels = [
        (p, float(i < k))
        for p, k, n in zip(predicted, truth.failures, truth.episodes, strict=True)
        for i in range(int(n))
    ]
    error = 0.0
    for index in range(10):
        inside = [(p, y) for p, y in labels if min(int(p * 10), 9) == index]
        if inside:
            means = np.mean(inside, axis=0)
            error += len(inside) / len(labels) * abs(means[0] - means[1])
    assert calibration_error(predicted, truth) == pytest.approx(error)


def test_a_perfect_prediction_scores_perfectly(truth: Truth) -> None:
    estimates = Estimates(truth.rates, truth.rates, truth.rates, np.ones(30))
    measured = evaluate(estimates, truth, draws=50)
    for name, best in {"spearman": 1, "variation_pairs": 1, "brier": 0, "coverage": 1, "width": 0}.items():
        assert measured[name].value == pytest.approx(best)
        assert measured[name].low == pytest.approx(best)
    assert measured["calibration_error"].value < 1e-9


def test_bootstrap_intervals_hold_the_value_of_the_population() -> None:
    rng = np.random.default_rng(3)
    inside = 0
    for seed in range(40):
        rates = rng.beta(0.5, 0.5, size=25)
        predicted = np.clip(rates + 0.2 * rng.normal(size=25), 0, 1)
        population = rng.beta(0.5, 0.5, size=4000)
        expected = brier(np.clip(population + 0.2 * rng.normal(size=4000), 0, 1), population)
        truth = Truth(rates * 1000, np.full(25, 1000.0))
        measured = evaluate(Estimates(predicted, predicted, predicted, predicted), truth, draws=100, seed=seed)["brier"]
        inside += measured.low <= expected <= measured.high
    assert inside >= 33


def test_the_bootstrap_is_the_plain_loop(truth: Truth, predicted: np.ndarray) -> None:
    estimates = Estimates(predicted, predicted - 0.1, predicted + 0.2, np.ones(30))
    samples = np.random.default_rng(7).integers(30, size=(80, 30))
    pairs = {(int(a), int(b)) for a, b in distinct_pairs(truth)}

    def among(rows: np.ndarray) -> float:
        chosen = [(i, j) for i, a in enumerate(rows) for j, b in enumerate(rows) if (int(a), int(b)) in pairs]
        return variation_pairs(predicted[rows], np.array(chosen))

    plain = {
        "spearman": lambda rows: spearman(predicted[rows], truth.rates[rows]),
        "variation_pairs": among,
        "brier": lambda rows: brier(predicted[rows], truth.rates[rows]),
        "calibration_error": lambda rows: calibration_error(predicted[rows], truth.at(rows)),
        "coverage": lambda rows: coverage(
            Estimates(predicted[rows], estimates.low[rows], estimates.high[rows], predicted), truth.rates[rows]
        ),
    }
    measured = evaluate(estimates, truth, draws=80, seed=7)
    for name, metric in plain.items():
        expected = bootstrapped(metric, 30, list(samples))
        got = measured[name]
        assert (got.value, got.low, got.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_coverage_counts_the_ends() -> None:
    estimates = Estimates(np.full(4, 0.5), np.array([0.2, 0.2, 0.4, 0.0]), np.array([0.6, 0.6, 0.5, 0.1]), np.ones(4))
    assert coverage(estimates, np.array([0.2, 0.6, 0.3, 0.2])) == 0.5
