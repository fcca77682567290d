"""The special case of RoboMD, 3.3 and 3.4: the candidates are given, and every step is a real trial.

The diagnostic policy starts from the nominal environment and applies one known change after another until the policy
under test fails. What it learns is a probability mass function over the candidates.

The paper rewards success and punishes failure here, against its own aim and its Eq. 2. This module follows Eq. 2, at
distance 0: K_failure − k · N(a) for a failure, −K_success / horizon for a success.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from faultfield.errors import CheckpointError, StudyError
from faultfield.search import _store
from faultfield.search._network import Mlp
from faultfield.search._training import Progress, quiet_training, without_log
from faultfield.search.config import SearchConfig
from faultfield.search.reward import failure_reward, success_reward
from faultfield.variations import NOMINAL, Variation, VariationSpace

Fails = Callable[[Variation], bool]
"""Rolls the policy under test out under a variation; True where it failed."""

_KIND = "policy over known changes"


def compose(space: VariationSpace, base: Variation, change: Variation) -> Variation:
    """`base` with `change` applied on top: where both name a factor, the change wins.

    Raises:
        VariationError: The result does not lie in the space.
    """
    return space.variation({**base, **change})


@dataclass(frozen=True)
class Trial:
    """One real outcome that the search asked for.

    Attributes:
        variation: The composed variation.
        failed: Whether the policy under test failed under it.
    """

    variation: Variation
    failed: bool


class KnownChanges(gymnasium.Env[NDArray[np.float32], np.int64]):
    """Apply known changes in sequence until a failure, or the horizon.

    The state is the current variation's code (`VariationSpace.encode`), an action the index of a candidate.

    Args:
        space: Of the candidates.
        candidates: The known changes, at least one.
        fails: A real trial; called once per step.
        config: Eq. 2's constants and the horizon.

    Attributes:
        trials: Every outcome so far, in order.

    Raises:
        StudyError: No candidates.
        VariationError: A candidate outside the space.

    Example:
        >>> from faultfield.variations import Categorical
        >>> space = VariationSpace([Categorical("cup", "Use a {} cup.", choices=("red", "blue"))])
        >>> changes = [space.variation({"cup": "red"}), space.variation({"cup": "blue"})]
        >>> env = KnownChanges(space, changes, fails=lambda variation: variation["cup"] == "blue")
        >>> _ = env.reset(seed=0)
        >>> env.step(0)[1:3], env.step(1)[1:3]
        ((-20.0, False), (100.0, True))
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(
        self, space: VariationSpace, candidates: Sequence[Variation], fails: Fails, config: SearchConfig | None = None
    ) -> None:
        if not candidates:
            raise StudyError("The search over known changes needs at least one candidate.")
        self.space = space
        self.candidates = [space.validate(candidate) for candidate in candidates]
        self.config = config or SearchConfig()
        self.trials: list[Trial] = []
        self.observation_space: spaces.Space[Any] = spaces.Box(-np.inf, np.inf, (space.dim,), np.float32)
        self.action_space: spaces.Space[Any] = spaces.Discrete(len(self.candidates))
        self._fails = fails
        self._current = NOMINAL
        self._steps = 0
        self._last = -1
        self._repeats = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start from the nominal environment; its code, float32 (space.dim,)."""
        super().reset(seed=seed)
        self._current = NOMINAL
        self._steps = 0
        return self._observe(), {}

    def step(self, action: np.int64) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Apply one change and try: code (space.dim,), reward, failed, horizon reached, the variation in `info`."""
        index = int(action)
        self._current = compose(self.space, self._current, self.candidates[index])
        failed = bool(self._fails(self._current))
        self.trials.append(Trial(self._current, failed))
        # As in the virtual MDP, repeats count across episodes: within one, a failure cannot be repeated.
        self._repeats = min(self._repeats + 1, self.config.repeat_limit) if index == self._last else 0
        self._last = index
        self._steps += 1
        distance, repeats = np.zeros(()), np.asarray(self._repeats)
        reward = failure_reward(distance, repeats, self.config) if failed else success_reward(distance, self.config)
        truncated = not failed and self._steps >= self.config.horizon
        return self._observe(), float(reward), failed, truncated, {"variation": self._current}

    def _observe(self) -> NDArray[np.float32]:
        return self.space.encode(self._current).astype(np.float32)


@dataclass(frozen=True)
class KnownPolicy:
    """A categorical policy over known changes (RoboMD, 3.4).

    Attributes:
        space: Of the candidates.
        candidates: The known changes, n.
        network: A variation's code to one logit per candidate.
        trials: The real outcomes that it learned from; empty after `load`.
    """

    space: VariationSpace
    candidates: tuple[Variation, ...]
    network: Mlp
    trials: tuple[Trial, ...] = ()

    def pmf(self, state: Variation = NOMINAL) -> NDArray[np.float64]:
        """Probability of each candidate as the next change from `state`: softmax of the logits, float64 (n,)."""
        logits = self.network(self.space.encode(state)[None])[0]
        weights = np.exp(logits - logits.max())
        return np.asarray(weights / weights.sum())

    def save(self, path: str | Path) -> None:
        """Write the policy into the folder `path`, as safetensors and JSON."""
        facts = {
            "activation": self.network.activation,
            "candidates": [candidate.to_json() for candidate in self.candidates],
        }
        _store.save(path, _KIND, self.network.arrays(), facts)

    @classmethod
    def load(cls, path: str | Path, space: VariationSpace) -> "KnownPolicy":
        """Read what `save` wrote, for the space that it was trained in.

        Raises:
            CheckpointError: The folder holds no such policy, a damaged one, or one of another space.
            VariationError: Its candidates do not lie in the space.
        """
        arrays, facts = _store.load(path, _KIND)
        try:
            network = Mlp.of_arrays(arrays, facts["activation"])
            candidates = tuple(space.variation(values) for values in facts["candidates"])
        except KeyError as error:
            raise CheckpointError(f"The {_KIND} in '{path}' lacks {error}; train it again.") from error
        if not network.weights or network.weights[0].shape[1] != space.dim:
            raise CheckpointError(f"The {_KIND} in '{path}' was trained in another variation space; train it again.")
        return cls(space, candidates, network)


def train_known(
    space: VariationSpace,
    candidates: Sequence[Variation],
    fails: Fails,
    trials: int,
    config: SearchConfig | None = None,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> KnownPolicy:
    """Learn which known changes bring failures, with Stable-Baselines3's PPO.

    Args:
        space: Of the candidates.
        candidates: The known changes.
        fails: A real trial of a composed variation. It is called once per trial; a caller that has tried a variation
            before may answer from its ledger.
        trials: How many trials to spend; exactly so many are made.
        config: Eq. 2's constants, horizon and discount; the defaults when None.
        seed: Of everything random. No global random state is touched.
        on_progress: Called with trials made, trials in all, and recent episodes' means.

    Raises:
        StudyError: No candidates, or no trials.
        VariationError: A candidate outside the space.
    """
    if trials < 1:
        raise StudyError(f"The search over known changes needs at least one trial, not {trials}.")
    config = config or SearchConfig()
    changes = KnownChanges(space, candidates, fails, config)
    with quiet_training(trials, on_progress) as callback:
        from stable_baselines3 import PPO
        from stable_baselines3.common.monitor import Monitor

        # Small rollouts, many passes: here a step is a real rollout, and learning costs nothing beside it.
        rollout = _divisor(trials, 32)
        model = PPO(
            "MlpPolicy", _Scaled(Monitor(changes), 1.0 / config.failure_reward), learning_rate=3e-3, n_steps=rollout,
            batch_size=rollout, n_epochs=10, gamma=config.discount, ent_coef=0.01, seed=seed, device="cpu",
            policy_kwargs={"net_arch": [64, 64]}, normalize_advantage=rollout > 1,
        )  # fmt: skip
        without_log(model).learn(trials, callback=callback)
    layers = [*model.policy.mlp_extractor.policy_net, model.policy.action_net]
    return KnownPolicy(space, tuple(changes.candidates), Mlp.of_layers(layers, "tanh"), tuple(changes.trials))


class _Scaled(gymnasium.RewardWrapper[Any, Any]):
    """Rewards times a constant: no policy's rank changes, and the critic's loss stays in the library's range."""

    def __init__(self, env: Any, scale: float) -> None:
        super().__init__(env)
        self._scale = scale

    def reward(self, reward: Any) -> float:
        return float(reward) * self._scale


def _divisor(number: int, most: int) -> int:
    """The largest divisor of `number` that is at most `most`: rollouts of that length spend a budget exactly."""
    return max(size for size in range(1, min(number, most) + 1) if number % size == 0)
