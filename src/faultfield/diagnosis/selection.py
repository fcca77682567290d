"""Which estimator to believe: the default one, unless another predicts held-out variations better beyond noise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.calibration import HeldOut
from faultfield.diagnosis.counts import Counts, deal
from faultfield.diagnosis.metrics import Measured, Truth, averaged, bootstrapped, evaluate
from faultfield.errors import StudyError
from faultfield.rollouts.episode import Episode

DEFAULT = "probe"
"""Kept unless another is better beyond noise: it was the best over many variations, more than one study has."""


@dataclass(frozen=True)
class Score:
    """One row of the comparison.

    Attributes:
        name: Of the estimator.
        brier: Mean squared error of held-out failure rates, weighted by episodes.
        log_loss: Cross-entropy an episode, in nats, of held-out variations.
        metrics: All of `metrics.evaluate`.
        worse_by: Brier above that of the chosen estimator, paired by variation; 0 for the chosen one itself.
    """

    name: str
    brier: Measured
    log_loss: Measured
    metrics: Mapping[str, Measured]
    worse_by: Measured


@dataclass(frozen=True)
class Selection:
    """The estimator to use, and why.

    Attributes:
        name: Of the chosen one.
        estimator: It, fitted on all episodes.
        scores: One row an estimator, best first.
        reason: One sentence.
        held_out: What each said of known variations before it was shown them.
        estimators: All of them, fitted on all episodes.
    """

    name: str
    estimator: Estimator
    scores: tuple[Score, ...]
    reason: str
    held_out: Mapping[str, HeldOut]
    estimators: Mapping[str, Estimator]


def select(
    estimators: Mapping[str, Callable[[], Estimator]],
    episodes: Sequence[Episode],
    *,
    folds: int = 5,
    seed: int = 0,
    default: str = DEFAULT,
    draws: int = 2000,
) -> Selection:
    """Compare estimators by cross-validation over variations and choose one.

    The default stays unless the lowest Brier score is another's and the interval (95 %) of their paired difference
    excludes 0:
    over a few dozen variations the best of several is often best by luck. Without the default, the lowest Brier score
    wins. A variation counts by its episodes: a hunt leaves one after few where it succeeds and stays where it fails, so
    that rates counted alike would favour whoever says too little.

    Args:
        estimators: Makes a fresh estimator of each name.
        episodes: Of known variations.
        folds: Groups of variations, for estimators that do not cross-validate themselves.
        seed: Of the folds and of the bootstrap.
        default: Name of the one to keep in doubt.
        draws: Bootstrap samples.

    Raises:
        StudyError: There is nothing to choose from.
        LedgerError: Too few known variations.
    """
    if not estimators:
        raise StudyError("There is no estimator to choose from; name at least one.")
    fitted: dict[str, Estimator] = {}
    held: dict[str, HeldOut] = {}
    for name, factory in estimators.items():
        fitted[name], held[name] = cross_validated(factory, episodes, folds, seed)
    counts = _common(held)
    count = len(counts.variations)
    rng = np.random.default_rng(seed)
    samples = [rng.integers(count, size=count) for _ in range(draws)]
    losses, weight = {name: _squared_errors(h, counts) for name, h in held.items()}, counts.episodes
    ranking = sorted(losses, key=lambda name: (float(np.average(losses[name], weights=weight)), name))
    chosen = ranking[0]
    if default in estimators and chosen != default:
        gain = bootstrapped(averaged(losses[default] - losses[chosen], weight), count, samples)
        chosen = chosen if gain.low > 0 else default
    truth = Truth(counts.failures, counts.episodes)
    scores = []
    for name in ranking:
        aligned = _aligned(held[name], counts)
        scores.append(
            Score(
                name,
                brier=bootstrapped(averaged(losses[name], weight), count, samples),
                log_loss=bootstrapped(averaged(_cross_entropies(aligned.mean, counts), weight), count, samples),
                metrics=evaluate(aligned, truth, draws=min(draws, 500), seed=seed),
                worse_by=bootstrapped(averaged(losses[name] - losses[chosen], weight), count, samples),
            )
        )
    return Selection(chosen, fitted[chosen], tuple(scores), _reason(chosen, scores, count), held, fitted)


def cross_validated(
    factory: Callable[[], Estimator], episodes: Sequence[Episode], folds: int, seed: int
) -> tuple[Estimator, HeldOut]:
    """An estimator fitted on all episodes, and what it says of known variations that it was not shown.

    Estimators that cross-validate themselves to be calibrated have this already (`held_out`); the others are fitted
    once more for every fold.
    """
    estimator = factory().fit(episodes)
    found = getattr(estimator, "held_out", None)
    if isinstance(found, HeldOut):
        return estimator, found
    counts = Counts.of(episodes)
    groups = deal(counts, folds, seed)
    columns = []
    for group in groups:
        hidden = [counts.variations[i] for i in group]
        taught = factory().fit([e for e in episodes if e.variation not in hidden])
        answer = taught.estimate(hidden)
        columns.append(np.stack([answer.mean, answer.low, answer.high, answer.support]))
    fold = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return estimator, HeldOut(counts.at(np.concatenate(groups)), Estimates(*np.concatenate(columns, axis=1)), fold)


def _common(held: Mapping[str, HeldOut]) -> Counts:
    """The variations that every estimator was asked about, in the first one's order."""
    first, *others = held.values()
    shared = [set(h.counts.variations) for h in others]
    rows = [i for i, v in enumerate(first.counts.variations) if all(v in s for s in shared)]
    return first.counts.at(rows)


def _aligned(held: HeldOut, counts: Counts) -> Estimates:
    place = {variation: i for i, variation in enumerate(held.counts.variations)}
    rows = [place[variation] for variation in counts.variations]
    estimates = held.estimates
    return Estimates(estimates.mean[rows], estimates.low[rows], estimates.high[rows], estimates.support[rows])


def _squared_errors(held: HeldOut, counts: Counts) -> NDArray[np.float64]:
    return np.asarray((_aligned(held, counts).mean - counts.rates) ** 2)


def _cross_entropies(mean: NDArray[np.float64], counts: Counts) -> NDArray[np.float64]:
    # A probability of exactly 0 or 1 that proves wrong would be infinitely bad; a thousandth off is bad enough.
    p = np.clip(mean, 1e-3, 1 - 1e-3)
    return np.asarray(-(counts.rates * np.log(p) + (1 - counts.rates) * np.log(1 - p)))


def _reason(chosen: str, scores: Sequence[Score], count: int) -> str:
    by_name = {score.name: score for score in scores}
    said = f"{chosen}: held-out Brier {_text(by_name[chosen].brier)} over {count} known variations"
    if len(scores) == 1:
        return f"{said}; nothing else was compared."
    other = next(score for score in scores if score.name != chosen)
    if scores[0].name == chosen:
        return f"{said}, the lowest; next {other.name} {_text(other.brier)}."
    gap = Measured(-other.worse_by.value, -other.worse_by.high, -other.worse_by.low)
    return f"{said}; {other.name} has {_text(other.brier)}, lower by {_text(gap)}, which is not beyond noise."


def _text(measured: Measured) -> str:
    return f"{measured.value:.3f} [{measured.low:.3f}, {measured.high:.3f}]"
