"""How good predictions of failure rates are, each number with its bootstrap interval over variations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.base import Estimates


@dataclass(frozen=True)
class Truth:
    """What fresh episodes showed, one row a variation.

    Attributes:
        failures: How many episodes failed, float64 (n,).
        episodes: Out of how many, float64 (n,), at least 1.
    """

    failures: NDArray[np.float64]
    episodes: NDArray[np.float64]

    @property
    def rates(self) -> NDArray[np.float64]:
        """Failure rates, float64 (n,)."""
        return self.failures / self.episodes

    def at(self, rows: NDArray[np.int64]) -> "Truth":
        """Some rows."""
        return Truth(self.failures[rows], self.episodes[rows])


@dataclass(frozen=True)
class Measured:
    """A number and where it may lie.

    Attributes:
        value: On all variations; NaN where it is undefined (a rank correlation of equal rates, no pairs).
        low, high: Bootstrap interval (95 %) over variations; NaN likewise.
    """

    value: float
    low: float
    high: float


Differs = Literal["gap", "fisher", "gap+fisher"]
"""When two rates differ beyond noise: by `gap` at least, by Fisher's exact test at 5 %, or both."""


def spearman(predicted: NDArray[np.float64], rates: NDArray[np.float64]) -> float:
    """Rank correlation (Spearman 1904), −1 to 1; NaN where either side is constant."""
    from scipy.stats import spearmanr

    if len(rates) < 3 or np.ptp(predicted) == 0 or np.ptp(rates) == 0:
        return float("nan")
    return float(spearmanr(predicted, rates).statistic)


def episode_pairs(predicted: NDArray[np.float64], truth: Truth, count: int | None = 500, seed: int = 0) -> float:
    """Share of success-failure pairs in which the failed episode's variation was predicted worse (RoboMD, 4.1).

    A pair is one failed and one successful episode drawn at random; equal predictions count half, so that two episodes
    of the same variation, which nothing can rank, pull towards ½ as they do in the paper's benchmark.

    Args:
        predicted: Failure probability of each variation, float64 (n,).
        truth: Its episodes.
        count: Pairs drawn; all pairs, exactly, when None.
        seed: Of the draw.

    Returns:
        0–1; NaN where nothing failed or nothing succeeded.
    """
    successes = truth.episodes - truth.failures
    if truth.failures.sum() == 0 or successes.sum() == 0:
        return float("nan")
    if count is None:
        wins = (predicted[:, None] > predicted[None]) + 0.5 * (predicted[:, None] == predicted[None])
        weights = truth.failures[:, None] * successes[None]
        return float((weights * wins).sum() / weights.sum())
    rng = np.random.default_rng(seed)
    failed = rng.choice(len(predicted), size=count, p=truth.failures / truth.failures.sum())
    succeeded = rng.choice(len(predicted), size=count, p=successes / successes.sum())
    a, b = predicted[failed], predicted[succeeded]
    return float(np.mean((a > b) + 0.5 * (a == b)))


def distinct_pairs(truth: Truth, differs: Differs = "gap", gap: float = 0.4) -> NDArray[np.int64]:
    """Pairs of variations whose rates differ beyond noise, the worse one first, int64 (pairs, 2)."""
    from scipy.stats import fisher_exact

    order = np.argsort(truth.rates, kind="stable")
    pairs = []
    for place, better in enumerate(order):
        for worse in order[place + 1 :]:
            difference = truth.rates[worse] - truth.rates[better]
            if difference <= 0 or (differs != "fisher" and difference < gap - 1e-9):
                continue
            if differs != "gap":
                table = [[truth.failures[i], truth.episodes[i] - truth.failures[i]] for i in (worse, better)]
                if fisher_exact(np.array(table).astype(int)).pvalue >= 0.05:
                    continue
            pairs.append((int(worse), int(better)))
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def variation_pairs(predicted: NDArray[np.float64], pairs: NDArray[np.int64]) -> float:
    """Share of `distinct_pairs` that the prediction ranks right, ties half; NaN without pairs."""
    if not len(pairs):
        return float("nan")
    worse, better = predicted[pairs[:, 0]], predicted[pairs[:, 1]]
    return float(np.mean((worse > better) + 0.5 * (worse == better)))


def brier(predicted: NDArray[np.float64], rates: NDArray[np.float64]) -> float:
    """Mean squared error of the failure rate, 0–1."""
    return float(np.mean((predicted - rates) ** 2))


def calibration_error(predicted: NDArray[np.float64], truth: Truth, bins: int = 10) -> float:
    """Expected calibration error: |mean prediction − pooled rate| in equal-width bins, weighted by episodes.

    Naeini et al. 2015, on episodes; 0–1.
    """
    place = np.minimum((predicted * bins).astype(np.int64), bins - 1)
    error = 0.0
    for index in np.unique(place):
        inside = place == index
        weight = truth.episodes[inside]
        rate = truth.failures[inside].sum() / weight.sum()
        error += weight.sum() * abs(float(np.average(predicted[inside], weights=weight)) - rate)
    return float(error / truth.episodes.sum())


def coverage(estimates: Estimates, rates: NDArray[np.float64]) -> float:
    """Share of rates that lie in their interval, ends included."""
    return float(np.mean((rates >= estimates.low - 1e-9) & (rates <= estimates.high + 1e-9)))


def evaluate(
    estimates: Estimates, truth: Truth, *, differs: Differs = "gap", gap: float = 0.4, draws: int = 1000, seed: int = 0
) -> Mapping[str, Measured]:
    """All metrics with bootstrap intervals (95 %, percentile) over variations.

    Args:
        estimates: One row a variation.
        truth: Fresh episodes of the same variations in the same order.
        differs: When two rates differ beyond noise.
        gap: Least difference of such rates.
        draws: Bootstrap samples.
        seed: Of the bootstrap and of the episode pairs.

    Returns:
        `spearman`, `episode_pairs` (500 drawn), `variation_pairs`, `brier`, `calibration_error`, `coverage`, and
        `width` (of the intervals).
    """
    n = len(truth.rates)
    rng = np.random.default_rng(seed)
    # The first row is the data itself; all rows are measured at once, which is a hundred times faster than one by one.
    rows = np.concatenate([np.arange(n)[None], rng.integers(n, size=(draws, n))])
    counts = np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64)
    mean, rates = estimates.mean, truth.rates
    wins = (mean[:, None] > mean[None]) + 0.5 * (mean[:, None] == mean[None])
    pairs = distinct_pairs(truth, differs, gap)
    distinct = np.zeros((n, n))
    distinct[pairs[:, 0], pairs[:, 1]] = 1.0
    inside = (rates >= estimates.low - 1e-9) & (rates <= estimates.high + 1e-9)
    columns = {
        "spearman": _spearman_rows(mean[rows], rates[rows]),
        "episode_pairs": np.array([episode_pairs(mean[row], truth.at(row), seed=seed) for row in rows]),
        "variation_pairs": _ratio(_form(counts, wins * distinct, counts), _form(counts, distinct, counts)),
        "brier": counts @ (mean - rates) ** 2 / n,
        "calibration_error": _calibration_rows(mean, truth, counts),
        "coverage": counts @ inside / n,
        "width": counts @ (estimates.high - estimates.low) / n,
    }
    return {name: _measured(column) for name, column in columns.items()}


def _form(left: NDArray[np.float64], matrix: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bilinear forms x' M y of each row x of `left` and y of `right`."""
    return np.asarray(np.einsum("ij,ij->i", left @ matrix, right))


def _ratio(top: NDArray[np.float64], bottom: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(top, bottom, out=np.full(len(top), np.nan), where=bottom > 0)


def _spearman_rows(predicted: NDArray[np.float64], rates: NDArray[np.float64]) -> NDArray[np.float64]:
    """`spearman` of each row of two matrices."""
    from scipy.stats import rankdata

    first, second = (rankdata(x, axis=1) - 0.5 * (x.shape[1] + 1) for x in (predicted, rates))
    if predicted.shape[1] < 3:
        return np.full(len(predicted), np.nan)
    norms = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    return _ratio((first * second).sum(axis=1), norms)


def _calibration_rows(
    predicted: NDArray[np.float64], truth: Truth, counts: NDArray[np.float64], bins: int = 10
) -> NDArray[np.float64]:
    """`calibration_error` of each bootstrap sample, given how often it drew each variation."""
    place = np.minimum((predicted * bins).astype(np.int64), bins - 1)
    surplus = (truth.episodes * predicted - truth.failures)[:, None] * (place[:, None] == np.arange(bins))
    return np.asarray(np.abs(counts @ surplus).sum(axis=1) / (counts @ truth.episodes))


def averaged(
    losses: NDArray[np.float64], weights: NDArray[np.float64] | None = None
) -> Callable[[NDArray[np.int64]], float]:
    """The metric "mean of these losses", weighted or not, of row indices, for `bootstrapped`."""
    return lambda rows: float(np.average(losses[rows], weights=None if weights is None else weights[rows]))


def bootstrapped(
    metric: Callable[[NDArray[np.int64]], float], count: int, samples: list[NDArray[np.int64]]
) -> Measured:
    """A metric of row indices on all `count` rows, and its 2.5–97.5 % range over resampled rows (Efron 1979).

    Samples on which the metric is undefined are left out.
    """
    return _measured(np.array([metric(np.arange(count)), *(metric(rows) for rows in samples)]))


def _measured(column: NDArray[np.float64]) -> Measured:
    """The first entry, and the range of the others."""
    value, drawn = float(column[0]), column[1:][np.isfinite(column[1:])]
    if not len(drawn) or not np.isfinite(value):
        return Measured(value, float("nan"), float("nan"))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Measured(value, float(low), float(high))
