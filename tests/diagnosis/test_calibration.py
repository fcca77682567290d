"""Calibration, folds, selection, Gaussian process and density on synthetic studies whose truth is known."""

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm, spearmanr

from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.calibration import Calibrated, Calibration
from faultfield.diagnosis.counts import Counts, deal
from faultfield.diagnosis.density import mean_log_density
from faultfield.diagnosis.gp import LogitGP, Projection
from faultfield.diagnosis.scorer import Scaling, Scorer, Scores, nearest_support
from faultfield.diagnosis.selection import select
from faultfield.errors import LedgerError, StudyError
from faultfield.rollouts.episode import Episode
from faultfield.search.config import PpoSettings, SearchConfig
from faultfield.search.diagnostic import train_diagnostic
from faultfield.variations import NOMINAL, Variation


def study(latent: NDArray[np.float64], per_variation: int, rng: np.random.Generator) -> list[Episode]:
    """Episodes of `x = 0, 1, …`, which fail with probability sigmoid(latent), and of nominal, which never fails."""
    variations = [Variation({"x": float(i)}, f"Set x to {i}.") for i in range(len(latent))]
    episodes = [_episode(NOMINAL, seed, True) for seed in range(per_variation)]
    for variation, p in zip(variations, expit(latent), strict=True):
        episodes += [_episode(variation, seed, bool(rng.uniform() >= p)) for seed in range(per_variation)]
    return episodes


def _episode(variation: Variation, seed: int, success: bool) -> Episode:
    return Episode(variation, seed, success, steps=1, policy="p", environment="e", stage="known")


class TableScorer(Scorer):
    """Scores looked up in a table: what a signal of known quality would say."""

    def __init__(self, name: str, table: Mapping[float, float]) -> None:
        self.name, self._table = name, table

    def fit(self, episodes: Sequence[Episode]) -> "TableScorer":
        return self

    def score(self, candidates: Sequence[Variation]) -> Scores:
        logits = np.array([self._table[v["x"]] if "x" in v else -5.0 for v in candidates])  # type: ignore[index]
        return Scores(logits, np.zeros(len(logits)), np.ones(len(logits)))


def table_estimator(name: str, signal: NDArray[np.float64]) -> Calibrated:
    return Calibrated(lambda: TableScorer(name, {float(i): float(s) for i, s in enumerate(signal)}))


class Constant(Estimator):
    """Says the mean rate of what it was shown; cross-validates nothing itself."""

    name = "constant"

    def fit(self, episodes: Sequence[Episode]) -> "Constant":
        self._rate = float(np.mean([not e.success for e in episodes]))
        self.shown = {e.variation for e in episodes}
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        n = len(candidates)
        return Estimates(np.full(n, self._rate), np.zeros(n), np.ones(n), np.zeros(n))


class Always(Constant):
    """Says the same of everything, whatever it was shown."""

    def __init__(self, rate: float) -> None:
        self._said = rate

    def fit(self, episodes: Sequence[Episode]) -> "Always":
        super().fit(episodes)
        self._rate = self._said
        return self


def test_slope_offset_and_spread_are_recovered() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=300)
    failures = rng.binomial(15, expit(2.5 * score - 1.0 + 1.2 * rng.normal(size=300)))
    scores = Scores(score, np.zeros(300), np.ones(300))
    fitted = Calibration.fit(scores, failures.astype(float), np.full(300, 15.0))
    assert (fitted.slope, fitted.offset, fitted.spread) == pytest.approx((2.5, -1.0, 1.2), abs=0.35)


def test_what_the_scorer_knows_of_its_error_is_not_counted_twice() -> None:
    rng = np.random.default_rng(1)
    latent = rng.normal(0.0, 2.0, size=200)
    known_error = rng.uniform(0.2, 2.0, size=200)
    failures = rng.binomial(20, expit(latent + known_error * rng.normal(size=200)))
    scores = Scores(latent, known_error, np.ones(200))
    fitted = Calibration.fit(scores, failures.astype(float), np.full(200, 20.0))
    assert fitted.spread < 0.6
    assert fitted.slope == pytest.approx(1.0, abs=0.2)


def test_a_useless_score_is_calibrated_to_the_base_rate() -> None:
    rng = np.random.default_rng(2)
    scores = Scores(rng.normal(size=300), np.zeros(300), np.ones(300))
    fitted = Calibration.fit(scores, rng.binomial(10, 0.2, size=300).astype(float), np.full(300, 10.0))
    assert np.ptp(fitted.estimates(scores).mean) < 0.15
    assert fitted.estimates(scores).mean.mean() == pytest.approx(0.2, abs=0.03)


def test_folds_hold_whole_variations_and_never_nominal() -> None:
    rng = np.random.default_rng(3)
    counts = Counts.of(study(rng.normal(size=23), 4, rng))
    groups = deal(counts, 5, seed=0)
    rows = np.concatenate(groups)
    assert sorted(rows) == list(range(1, 24))
    assert {len(group) for group in groups} <= {4, 5}
    means = [counts.rates[group].mean() for group in groups]
    assert max(means) - min(means) < 0.3


def test_counting_matches_a_plain_loop() -> None:
    rng = np.random.default_rng(4)
    episodes = study(np.array([-1.0, 0.0, 2.0]), 7, rng)
    counts = Counts.of(episodes)
    for variation, failures, total in zip(counts.variations, counts.failures, counts.episodes, strict=True):
        mine = [e for e in episodes if e.variation == variation]
        assert (failures, total) == (sum(not e.success for e in mine), len(mine))


def test_one_known_variation_is_too_few() -> None:
    with pytest.raises(LedgerError, match="at least two known variations"):
        table_estimator("t", np.zeros(1)).fit(study(np.zeros(1), 3, np.random.default_rng(0)))


@pytest.mark.parametrize("episodes", [10, 30])
def test_intervals_of_a_calibrated_estimator_cover_fresh_rates(episodes: int) -> None:
    rng = np.random.default_rng(5)
    covered = []
    for _ in range(8):
        signal = 2.5 * rng.normal(size=60)
        latent = signal + 1.0 * rng.normal(size=60)
        estimator = table_estimator("t", signal)
        estimator.episodes = episodes
        estimator.fit(study(latent[:30], 10, rng))
        answer = estimator.estimate([Variation({"x": float(i)}, "x") for i in range(30, 60)])
        rates = rng.binomial(episodes, expit(latent[30:])) / episodes
        covered.append(np.mean((rates >= answer.low) & (rates <= answer.high)))
    assert 0.85 <= np.mean(covered) <= 0.98


def test_an_interval_is_for_as_many_episodes_as_it_is_compared_with() -> None:
    scores = Scores(np.zeros(3), np.zeros(3), np.ones(3))
    known = Calibration(1.0, 0.0, 0.0)
    many, few, each = (known.estimates(scores, n) for n in (30, 10, np.array([30.0, 10.0, 30.0])))
    rates = np.random.default_rng(0).binomial(10, 0.5, size=2000) / 10
    inside = [np.mean((rates >= e.low[0]) & (rates <= e.high[0])) for e in (many, few)]
    assert inside[0] < 0.75, "a rate over ten episodes leaves the interval of thirty"
    assert inside[1] > 0.88
    assert (each.low[1], each.high[1]) == (few.low[0], few.high[0])
    assert (each.low[2], each.high[2]) == (many.low[0], many.high[0])


def test_a_variation_counts_by_its_episodes() -> None:
    """Of twelve variations nine were left after one success, and three stayed with for twenty failures."""
    episodes = [_episode(NOMINAL, seed, True) for seed in range(10)]
    for i in range(12):
        variation = Variation({"x": float(i)}, f"Set x to {i}.")
        episodes += [_episode(variation, seed, i >= 3) for seed in range(20 if i < 3 else 1)]
    (score,) = select({"always": lambda: Always(0.9)}, episodes, draws=50).scores
    assert score.brier.value == pytest.approx((60 * 0.1**2 + 9 * 0.9**2) / 69)
    assert score.log_loss.value == pytest.approx(-(60 * np.log(0.9) + 9 * np.log(0.1)) / 69)


def test_selection_picks_the_informative_estimator_and_says_why() -> None:
    rng = np.random.default_rng(6)
    latent = np.where(rng.uniform(size=24) < 0.5, -3.0, 3.0)
    noise = rng.normal(size=24)
    estimators = {
        "probe": lambda: table_estimator("probe", noise),
        "gp": lambda: table_estimator("gp", latent),
        "flat": Constant,
    }
    chosen = select(estimators, study(latent, 10, rng), draws=500)
    assert chosen.name == "gp"
    assert chosen.estimator.name == "gp"
    assert chosen.scores[0].name == "gp"
    assert chosen.scores[0].worse_by.value == 0
    assert chosen.reason.startswith("gp: held-out Brier 0.0")
    assert "24 known variations" in chosen.reason


def test_selection_keeps_the_default_where_the_gain_may_be_luck() -> None:
    rng = np.random.default_rng(7)
    latent = np.where(rng.uniform(size=20) < 0.5, -2.5, 2.5)
    first, second = latent + 0.8 * rng.normal(size=20), latent + 0.5 * rng.normal(size=20)
    chosen = select(
        {"probe": lambda: table_estimator("probe", first), "gp": lambda: table_estimator("gp", second)},
        study(latent, 10, rng), draws=500,
    )  # fmt: skip
    assert chosen.name == "probe"
    if chosen.scores[0].name != "probe":
        assert "not beyond noise" in chosen.reason


def test_held_out_estimates_never_saw_their_variation() -> None:
    rng = np.random.default_rng(8)
    latent = np.array([-9.0] * 5 + [9.0])
    episodes = study(latent, 10, rng)
    chosen = select({"flat": Constant}, episodes, folds=6)
    held = chosen.held_out["flat"]
    last = held.counts.variations.index(Variation({"x": 5.0}))
    assert held.estimates.mean[last] == 0.0


def test_nothing_to_select_from_is_refused() -> None:
    with pytest.raises(StudyError, match="no estimator"):
        select({}, [])


def test_the_gaussian_process_recovers_a_smooth_function() -> None:
    rng = np.random.default_rng(9)
    rows = rng.uniform(-1.5, 1.5, size=(40, 2))
    latent = 3.0 * np.sin(1.5 * rows[:, 0]) + rows[:, 1]
    counts = Counts.of([e for e in study(latent, 40, rng) if not e.variation.is_nominal])
    fresh = rng.uniform(-1.3, 1.3, size=(200, 2))
    mean, deviation = LogitGP().fit(rows, counts).predict(fresh)
    expected = 3.0 * np.sin(1.5 * fresh[:, 0]) + fresh[:, 1]
    assert np.sqrt(np.mean((mean - expected) ** 2)) < 0.5
    assert 0.8 <= np.mean(np.abs(mean - expected) < 1.645 * deviation) <= 1.0
    far = LogitGP().fit(rows, counts).predict(np.array([[30.0, 30.0]]))[1]
    assert far[0] > 2 * deviation.max()


def test_projection_keeps_distances_within_its_span() -> None:
    rng = np.random.default_rng(10)
    rows = rng.normal(size=(12, 3)) @ rng.normal(size=(3, 200))
    projected = Projection(rows, 6)(rows)
    assert projected.shape == (12, 3)
    before = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    after = np.linalg.norm(projected[:, None] - projected[None], axis=2)
    ratio = after[np.triu_indices(12, 1)] / before[np.triu_indices(12, 1)]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-9)


def test_a_column_that_never_varied_is_not_blown_up() -> None:
    known = np.array([[0.0, 5.0], [1.0, 5.0], [2.0, 5.0 + 1e-9]])
    scaled = Scaling(known)(np.array([[1.0, 6.0]]))
    np.testing.assert_allclose(scaled, [[0.0, 1.0]], atol=1e-6)


def test_support_is_one_at_the_known_and_falls_with_distance() -> None:
    known = np.array([[0.0], [1.0], [2.0]])
    support = nearest_support(known, np.array([[1.0], [2.5], [4.0]]))
    np.testing.assert_allclose(support, np.exp([-0.0, -0.5, -2.0]))
    assert nearest_support(known[:0], known).tolist() == [0.0, 0.0, 0.0], "nothing is near where nothing is known"


def test_the_density_is_highest_where_failures_lie() -> None:
    rng = np.random.default_rng(11)
    rates = np.concatenate([np.zeros(8), np.ones(8)])
    center = np.where(rates[:, None] > 0.5, 1.0, -1.0) * np.array([[1.0, 0.5, 0.0, 0.0]])
    known = (center + 0.2 * rng.normal(size=(16, 4))).astype(np.float32)
    config = SearchConfig(steps=12_000, ppo=PpoSettings(net=(32, 32), learning_rate=3e-3, envs=32))
    policy = train_diagnostic(known, rates, config, seed=0)
    share = rng.uniform(size=40)
    fresh = (2 * share - 1)[:, None] * np.array([[1.0, 0.5, 0.0, 0.0]]) + 0.1 * rng.normal(size=(40, 4))
    fresh = fresh.astype(np.float32)
    for average in ("density", "log", "drift"):
        found = mean_log_density(policy, known, fresh, average)  # type: ignore[arg-type]
        assert spearmanr(found, share)[0] > 0.7
    by_hand = np.log(np.exp(policy.log_density(known, fresh)).mean(axis=0))
    np.testing.assert_allclose(mean_log_density(policy, known, fresh), by_hand, rtol=1e-4, atol=1e-4)
    mean, log_std = policy.gaussian(known)
    at_state = norm.logpdf(fresh[:, None], mean, np.exp(log_std)).sum(axis=2)
    at_center = norm.logpdf(fresh[:, None], policy.center, np.exp(log_std)).sum(axis=2)
    expected = (at_state - at_center).mean(axis=1)
    np.testing.assert_allclose(mean_log_density(policy, known, fresh, "drift"), expected, rtol=1e-4, atol=1e-4)
