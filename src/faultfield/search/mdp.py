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

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import StudyError
from faultfield.search import _kernels
from faultfield.search._kernels import Ground, Rules, Steps, Walkers
from faultfield.search.config import SearchConfig
from faultfield.search.reward import entropy
from faultfield.search.streams import stream

Floats = NDArray[np.float64]


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
        self.penalty_unit = float(np.sqrt(self.points.shape[1]))
        fill = -count % _kernels.GROUP
        self._points = np.pad(self.points, ((0, fill), (0, 0)))
        halves = 0.5 * np.einsum("md,md->m", self.points, self.points)
        self._halves = np.pad(halves, (0, fill), constant_values=_kernels.FAR).astype(np.float32)
        self._ground = Ground(self.failure_rate, self.bonus, self.potential)
        self._rules = Rules(
            float(config.failure_reward), float(config.success_cost), float(config.repeat_penalty),
            int(config.repeat_limit), int(config.horizon), float(config.discount), config.outcome == "label",
            config.outcome == "expected", config.shaping, self.penalty_unit,
        )  # fmt: skip

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

    def nearest(self, actions: NDArray[np.float32]) -> tuple[NDArray[np.int64], Floats]:
        """The known embedding nearest to each action (Algorithm 1, line 6): one pass over all, no approximation.

        Args:
            actions: In units, float32 (n, d).

        Returns:
            Indices, int64 (n,), and Eq. 2's distance penalties, float64 (n,), ≥ 0.
        """
        reached, distances = self._reach(actions)
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
        _kernels.restart(walkers, np.asarray(which, dtype=np.int64), self.count)

    def step(self, walkers: Walkers, actions: NDArray[np.float32]) -> Steps:
        """Take one action in every environment; ended episodes are left for `reset`.

        Args:
            walkers: n environments; moved in place.
            actions: In units, float32 (n, d).
        """
        reached, distances = self._reach(actions)
        count = len(reached)
        steps = Steps(reached, np.empty(count, np.bool_), np.empty(count, np.bool_), np.empty(count))
        _kernels.walk(walkers, distances, self._ground, self._rules, steps)
        return steps

    def _reach(self, actions: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        queries = np.ascontiguousarray(actions, dtype=np.float32)
        reached, distances = np.zeros(len(queries), np.int64), np.empty(len(queries), np.float32)
        _kernels.nearest(queries, self._points, self._halves, reached, distances)
        return reached, distances


def _column(name: str, values: Floats, count: int) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (count,) or not np.isfinite(column).all():
        raise StudyError(f"The {name} of {count} known embeddings is a finite array ({count},), not {column.shape}.")
    return column
