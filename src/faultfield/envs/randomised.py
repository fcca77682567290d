"""An environment that varies itself at every reset: domain randomisation, for demonstrations to learn from."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import CanObserve, Snapshot, VariableEnv
from faultfield.envs.building import build
from faultfield.errors import EnvError
from faultfield.variations import NOMINAL, Variation


class Randomised(VariableEnv):
    """Draws a variation for every episode that is not told one; the same seed draws the same.

    Variations have a stream of their own: which one is drawn tells nothing of how the episode starts.

    `faultfield policy demos --environment faultfield.envs.randomised:Randomised --env-args '{type: …}'` gathers
    demonstrations under all kinds of variations. Those that the expert cannot solve are discarded there.

    Args:
        type: The environment that is varied, `module:Class`.
        share: Of the episodes that are varied, 0–1; the others are nominal.
        most: Factors that change together at most.
        factors: Names of the factors that vary; all when None.
        settings: Of the environment that is varied.

    Attributes:
        variation: Of the episode that is running.
        factors: Names of those that vary.

    Raises:
        EnvError: `share` or `most` is out of range, there is nothing to vary, or the environment cannot be built.
        VariationError: The environment has no factor of such a name.
    """

    def __init__(
        self, type: str, share: float = 0.8, most: int = 2, factors: Sequence[str] | None = None, **settings: Any
    ) -> None:
        if not 0.0 <= share <= 1.0 or most < 1:
            raise EnvError(f"Randomised needs a share in 0–1 and at least one factor, not {share} and {most}.")
        self.inner = build(type, settings)
        self.variation_space = self.inner.variation_space
        self.instruction = self.inner.instruction
        self.action_space, self.observation_space = self.inner.action_space, self.inner.observation_space
        self.variation = NOMINAL
        names = list(self.variation_space.factors) if factors is None else list(factors)
        if share > 0 and not names:
            raise EnvError(f"Randomised was given no factor of {type} to vary: name one, or set the share to 0.")
        self.factors = tuple(names)
        self._factors = [self.variation_space.factor(name) for name in names]
        self._share, self._most = share, min(most, len(names))
        self._draws = np.random.default_rng()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Begin an episode under the variation in `options`, or under one that is drawn from the seed."""
        super().reset(seed=seed)
        if seed is not None:
            # The seed alone is the inner environment's, whose start would then go with the variation.
            self._draws = np.random.default_rng([seed, 1])
        told = (options or {}).get("variation")
        self.variation = self._draw() if told is None else told
        return self.inner.reset(seed=seed, options={**(options or {}), "variation": self.variation})

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """The environment's own step."""
        observation, reward, terminated, truncated, info = self.inner.step(action)
        return observation, float(reward), terminated, truncated, info

    def snapshot(self) -> Snapshot:
        """The environment's own."""
        return self._observable().snapshot()

    def observe(self, snapshot: Snapshot, variation: Variation) -> dict[str, NDArray[Any]]:
        """The environment's own."""
        return self._observable().observe(snapshot, variation)

    def _observable(self) -> CanObserve:
        if not isinstance(self.inner, CanObserve):
            raise EnvError(f"{type(self.inner).__name__} has no observe(snapshot, variation), and so no other looks.")
        return self.inner

    def close(self) -> None:
        """Close the environment."""
        self.inner.close()

    def _draw(self) -> Variation:
        rng = self._draws
        if rng.random() >= self._share:
            return NOMINAL
        count = int(rng.integers(1, self._most + 1))
        picked = rng.choice(len(self._factors), size=count, replace=False)
        chosen = [self._factors[i] for i in sorted(picked)]
        return self.variation_space.variation({factor.name: factor.sample(rng) for factor in chosen})
