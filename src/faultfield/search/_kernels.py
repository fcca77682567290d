"""The virtual MDP's step, compiled: a search takes hundreds of thousands of them."""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from faultfield.search.reward import failure_reward, shaping, success_reward
from faultfield.search.streams import following, uniform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

GROUP = 3
"""Points are taken so many at a time; arrays of them are filled up to a multiple, with `FAR` for their squares."""

FAR = np.float32(1e30)
"""A point of this half square is nearest to nothing."""

# Points that stay in the processor's first cache while all queries pass by.
_TILE = 12

# Where less than this share of ‖a‖² is left of the difference, single precision has cancelled too much of it.
_CANCELLED = 0.01


class Walkers(NamedTuple):
    """Where n environments stand; `walk` and `restart` write into it.

    Attributes:
        at: Index of the known embedding that is the state, int64 (n,).
        steps: Steps taken in the episode, int64 (n,).
        last: Index that the last action led to, −1 before the first, int64 (n,). It outlives the episode: a failure
            ends an episode, so only across episodes can a failure be repeated at all.
        repeats: How often in a row before, N(a), int64 (n,).
        streams: Random streams, uint64 (n,).
    """

    at: Ints
    steps: Ints
    last: Ints
    repeats: Ints
    streams: NDArray[np.uint64]


class Steps(NamedTuple):
    """What one step of n environments gave.

    Attributes:
        reached: Index of the nearest known embedding, int64 (n,).
        failed: Whether the policy failed there (which ends the episode), bool (n,).
        truncated: Whether the horizon ended the episode instead, bool (n,).
        rewards: Eq. 2 with the bonus and the shaping that the settings ask for, float64 (n,).
    """

    reached: Ints
    failed: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    rewards: Floats


class Ground(NamedTuple):
    """What there is at each known embedding, float64 (m,) each: failure rate, uncertainty bonus, potential."""

    failure_rate: Floats
    bonus: Floats
    potential: Floats


class Rules(NamedTuple):
    """The settings that a step follows, as `SearchConfig` has them; `penalty_unit` as `VirtualMDP`."""

    failure_reward: float
    success_cost: float
    repeat_penalty: float
    repeat_limit: int
    horizon: int
    discount: float
    majority: bool
    expected: bool
    shaped: bool
    penalty_unit: float


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def nearest(
    queries: NDArray[np.float32], points: NDArray[np.float32], halves: NDArray[np.float32], reached: Ints,
    distances: NDArray[np.float32],
) -> None:  # fmt: skip
    """The point nearest to each query, the first of several equally near; exact.

    argmin ‖a − e‖² = argmax a·e − ‖e‖²/2, and ‖a‖² less twice that maximum is the squared distance. Two queries and
    three points at a time leave each number in a register for as long as it is needed.

    Args:
        queries: float32 (n, d), finite.
        points: float32 (m, d), m a multiple of `GROUP`.
        halves: Half the square of each point's length, `FAR` where it only fills up, float32 (m,).
        reached: Written: indices, int64 (n,).
        distances: Written: to the points reached, float32 (n,).
    """
    count, dim = queries.shape
    best = np.full(count, np.float32(-1e38), np.float32)
    for begin in range(0, len(points), _TILE):
        for i in range(0, count, 2):
            # The last of an odd number goes twice, so that its sums are taken in the same order as everybody's.
            k = min(i + 1, count - 1)
            for p in range(begin, min(begin + _TILE, len(points)), 3):
                i0 = i1 = i2 = k0 = k1 = k2 = np.float32(0.0)
                for j in range(dim):
                    a, b = queries[i, j], queries[k, j]
                    e = points[p, j]
                    i0 += a * e
                    k0 += b * e
                    e = points[p + 1, j]
                    i1 += a * e
                    k1 += b * e
                    e = points[p + 2, j]
                    i2 += a * e
                    k2 += b * e
                for row, scores in ((i, (i0, i1, i2)), (k, (k0, k1, k2))):
                    for q in range(3):
                        score = scores[q] - halves[p + q]
                        if score > best[row]:
                            best[row] = score
                            reached[row] = p + q
    for i in range(count):
        length = np.float32(0.0)
        for j in range(dim):
            length += queries[i, j] * queries[i, j]
        square = length - np.float32(2.0) * best[i]
        if square < np.float32(_CANCELLED) * length:
            square = np.float32(0.0)
            for j in range(dim):
                gap = queries[i, j] - points[reached[i], j]
                square += gap * gap
        distances[i] = np.sqrt(square)


@njit(cache=True)
def walk(walkers: Walkers, distances: NDArray[np.float32], ground: Ground, rules: Rules, steps: Steps) -> None:
    """Move every environment to the embedding that its action reached, and reward it.

    Args:
        walkers: Moved.
        distances: Of the actions from what they reached, in units, float32 (n,).
        ground: Of the known embeddings.
        rules: The settings.
        steps: `reached` is read, the rest is written.
    """
    for i in range(len(distances)):
        reached = steps.reached[i]
        penalty = np.float64(distances[i]) / rules.penalty_unit
        repeats = min(walkers.repeats[i] + 1, rules.repeat_limit) if reached == walkers.last[i] else 0
        walkers.streams[i] = following(walkers.streams[i])
        rate = ground.failure_rate[reached]
        failed = rate >= 0.5 if rules.majority else uniform(walkers.streams[i]) < rate
        if rules.expected:
            reward = rate * failure_reward(penalty, repeats, rules) + (1.0 - rate) * success_reward(penalty, rules)
        elif failed:
            reward = failure_reward(penalty, repeats, rules)
        else:
            reward = success_reward(penalty, rules)
        reward += ground.bonus[reached]
        if rules.shaped:
            reward += shaping(ground.potential[walkers.at[i]], ground.potential[reached], failed, rules.discount)
        walkers.at[i] = walkers.last[i] = reached
        walkers.repeats[i] = repeats
        walkers.steps[i] += 1
        steps.failed[i] = failed
        steps.truncated[i] = not failed and walkers.steps[i] >= rules.horizon
        steps.rewards[i] = reward


@njit(cache=True)
def restart(walkers: Walkers, which: Ints, count: int) -> None:
    """Begin an episode at one of `count` embeddings in the environments with these indices, int64 (k,)."""
    for i in which:
        walkers.streams[i] = following(walkers.streams[i])
        walkers.at[i] = np.int64(uniform(walkers.streams[i]) * count)
        walkers.steps[i] = 0
