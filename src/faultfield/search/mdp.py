"""The virtual MDP (RoboMD, 3.1 and 3.3): a walk over the field's known embeddings that costs no rollouts.

A state is a known embedding. An action is any point of the embedding's space; it leads to the known embedding nearest
to it, whose empirical outcome decides the reward (Eq. 2). An episode ends with a failure or at the horizon and the next
one starts at a known embedding drawn at random.

Policies act in *units*: coordinates around the mean of the known embeddings, divided by one number for all dimensions,
their root-mean-square deviation. Distances keep their order, dimensions that never vary stay without weight, and a
standard deviation of 1 is the spread of the data whatever the field's scale. Eq. 2's distance penalty is the distance
in embedding space over the root-mean-square distance of the known embeddings from their mean, so that K_failure and k
weigh alike in fields of any scale and dimension.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import StudyError
from faultfield.search._nearest import Nearest
from faultfield.search.config import SearchConfig

Floats = NDArray[np.float64]
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def scramble(word: int) -> int:
    """SplitMix64's output function (Steele et al. 2014), a 64-bit word to a 64-bit word."""
    word = ((word ^ (word >> 30)) * _FIRST) & _MASK
    word = ((word ^ (word >> 27)) * _SECOND) & _MASK
    return word ^ (word >> 31)


def stream(seed: int) -> int:
    """Where the random stream of an environment with this seed starts."""
    return scramble((seed + _GOLDEN) & _MASK)


def draw(word: int) -> tuple[int, float]:
    """The stream's next state, and a number uniform in 0–1 (53 random bits).

    Every environment owns its stream, so its trajectory is the same alone or among thousands.
    """
    word = (word + _GOLDEN) & _MASK
    return word, (scramble(word) >> 11) * 2.0**-53


def draws(words: NDArray[np.uint64]) -> Floats:
    """`draw` from many streams at once, uint64 of any shape, which it moves on in place; float64, same shape."""
    words += np.uint64(_GOLDEN)
    mixed = words >> 30
    mixed ^= words
    mixed *= np.uint64(_FIRST)
    mixed ^= mixed >> 27
    mixed *= np.uint64(_SECOND)
    mixed ^= mixed >> 31
    mixed >>= 11
    # Signed numbers, which these 53 bits also are, become floating-point ones faster.
    return mixed.view(np.int64) * 2.0**-53


def failure_reward(penalty: Floats, repeats: NDArray[np.int64], config: SearchConfig) -> Floats:
    """Eq. 2 where the policy fails: K_failure / (penalty + 1) − k · N(a).

    Args:
        penalty: Distance of the action from the known embedding that it was taken for, ≥ 0, any shape.
        repeats: N(a), how often in a row that embedding had been reached before, same shape.
        config: The constants.
    """
    return config.failure_reward / (penalty + 1.0) - config.repeat_penalty * repeats


def success_reward(penalty: Floats, config: SearchConfig) -> Floats:
    """Eq. 2 where the policy succeeds: −K_success / (horizon · (penalty + 1)), of any shape."""
    return -config.success_cost / (config.horizon * (penalty + 1.0))


def entropy(probability: Floats) -> Floats:
    """H of Theorem 2: entropy in nats of an outcome that fails with this probability, 0 at certainty, any shape."""
    p = np.clip(probability, 1e-12, 1.0 - 1e-12)
    return np.asarray(-p * np.log(p) - (1.0 - p) * np.log1p(-p))


def shaping(before: Floats, after: Floats, ended: NDArray[np.bool_], discount: float) -> Floats:
    """Potential-based shaping F = γ Φ(s′) − Φ(s) (Ng et al. 1999; RoboMD, 3.2 and Theorem 1).

    Where a failure ends the episode, s′ is followed by nothing and its potential counts as 0: otherwise the shaping
    would not telescope and would change which policy is best.

    Args:
        before: Φ(s), any shape.
        after: Φ(s′), same shape.
        ended: Whether s′ is terminal, same shape.
        discount: γ.
    """
    return discount * after * (1.0 - ended) - before


@dataclass
class Walkers:
    """Where n environments stand; `step` and `reset` write into it.

    Attributes:
        at: Index of the known embedding that is the state, int64 (n,).
        steps: Steps taken in the episode, int64 (n,).
        last: Index that the last action led to, −1 before the first, int64 (n,). It outlives the episode: a failure
            ends an episode, so only across episodes can a failure be repeated at all.
        repeats: How often in a row before, N(a), int64 (n,).
        streams: Random streams, uint64 (n,).
    """

    at: NDArray[np.int64]
    steps: NDArray[np.int64]
    last: NDArray[np.int64]
    repeats: NDArray[np.int64]
    streams: NDArray[np.uint64]


@dataclass(frozen=True)
class Steps:
    """What one step of n environments gave.

    Attributes:
        reached: Index of the nearest known embedding, int64 (n,).
        failed: Whether the policy failed there (which ends the episode), bool (n,).
        truncated: Whether the horizon ended the episode instead, bool (n,).
        rewards: Eq. 2 with the bonus and the shaping that the settings ask for, float64 (n,).
    """

    reached: NDArray[np.int64]
    failed: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    rewards: Floats


class VirtualMDP:
    """The virtual MDP on arrays.

    Args:
        known: Known embeddings, float32 (m, d); RoboMD's d is 512.
        failure_rate: Share of failed rollouts at each, float64 (m,), in 0–1.
        config: Reward, horizon, what an outcome is.
        potential: Φ at each known embedding (the field's failure logit), float64 (m,); needed for shaping.
        probability: Failure probability for the uncertainty bonus, float64 (m,); the failure rate when None.

    Attributes:
        points: The known embeddings in units, float32 (m, d).
        center: Mean of the known embeddings, float32 (d,).
        scale: Root-mean-square deviation of their coordinates, one unit.
        low, high: Bounds of actions in units, float32 (d,): the box of the known embeddings and a margin. A dimension
            that never varies keeps a twentieth of a unit, so that no algorithm divides by a width of zero.
        penalty_unit: Units per unit of Eq. 2's penalty, √d.

    Raises:
        StudyError: Arrays that do not fit each other, are empty or not finite, rates outside 0–1, or shaping without
            a potential.
    """

    def __init__(
        self,
        known: NDArray[np.float32],
        failure_rate: Floats,
        config: SearchConfig,
        *,
        potential: Floats | None = None,
        probability: Floats | None = None,
    ) -> None:
        embeddings = np.asarray(known, dtype=np.float64)
        if embeddings.ndim != 2 or embeddings.size == 0 or not np.isfinite(embeddings).all():
            raise StudyError(
                f"Known embeddings are a finite array (m, d) with m, d ≥ 1, not of shape {embeddings.shape}."
            )
        count = len(embeddings)
        self.config = config
        self.failure_rate = _column("failure_rate", failure_rate, count)
        if not ((self.failure_rate >= 0.0) & (self.failure_rate <= 1.0)).all():
            raise StudyError("Failure rates of known embeddings must lie in 0–1.")
        if config.shaping and potential is None:
            raise StudyError("Shaping needs the field's potential at every known embedding; pass `potential`.")
        self.potential = np.zeros(count) if potential is None else _column("potential", potential, count)
        uncertain = self.failure_rate if probability is None else _column("probability", probability, count)
        self.bonus = config.uncertainty_bonus * entropy(uncertain)

        deviations = embeddings - embeddings.mean(axis=0)
        # A single known embedding, or many equal ones, has no spread; any unit serves then.
        self.scale = float(np.sqrt(np.mean(deviations**2))) or 1.0
        self.center: NDArray[np.float32] = embeddings.mean(axis=0).astype(np.float32)
        self.points: NDArray[np.float32] = (deviations / self.scale).astype(np.float32)
        middle = 0.5 * (self.points.max(axis=0) + self.points.min(axis=0))
        half = np.maximum(0.5 * np.ptp(self.points, axis=0), 0.05) * (1.0 + 2.0 * config.margin)
        self.low: NDArray[np.float32] = (middle - half).astype(np.float32)
        self.high: NDArray[np.float32] = (middle + half).astype(np.float32)
        self._nearest = Nearest(self.points)
        self.penalty_unit = float(np.sqrt(self.points.shape[1]))

    @property
    def count(self) -> int:
        """How many known embeddings there are, m."""
        return len(self.points)

    @property
    def dim(self) -> int:
        """Dimension of the embedding, d."""
        return int(self.points.shape[1])

    def to_units(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings (…, d) in the units that policies act in."""
        return np.asarray((embeddings - self.center) / np.float32(self.scale), dtype=np.float32)

    def to_embeddings(self, units: NDArray[np.float32]) -> NDArray[np.float32]:
        """The reverse of `to_units`."""
        return np.asarray(units * np.float32(self.scale) + self.center, dtype=np.float32)

    def nearest(self, actions: NDArray[np.float32]) -> tuple[NDArray[np.int64], Floats]:
        """The known embedding nearest to each action (Algorithm 1, line 6): one matrix product, no approximation.

        Args:
            actions: In units, float32 (n, d).

        Returns:
            Indices, int64 (n,), and Eq. 2's distance penalties, float64 (n,), ≥ 0.
        """
        reached, distances = self._nearest(actions)
        return reached, distances.astype(np.float64) / self.penalty_unit

    def walkers(self, seeds: NDArray[np.int64] | list[int]) -> Walkers:
        """New environments, one per seed, each at the start of an episode."""
        streams = np.array([stream(int(seed)) for seed in seeds], dtype=np.uint64)
        zeros = np.zeros(len(streams), dtype=np.int64)
        walkers = Walkers(zeros.copy(), zeros.copy(), zeros - 1, zeros.copy(), streams)
        self.reset(walkers, np.arange(len(streams)))
        return walkers

    def reset(self, walkers: Walkers, which: NDArray[np.int64]) -> None:
        """Start a new episode at a random known embedding in the environments with these indices, int64 (k,)."""
        streams = walkers.streams[which]
        walkers.at[which] = (draws(streams) * self.count).astype(np.int64)
        walkers.streams[which] = streams
        walkers.steps[which] = 0

    def step(self, walkers: Walkers, actions: NDArray[np.float32]) -> Steps:
        """Take one action in every environment; ended episodes are left for `reset`.

        Args:
            walkers: n environments; moved in place.
            actions: In units, float32 (n, d).
        """
        config = self.config
        reached, penalty = self.nearest(actions)
        walkers.repeats += 1
        np.minimum(walkers.repeats, config.repeat_limit, out=walkers.repeats)
        walkers.repeats *= reached == walkers.last
        uniform = draws(walkers.streams)
        rate = self.failure_rate[reached]
        failed = rate >= 0.5 if config.outcome == "label" else uniform < rate
        on_failure = failure_reward(penalty, walkers.repeats, config)
        on_success = success_reward(penalty, config)
        if config.outcome == "expected":
            rewards = rate * on_failure + (1.0 - rate) * on_success
        else:
            rewards = np.where(failed, on_failure, on_success)
        if config.uncertainty_bonus:
            rewards += self.bonus[reached]
        if config.shaping:
            rewards += shaping(self.potential[walkers.at], self.potential[reached], failed, config.discount)
        walkers.at = reached.copy()
        walkers.last = reached
        walkers.steps += 1
        return Steps(reached, failed, ~failed & (walkers.steps >= config.horizon), rewards)


def _column(name: str, values: Floats, count: int) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (count,) or not np.isfinite(column).all():
        raise StudyError(f"The {name} of {count} known embeddings is a finite array ({count},), not {column.shape}.")
    return column
