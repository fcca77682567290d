"""The virtual MDP as Stable-Baselines3 and Gymnasium want it: many environments in one array step, or one alone."""

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from faultfield.search.mdp import VirtualMDP
from faultfield.search.reward import failure_reward, shaping, success_reward
from faultfield.search.streams import draw, stream

Array = NDArray[np.float32]


def virtual_spaces(mdp: VirtualMDP) -> tuple[spaces.Box, spaces.Box]:
    """Observation and action space, both in the MDP's units (see `VirtualMDP`)."""
    return spaces.Box(-np.inf, np.inf, (mdp.dim,), np.float32), spaces.Box(mdp.low, mdp.high, dtype=np.float32)


class VirtualVecEnv(VecEnv):
    """n environments of the virtual MDP, stepped together.

    Follows Stable-Baselines3's conventions: ended episodes restart at once, their last state is in
    `info["terminal_observation"]`, `info["TimeLimit.truncated"]` tells the horizon from a failure, and
    `info["episode"]` carries the return and length that its logger averages.

    States are written into two arrays by turns: what `reset` or `step` gave holds until the step after the next, which
    is as long as the library looks at it. Fresh memory at every step would cost as much as all the rest. An environment
    whose episode goes on has the same dictionary at every step.

    Args:
        mdp: What to walk in.
        count: How many environments, n.
        seed: Of the first; the others count up from it, as in Stable-Baselines3's own.
        reward_scale: Rewards are multiplied by it, which changes no policy's rank but keeps the critic's loss in the
            range that the library's defaults are made for. Logged returns are not scaled.
    """

    def __init__(self, mdp: VirtualMDP, count: int, seed: int = 0, reward_scale: float = 1.0) -> None:
        self.mdp = mdp
        self.reward_scale = reward_scale
        super().__init__(count, *virtual_spaces(mdp))
        self._walkers = mdp.walkers(list(self.seed(seed)))
        self._returns = np.zeros(count)
        self._actions: Array = np.zeros((count, mdp.dim), dtype=np.float32)
        self._states: Array = np.zeros((2, count, mdp.dim), dtype=np.float32)
        self._points = list(mdp.points)
        self._walking: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(count)]
        self._turn = 0

    def reset(self) -> Array:
        """Start every environment anew; states in units, float32 (n, d)."""
        seeds = [seed for seed in self._seeds if seed is not None]
        if seeds:
            self._walkers = self.mdp.walkers(seeds)
        else:
            self.mdp.reset(self._walkers, np.arange(self.num_envs))
        self._returns[:] = 0.0
        self._reset_seeds()
        self._reset_options()
        return self._observe()

    def step_async(self, actions: Array) -> None:
        """Take note of the actions, in units, float32 (n, d)."""
        self._actions = np.asarray(actions, dtype=np.float32)

    def step_wait(self) -> tuple[Array, Array, NDArray[np.bool_], list[dict[str, Any]]]:
        """States (n, d), rewards (n,), ended (n,) and one dictionary each."""
        steps = self.mdp.step(self._walkers, self._actions)
        self._returns += steps.rewards
        done = steps.failed | steps.truncated
        infos = self._walking.copy()
        ended = np.flatnonzero(done)
        # Plain lists first: picking single numbers out of arrays would take half of the whole step.
        columns = (
            ended,
            steps.reached[ended],
            steps.truncated[ended],
            self._returns[ended],
            self._walkers.steps[ended],
        )
        for index, reached, truncated, total, length in zip(*(c.tolist() for c in columns), strict=True):
            infos[index] = {
                "terminal_observation": self._points[reached],
                "TimeLimit.truncated": truncated,
                "episode": {"r": total, "l": length, "t": 0.0},
            }
        self.mdp.reset(self._walkers, ended)
        self._returns[ended] = 0.0
        rewards = (self.reward_scale * steps.rewards).astype(np.float32)
        return self._observe(), rewards, done, infos

    def close(self) -> None:
        """Nothing to release."""

    def get_attr(self, attr_name: str, indices: int | Iterable[int] | None = None) -> list[Any]:
        """The attribute, once per environment asked for: all share it."""
        value = None if attr_name == "render_mode" else getattr(self, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: int | Iterable[int] | None = None) -> None:
        """Set the attribute that all environments share."""
        setattr(self, attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: int | Iterable[int] | None = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method once per environment asked for."""
        method = getattr(self, method_name)
        return [method(*method_args, **method_kwargs) for _ in self._get_indices(indices)]

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: int | Iterable[int] | None = None
    ) -> list[bool]:
        """True for Stable-Baselines3's `Monitor`, whose `info["episode"]` is already here; else False."""
        from stable_baselines3.common.monitor import Monitor

        return [issubclass(wrapper_class, Monitor) for _ in self._get_indices(indices)]

    def seed(self, seed: int | None = None) -> Sequence[int]:
        """Seed the environments from `seed` (0 when None) upwards; takes effect with the next `reset`."""
        seeds = [(seed or 0) + index for index in range(self.num_envs)]
        self._seeds = list(seeds)
        return seeds

    def _observe(self) -> Array:
        self._turn = 1 - self._turn
        # Without `mode`, numpy would take into a buffer of its own first; the indices are within bounds.
        return np.take(self.mdp.points, self._walkers.at, axis=0, out=self._states[self._turn], mode="clip")


class VirtualEnv(gymnasium.Env[Array, Array]):
    """One environment of the virtual MDP: the plain form, for checks and for comparison with the vectorised one.

    With the same seed and actions it walks as the environment of that seed in `VirtualVecEnv` does.

    Args:
        mdp: What to walk in.
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - Gymnasium declares it so

    def __init__(self, mdp: VirtualMDP) -> None:
        self.mdp = mdp
        states, actions = virtual_spaces(mdp)
        self.observation_space: spaces.Space[Any] = states
        self.action_space: spaces.Space[Any] = actions
        self._stream = stream(0)
        self._at = 0
        self._steps = 0
        self._last = -1
        self._repeats = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Array, dict[str, Any]]:
        """Start an episode at a random known embedding; its units, float32 (d,)."""
        super().reset(seed=seed)
        if seed is not None:
            self._stream = stream(seed)
            self._last, self._repeats = -1, 0
        self._stream, uniform = draw(self._stream)
        self._at = int(uniform * self.mdp.count)
        self._steps = 0
        return self.mdp.points[self._at].copy(), {}

    def step(self, action: Array) -> tuple[Array, float, bool, bool, dict[str, Any]]:
        """State (d,), reward, failed, horizon reached, nothing."""
        mdp, config = self.mdp, self.mdp.config
        distances = np.linalg.norm(mdp.points - action, axis=1)
        reached = int(distances.argmin())
        penalty: Any = float(distances[reached]) / mdp.penalty_unit
        repeats: Any = min(self._repeats + 1, config.repeat_limit) if reached == self._last else 0
        self._stream, uniform = draw(self._stream)
        rate: Any = float(mdp.failure_rate[reached])
        failed: Any = bool(rate >= 0.5) if config.outcome == "label" else bool(uniform < rate)
        if config.outcome == "expected":
            reward = rate * failure_reward(penalty, repeats, config) + (1.0 - rate) * success_reward(penalty, config)
        else:
            reward = failure_reward(penalty, repeats, config) if failed else success_reward(penalty, config)
        if config.uncertainty_bonus:
            reward += mdp.bonus[reached]
        if config.shaping:
            before: Any = mdp.potential[self._at]
            reward += shaping(before, mdp.potential[reached], failed, config.discount)
        self._at = self._last = reached
        self._repeats = repeats
        self._steps += 1
        truncated = not failed and self._steps >= config.horizon
        return mdp.points[reached].copy(), float(reward), failed, truncated, {}
