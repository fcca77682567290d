"""Our search: propose what an estimator holds for a new failure, roll it out, learn from it, search again."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from faultfield.diagnosis.base import Estimator
from faultfield.errors import LedgerError
from faultfield.rollouts.episode import Episode
from faultfield.search.pool import Floats, PoolSearch, Told, squared_distances
from faultfield.variations import Variation, VariationSpace

REACH = 0.5
"""How far what one value showed is believed of its neighbours: half of half a factor's range."""

SPREAD = 1.5
"""By how much an estimator is taken to err on one factor, a standard deviation on the logit scale."""

SHARED = 0.3
"""Share of that error which all values of a factor have in common, however far apart."""

OPTIMISM = 0.5
"""Standard deviations that are added to a failure logit: what is uncertain is worth a look."""

FLOOR = 0.005
"""No estimator is believed to be surer than this: a variation may fail for a reason that it does not see."""

SAME_FACTORS = 0.3
"""How alike two failures of the same factors are held to be at least, however far apart their values."""


class Hunt(PoolSearch):
    """Looks for as many different failures as the rollouts allow.

    Every `ask` fits the estimator to all episodes so far. What it says is then corrected by what was seen nearby: a
    Gaussian process that adds up one unknown function a factor (Laplace's approximation, Rasmussen and Williams 2006,
    3.4). One success is enough to leave a neighbourhood that the estimator holds for lost, and one failure to come back
    to one that it holds for safe; physics above all, which no picture shows, is learned there. A candidate's score is
    the chance that it fails as often as a find still wants, seen with a little optimism, times the chance that the
    likest failure known or proposed is another one.

    Args:
        space: Every proposal lies in it.
        estimator: Makes a fresh estimator, fitted at each `ask`.
        seed: Of the candidates.
        prior: Estimates while the other cannot learn yet for want of episodes; when None, all are alike until then.
        known: Episodes from before, which cost nothing here.
        pool, pool_size, order: As in `PoolSearch`.
        failures: Failed episodes that make a find, as in `Verification`.
        spread: By how much the estimator errs on one factor, a standard deviation on the logit scale.
        again: Whether it may come back to a variation that was left after an unlucky success.
    """

    def __init__(
        self,
        space: VariationSpace,
        estimator: Callable[[], Estimator],
        seed: int = 0,
        *,
        prior: Estimator | None = None,
        known: Sequence[Episode] = (),
        pool: Sequence[Variation] | None = None,
        pool_size: int = 256,
        order: int = 3,
        failures: int = 2,
        spread: float = SPREAD,
        again: bool = True,
    ) -> None:
        super().__init__(
            space, seed, pool=pool, pool_size=pool_size, order=order, start=0, failures=failures if again else None
        )
        self._make, self._prior, self._wanted, self._spread = estimator, prior, failures, spread
        self._episodes = list(known)
        self._marks: dict[Variation, Floats] = {}
        if known:
            super().tell([episode for episode in known if not episode.variation.is_nominal])
        self._before = dict(self._counts)

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Keep the episodes; the next `ask` learns from them."""
        super().tell(episodes)
        self._episodes.extend(episodes)

    def disregard(self, variations: Sequence[Variation]) -> None:
        """The estimator forgets them: no look at the policy explains what nobody can do."""
        super().disregard(variations)
        self._episodes = [episode for episode in self._episodes if episode.variation not in self._hopeless]

    def ready(self) -> bool:
        """From the start: a prior knows something before the first rollout."""
        return True

    def choose(self, candidates: Sequence[Variation], rows: Floats, told: Told, count: int) -> list[int]:
        """The largest score, again and again; what is proposed makes its like less worth."""
        everywhere = [*told.variations, *candidates]
        m = len(told.variations)
        points = _Points(np.concatenate([told.rows, rows]), self._changed(everywhere))
        seen, asked = points.at(slice(0, m)), points.at(slice(m, None))
        mean, deviation = corrected(
            self._logits(everywhere), self._spread**2 * self._covariance(seen, points),
            self._spread**2 * points.changed.sum(axis=1), told,
        )  # fmt: skip
        # A find is made of this hunt's own failures.
        failed = np.array([self._counts.get(v, (0, 0))[0] - self._before.get(v, (0, 0))[0] for v in candidates])
        chance = expit(mean[m:] + OPTIMISM * deviation[m:]) ** np.maximum(self._wanted - failed, 1)
        found = np.where(told.failures >= self._wanted, told.failures / told.episodes, 0.0)
        # What nobody can do is found as well: what is like it is hardly worth a look.
        found[[v in self._hopeless for v in told.variations]] = 1.0
        likeness = alike(seen, asked) * found[:, None]
        # The likest one alone: a product over all would bury a factor under its first few failures.
        score = chance * (1.0 - likeness.max(axis=0, initial=0.0))
        chosen: list[int] = []
        for _ in range(count):
            best = int(score.argmax())
            chosen.append(best)
            score = score * (1.0 - chance[best] * alike(asked.at(slice(best, best + 1)), asked)[0])
            score[chosen] = -1.0
        return chosen

    def _logits(self, variations: Sequence[Variation]) -> Floats:
        try:
            estimates = self._make().fit(self._episodes).estimate(variations)
        except LedgerError:
            if self._prior is None:
                return np.zeros(len(variations))
            estimates = self._prior.estimate(variations)
        return np.asarray(logit(np.clip(estimates.mean, FLOOR, 1.0 - FLOOR)))

    def _changed(self, variations: Sequence[Variation]) -> Floats:
        names = list(self.space.factors)
        for variation in variations:
            if variation not in self._marks:
                self._marks[variation] = np.array([float(name in variation) for name in names])
        return np.stack([self._marks[variation] for variation in variations])

    def _covariance(self, seen: "_Points", points: "_Points") -> Floats:
        """Correlations of the factors' functions, summed over the factors that both change, float64 (m, n)."""
        total = np.zeros((len(seen.codes), len(points.codes)))
        start = 0
        for index, factor in enumerate(self.space):
            part = slice(start, start + factor.dim)
            start += factor.dim
            left, right = np.flatnonzero(seen.changed[:, index]), np.flatnonzero(points.changed[:, index])
            near = _near(seen.codes[left, part], points.codes[right, part])
            total[np.ix_(left, right)] += SHARED + (1.0 - SHARED) * near
        return total


class _Points(NamedTuple):
    """Codes, float64 (n, d), and which factors are changed, 0 or 1, float64 (n, number of factors)."""

    codes: Floats
    changed: Floats

    def at(self, rows: slice) -> "_Points":
        return _Points(self.codes[rows], self.changed[rows])


def corrected(prior: Floats, covariance: Floats, variance: Floats, told: Told) -> tuple[Floats, NDArray[np.float64]]:
    """Mean and deviation of the failure logit of n variations, once the counts of the first m of them are known.

    Args:
        prior: Logits before, float64 (n,).
        covariance: Of the first m with all, float64 (m, n).
        variance: Of all, float64 (n,).
        told: Counts of the first m.

    Returns:
        Both float64 (n,), by Laplace's approximation.
    """
    m = len(told.variations)
    if m == 0:
        return prior, np.sqrt(variance)
    inner = covariance[:, :m]
    pull = _mode(prior[:m], inner, told)
    weight, _ = _curvature(prior[:m] + inner @ pull, told)
    cross = np.sqrt(weight)[:, None] * covariance
    system = np.eye(m) + cross[:, :m] * np.sqrt(weight)
    half = np.linalg.solve(np.linalg.cholesky(system), cross)
    left = variance - np.einsum("ij,ij->j", half, half)
    return prior + pull @ covariance, np.sqrt(np.maximum(left, 0.0))


def _mode(prior: Floats, covariance: Floats, told: Told) -> Floats:
    """The posterior's mode is `prior + covariance @ this`, float64 (m,), by Newton steps none of which is for worse.

    Where the prior holds failure for all but impossible and all failed, whole steps would jump to where nothing is
    curved, and back, for ever.
    """

    def fit(pull: Floats) -> float:
        latent = covariance @ pull
        logits = prior + latent
        return float(told.failures @ logits - told.episodes @ np.logaddexp(0.0, logits) - 0.5 * pull @ latent)

    pull, reached = np.zeros(len(prior)), fit(np.zeros(len(prior)))
    for _ in range(100):
        latent = covariance @ pull
        weight, gradient = _curvature(prior + latent, told)
        root = np.sqrt(weight)
        system = np.eye(len(prior)) + root[:, None] * covariance * root
        target = weight * latent + gradient
        step = target - root * np.linalg.solve(system, root * (covariance @ target)) - pull
        while (better := fit(pull + step)) < reached and np.abs(step).max() > 1e-10:
            step = step / 2
        pull, gained, reached = pull + step, better - reached, better
        if gained < 1e-12 * max(1.0, abs(reached)):
            break
    return np.asarray(pull)


def alike(a: _Points, b: _Points) -> Floats:
    """How likely two failures are the same one, 0–1, float64 (n, m): by shared factors and how near the values are."""
    both = a.changed @ b.changed.T
    either = a.changed.sum(axis=1)[:, None] + b.changed.sum(axis=1)[None, :] - both
    overlap = np.where(either > 0, both / np.maximum(either, 1.0), 1.0)
    return np.asarray(overlap * (SAME_FACTORS + (1.0 - SAME_FACTORS) * _near(a.codes, b.codes)))


def _near(a: Floats, b: Floats) -> Floats:
    return np.asarray(np.exp(-0.5 * squared_distances(a, b) / REACH**2))


def _curvature(logits: Floats, told: Told) -> tuple[Floats, Floats]:
    """Minus the second and the first derivative of the binomial log likelihood, float64 (m,) each."""
    rate = expit(logits)
    return np.maximum(told.episodes * rate * (1.0 - rate), 1e-9), told.failures - told.episodes * rate
