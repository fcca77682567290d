"""Random numbers of the virtual MDP: every environment owns a stream, alone or among thousands."""

import numpy as np
from numba import njit

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


@njit(cache=True)
def following(word: np.uint64) -> np.uint64:
    """The stream's next state, compiled: the first of what `draw` answers."""
    return word + np.uint64(_GOLDEN)


@njit(cache=True)
def uniform(word: np.uint64) -> float:
    """The number that belongs to a stream's state, compiled: the second of what `draw` answers."""
    word = (word ^ (word >> np.uint64(30))) * np.uint64(_FIRST)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(_SECOND)
    word = word ^ (word >> np.uint64(31))
    return float(word >> np.uint64(11)) * 2.0**-53
