"""Which samples a gradient step sees: shuffled, balanced, and a function of the step alone."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class Stream:
    """Rows without end: one shuffle after another, each whole.

    Args:
        rows: Indices to deal out, at least one.
        seed: Key of the shuffles; shuffle k is drawn from `[*seed, k]`.
    """

    def __init__(self, rows: NDArray[np.int64], seed: Sequence[int]) -> None:
        self._rows, self._seed = rows, tuple(seed)

    def take(self, start: int, count: int) -> NDArray[np.int64]:
        """Rows `start` to `start + count` of the stream, int64 (count,)."""
        size = len(self._rows)
        places = np.arange(start, start + count)
        out = np.empty(count, dtype=np.int64)
        for lap in np.unique(places // size):
            order = np.random.default_rng([*self._seed, int(lap)]).permutation(size)
            inside = places // size == lap
            out[inside] = self._rows[order[places[inside] % size]]
        return out


class Batches:
    """Batches of one phase; the position to resume from is the step, nothing else.

    Args:
        failed: Of every sample, bool (n,).
        dense: Whether it has a reason, bool (n,).
        size: Samples in a batch.
        seed: Key of the shuffles.
        dense_share: Share of dense samples in each batch; None leaves it to the data.
        balanced: Whether failures and successes are equally many among the dense and among the sparse ones; where one
            of these has only failures or only successes, over all samples, whatever the share of dense ones then is.

    Raises:
        ValueError: There are no samples.
    """

    def __init__(
        self,
        failed: NDArray[np.bool_],
        dense: NDArray[np.bool_],
        size: int,
        seed: Sequence[int],
        dense_share: float | None = None,
        balanced: bool = False,
    ) -> None:
        self.total, self.size = len(failed), size
        if self.total == 0:
            raise ValueError("There is nothing to deal out.")
        self._balanced, self._dense_share = balanced, dense_share
        groups = [np.ones(self.total, dtype=bool)]
        # A group that is empty leaves its place to the others; one of failures alone would upset the balance.
        split = [dense, ~dense]
        both = [group & outcome for group in split for outcome in (failed, ~failed)]
        if dense_share is not None and all(each.any() for each in (both if balanced else split)):
            groups = split
        strata = [each for group in groups for each in (_halves(group, failed) if balanced else [group])]
        self._grouped = len(groups) == 2
        self._streams = [Stream(np.flatnonzero(inside), (*seed, k)) for k, inside in enumerate(strata)]

    def steps(self, epochs: float) -> int:
        """Gradient steps in so many passes; a begun step counts."""
        return math.ceil(epochs * self.total / self.size)

    def at(self, step: int) -> NDArray[np.int64]:
        """Rows of the batch of a step, int64 (size,)."""
        before, after = self._dealt(step * self.size), self._dealt((step + 1) * self.size)
        taken = [stream.take(a, b - a) for stream, a, b in zip(self._streams, before, after, strict=True)]
        return np.concatenate(taken)

    def _dealt(self, samples: int) -> list[int]:
        """How many of the first so many samples come from each stratum.

        Groups first, halves within them: so no count ever falls as `samples` grows.
        """
        counts = [samples]
        if self._grouped and self._dense_share is not None:
            dense = math.floor(self._dense_share * samples + 0.5)
            counts = [dense, samples - dense]
        return [half for count in counts for half in ((count + 1) // 2, count // 2)] if self._balanced else counts


def _halves(group: NDArray[np.bool_], failed: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Failures and successes of a group; the whole group twice where it has only one of them."""
    halves = [group & failed, group & ~failed]
    return halves if all(half.any() for half in halves) else [group, group]
