"""The diagnostic policy as a density over the field: where in the embedding's space it expects failures."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import CheckpointError, StudyError
from faultfield.search import _store
from faultfield.search._network import Mlp

Floats = NDArray[np.float64]
Embeddings = NDArray[np.float32]

_KIND = "diagnostic policy"
# Where tanh cannot reach, a squashed density is 0; how near to the box's faces an action is moved instead, as a share
# of the half-width.
_EDGE = 1e-6


@dataclass(frozen=True)
class DiagnosticPolicy:
    """A Gaussian density p(a | s) with diagonal covariance on the embedding's space (RoboMD, 3.4).

    All its methods take and give embeddings as they come from the field; the units that it was trained in (see
    `VirtualMDP`) stay inside.

    Attributes:
        algorithm: `ppo`, `a2c` or `sac`. The first two have a Gaussian with one deviation for all states; the last has
            a Gaussian squashed by tanh into the box of actions, its deviation a function of the state.
        network: Units of a state to the mean in units (`ppo`, `a2c`), or to mean and log deviation before the
            squashing, 2d numbers (`sac`).
        log_std: Log deviation in units, float32 (d,); not used by `sac`.
        states: The known embeddings, float32 (m, d): where its episodes started.
        center, scale: Units to embeddings: `units * scale + center`; float32 (d,) and a number.
        low, high: The box of actions in units, float32 (d,).
    """

    algorithm: str
    network: Mlp
    log_std: NDArray[np.float32]
    states: Embeddings
    center: Embeddings
    scale: float
    low: Embeddings
    high: Embeddings

    @property
    def dim(self) -> int:
        """Dimension of the embedding, d."""
        return len(self.center)

    @property
    def squashed(self) -> bool:
        """Whether the density lives on a box, through tanh."""
        return self.algorithm == "sac"

    def gaussian(self, states: Embeddings) -> tuple[Floats, Floats]:
        """Mean and log standard deviation of the Gaussian at each state, both float64 (s, d).

        For `ppo` and `a2c` in embedding coordinates. For `sac` those before tanh, which has no scale.

        Args:
            states: Embeddings, (s, d).
        """
        mean, log_std = self._gaussian(self._units(states))
        return (mean, log_std) if self.squashed else (mean * self.scale + self.center, log_std + np.log(self.scale))

    def log_density(self, states: Embeddings, actions: Embeddings) -> Floats:
        """The log density log p(a | s) of every action at every state, in nats, float64 (s, n).

        In 512 dimensions these span hundreds of nats; only differences between actions mean something (RoboMD's
        likelihood ratios). A squashed density has no value outside its box: actions out there count as on its face.

        Args:
            states: Embeddings, (s, d).
            actions: Embeddings, (n, d).
        """
        points = self._units(actions)
        volume = np.full(len(points), -self.dim * np.log(self.scale))
        if self.squashed:
            flat = self._flat(points)
            points = np.arctanh(flat)
            volume -= np.log1p(-(flat**2)).sum(axis=1) + np.log(self._box()[1]).sum()
        mean, log_std = self._gaussian(self._units(states))
        # Σ((a − μ)/σ)² by two matrix products for all pairs. Around the actions' own mean, because the squares of far
        # coordinates would drown the differences.
        origin = points.mean(axis=0) if len(points) else np.zeros(self.dim)
        points, mean = points - origin, mean - origin
        precision = np.exp(-2.0 * log_std)
        squares = precision @ (points**2).T - 2.0 * (precision * mean) @ points.T
        squares += (precision * mean**2).sum(axis=1)[:, None]
        constant = -log_std.sum(axis=1) - 0.5 * self.dim * np.log(2.0 * np.pi)
        return np.asarray(constant[:, None] - 0.5 * squares + volume[None, :])

    def log_ratio(self, states: Embeddings, actions: Embeddings) -> Floats:
        """How much likelier each action is than under a policy without preference, in nats, float64 (s, n).

        That policy's Gaussian has the same deviation and stands at the mean of the known embeddings. In many dimensions
        the density itself mostly tells how far an action lies from the middle of the data, which has little to do with
        failure; here that part cancels, and what training has moved remains.

        Args:
            states: Embeddings, (s, d).
            actions: Embeddings, (n, d).
        """
        points = self._units(actions)
        if self.squashed:
            points = np.arctanh(self._flat(points))
        mean, log_std = self._gaussian(self._units(states))
        precision = np.exp(-2.0 * log_std)
        tilt = (precision * mean) @ points.T
        return np.asarray(tilt - 0.5 * (precision * mean**2).sum(axis=1)[:, None])

    def propose(self, count: int, rng: np.random.Generator) -> Embeddings:
        """Draw actions, each at a random known embedding, within the box; float32 (count, d)."""
        starts = self.states[rng.integers(len(self.states), size=count)]
        mean, log_std = self._gaussian(self._units(starts))
        drawn = mean + np.exp(log_std) * rng.standard_normal(mean.shape)
        if self.squashed:
            middle, half = self._box()
            units = middle + half * np.tanh(drawn)
        else:
            units = np.clip(drawn, self.low, self.high)
        return np.asarray(units * self.scale + self.center, dtype=np.float32)

    def save(self, path: str | Path) -> None:
        """Write the policy into the folder `path`, as safetensors and JSON."""
        arrays = {
            **self.network.arrays(),
            "log_std": self.log_std,
            "states": self.states,
            "center": self.center,
            "low": self.low,
            "high": self.high,
        }
        facts = {"algorithm": self.algorithm, "activation": self.network.activation, "scale": self.scale}
        _store.save(path, _KIND, arrays, facts)

    @classmethod
    def load(cls, path: str | Path) -> "DiagnosticPolicy":
        """Read what `save` wrote.

        Raises:
            CheckpointError: The folder holds no such policy, or a damaged one.
        """
        arrays, facts = _store.load(path, _KIND)
        try:
            network = Mlp.of_arrays(arrays, facts["activation"])
            named = {name: arrays[name] for name in ("log_std", "states", "center", "low", "high")}
            return cls(algorithm=facts["algorithm"], network=network, scale=float(facts["scale"]), **named)
        except KeyError as error:
            raise CheckpointError(f"The {_KIND} in '{path}' lacks {error}; train it again.") from error

    def _units(self, embeddings: Embeddings) -> Floats:
        array = np.asarray(embeddings, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != self.dim:
            raise StudyError(f"The diagnostic policy takes embeddings (n, {self.dim}), not {array.shape}.")
        return (array - self.center) / self.scale

    def _gaussian(self, units: Floats) -> tuple[Floats, Floats]:
        outputs = self.network(units)
        if self.squashed:
            # The limits that soft actor-critic's reference implementation sets, and Stable-Baselines3 with it.
            return outputs[:, : self.dim], np.clip(outputs[:, self.dim :], -20.0, 2.0)
        return outputs, np.broadcast_to(self.log_std.astype(np.float64), outputs.shape)

    def _flat(self, units: Floats) -> Floats:
        """Units as shares of the box's half-width, −1–1, a little within."""
        middle, half = self._box()
        return np.asarray(np.clip((units - middle) / half, -1.0 + _EDGE, 1.0 - _EDGE))

    def _box(self) -> tuple[Floats, Floats]:
        low, high = self.low.astype(np.float64), self.high.astype(np.float64)
        return 0.5 * (high + low), 0.5 * (high - low)
