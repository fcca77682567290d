"""How good verdicts are: detection, ROUGE-L, a judge's score of the reasons, each with its interval and count."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultfield.rollouts.intervals import wilson

_Z = 1.959963984540054
"""Of the standard normal, for intervals of 95 %."""


@dataclass(frozen=True)
class Number:
    """A measured number and where it may lie.

    Attributes:
        value: NaN where it is undefined (nothing to count).
        low, high: Interval of 95 %; NaN likewise.
        count: How many cases it is made of.
    """

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}] of {self.count}" if self.count else "–"


UNDEFINED = Number(math.nan, math.nan, math.nan, 0)


@dataclass(frozen=True)
class Scores:
    """All numbers of one detector on one set of labelled samples; a failure is the positive class.

    Attributes:
        accuracy: Share of right detections (Wilson).
        precision: Share of alarms that were failures (Wilson).
        recall: Share of failures that were found (Wilson).
        auroc: Probability that a failure is given the higher failure probability than a success, ties half (Newcombe);
            undefined where no answer could be read.
        rouge_l: Mean ROUGE-L F1 of the reason against the annotated one, where there is one (bootstrap).
        reason: Mean score of a judge on the same reasons (bootstrap); undefined without a judge.
        unreadable: Verdicts whose answer could not be read; each counts as wrong.
    """

    accuracy: Number
    precision: Number
    recall: Number
    auroc: Number
    rouge_l: Number = UNDEFINED
    reason: Number = UNDEFINED
    unreadable: int = 0

    def as_json(self) -> dict[str, Any]:
        """For JSON: a mapping for each number, undefined ones as null."""
        return numbers_json(asdict(self))


def numbers_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """`Number`s that were taken apart, with null for those that are undefined; other values as they are."""
    return {name: None if isinstance(value, dict) and not value["count"] else value for name, value in values.items()}


def share(count: int, total: int) -> Number:
    """A share and its interval (Wilson 1927); undefined where `total` is 0."""
    return Number(count / total, *wilson(count, total), total) if total else UNDEFINED


def auroc(scores: ArrayLike, positive: ArrayLike) -> Number:
    """Area under the ROC curve, ties half, with a score interval.

    Newcombe 2006, method 5: like Wilson's for a share, it neither collapses at a perfect separation nor leaves 0–1.

    Args:
        scores: Higher where positive is more likely, float (n,).
        positive: Bool (n,).

    Returns:
        Undefined where either class is empty.
    """
    from scipy.stats import rankdata

    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(positive, dtype=bool)
    m, n = int(truth.sum()), int((~truth).sum())
    if m == 0 or n == 0:
        return UNDEFINED
    area = float((rankdata(values)[truth].sum() - m * (m + 1) / 2) / (m * n))
    return Number(area, _solve(area, m, n, -1), _solve(area, m, n, 1), m + n)


def mean(values: ArrayLike, seed: int = 0, draws: int = 2000, scores: bool = True) -> Number:
    """A mean and its bootstrap interval (percentile, 95 %); undefined without values.

    Args:
        values: Float (n,).
        seed: Of the draws.
        draws: How many.
        scores: Whether the values are scores in 0–1. Where all are 0 or all are 1 a bootstrap would be sure of it, of
            however few; the interval is Wilson's then.
    """
    data = np.asarray(values, dtype=np.float64)
    if len(data) == 0:
        return UNDEFINED
    if scores and (np.all(data == 0) or np.all(data == 1)):
        return share(int(data.sum()), len(data))
    rows = np.random.default_rng(seed).integers(len(data), size=(draws, len(data)))
    low, high = np.quantile(data[rows].mean(axis=1), [0.025, 0.975])
    return Number(float(data.mean()), float(low), float(high), len(data))


def detection(probabilities: ArrayLike, failed: ArrayLike) -> Scores:
    """Accuracy, precision, recall and AUROC of failure probabilities.

    Args:
        probabilities: Of failure, 0–1, float (n,); an alarm from 0.5 on. NaN where the detector's answer could not be
            read: counted as wrong whatever the truth is (ARMOR, B.4).
        failed: The truth, bool (n,).

    Raises:
        ValueError: The lengths differ.
    """
    p, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(failed, dtype=bool)
    if p.shape != truth.shape or p.ndim != 1:
        raise ValueError(f"{p.shape} probabilities do not fit {truth.shape} labels.")
    lost = np.isnan(p)
    p = np.where(lost, np.where(truth, -1.0, 2.0), p)
    alarm = p >= 0.5
    hits = int((alarm & truth).sum())
    return Scores(
        share(int((alarm == truth).sum()), len(p)),
        share(hits, int(alarm.sum())),
        share(hits, int(truth.sum())),
        # Of answers that were never read there is no order, and whatever stands for them would make one up.
        UNDEFINED if lost.all() else auroc(p, truth),
        unreadable=int(lost.sum()),
    )


def rouge_l(reason: str, reference: str, stem: bool = True) -> float:
    """ROUGE-L F1 of a reason against the annotated one, 0–1, by the rouge-score package.

    Args:
        reason: What was said.
        reference: What was annotated.
        stem: Whether words count by their stems, as AHA's published scoring has it.
    """
    return float(_scorer(stem).score(reference, reason)["rougeL"].fmeasure)


def rouge_all(reasons: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """`rouge_l` of each pair, float64 (n,)."""
    return np.array([rouge_l(a, b) for a, b in zip(reasons, references, strict=True)])


def _scorer(stem: bool) -> Any:
    from faultfield.errors import SetupError

    if stem not in _SCORERS:
        try:
            from rouge_score.rouge_scorer import RougeScorer
        except ImportError as error:
            raise SetupError("ROUGE-L needs the package rouge-score: pip install 'faultfield[detector]'.") from error
        _SCORERS[stem] = RougeScorer(["rougeL"], use_stemmer=stem)
    return _SCORERS[stem]


_SCORERS: dict[bool, Any] = {}


def _solve(area: float, m: int, n: int, side: int) -> float:
    """Where the area is z standard errors away from a candidate whose standard error is taken at itself."""
    from scipy.optimize import brentq

    if area == (0.0 if side < 0 else 1.0):
        return area
    size = (m + n) / 2

    def off(theta: float) -> float:
        spread = 1 + (size - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return side * (theta - area) - _Z * math.sqrt(max(theta * (1 - theta) * spread, 0.0) / (m * n))

    # At 0 and 1 the area itself is a root, but not the one that is meant.
    return float(brentq(off, area + side * 1e-12, 0.0 if side < 0 else 1.0))
