"""A small real environment, and policies for it whose failures follow from the variation by a formula.

A point must reach a disc. The policy under test finds the disc by its redness in a 32×32 picture, so it fails where the
disc is not red enough, where the picture is too dark, and where the wind (which no picture shows) is too strong.
"""

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from faultfield.envs.base import IMAGE_PREFIX, PRIVILEGED, STATE, Observation, Snapshot, VariableEnv
from faultfield.policies.base import Actions
from faultfield.variations import NOMINAL, Color, Continuous, Variation, VariationSpace, color_rgb

SIZE = 32
SPEED = 0.1
RADIUS = 0.1
CAMERA = IMAGE_PREFIX + "top"
LAMP = (0.6, 1.0)

# Pixel centres in the arena's coordinates: x to the right, y upwards, both in -1..1.
_CENTERS = (np.arange(SIZE) + 0.5) * 2 / SIZE - 1
_X, _Y = np.meshgrid(_CENTERS, -_CENTERS)


class PointReach(VariableEnv):
    """Move a point to within `RADIUS` of the disc, in a square of -1..1.

    Observations: `observation.images.top` uint8 (32, 32, 3); `observation.state` float32 (2,), the point;
    `observation.environment_state` float32 (2,), the disc. Actions: float32 (2,) in -1..1, times `SPEED` a step.
    Every episode draws a lamp in `LAMP` that scales the picture, so that failure by darkness is a matter of degree.
    """

    instruction = "move the point to the disc"

    def __init__(self, horizon: int = 20) -> None:
        self.horizon = horizon
        self.variation_space = VariationSpace([
            Color("goal_color", "Change the goal color to {}.", nominal=(1.0, 0.0, 0.0)),
            Continuous("brightness", "Dim the picture to {}.", low=0.1, high=1.0, nominal=1.0, percent=True,
                       looks_only=True),
            Continuous("wind", "Let the wind blow at {}.", low=0.0, high=2.0, nominal=0.0, visible=False),
        ])  # fmt: skip
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.observation_space = spaces.Dict({
            CAMERA: spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8),
            STATE: spaces.Box(-np.inf, np.inf, (2,), np.float32),
            PRIVILEGED: spaces.Box(-1.0, 1.0, (2,), np.float32),
        })  # fmt: skip
        self._variation = NOMINAL

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        super().reset(seed=seed)
        self._variation = self.variation_space.validate((options or {}).get("variation", NOMINAL))
        self._point = self.np_random.uniform(-0.1, 0.1, size=2)
        self._goal = self.np_random.uniform(-0.8, 0.8, size=2)
        while np.linalg.norm(self._goal - self._point) < 0.3:
            self._goal = self.np_random.uniform(-0.8, 0.8, size=2)
        self._lamp = float(self.np_random.uniform(*LAMP))
        self._steps = 0
        return self.observe(self.snapshot(), self._variation), {"success": False}

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        wind = self._variation.get("wind", 0.0)
        self._point = self._point + SPEED * np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        self._point[0] += SPEED * float(wind)  # type: ignore[arg-type]
        self._steps += 1
        success = bool(np.linalg.norm(self._goal - self._point) < RADIUS)
        cut = self._steps >= self.horizon and not success
        return self.observe(self.snapshot(), self._variation), float(success), success, cut, {"success": success}

    def snapshot(self) -> dict[str, NDArray[Any]]:
        return {"point": self._point.copy(), "goal": self._goal.copy(), "lamp": np.array(self._lamp)}

    def observe(self, snapshot: Snapshot, variation: Variation) -> dict[str, NDArray[Any]]:
        color = color_rgb(variation.get("goal_color", "red"))  # type: ignore[arg-type]
        picture = np.full((SIZE, SIZE, 3), 0.3)
        for center, radius, rgb in ((snapshot["point"], 0.12, (0.9, 0.9, 0.9)), (snapshot["goal"], 0.2, color)):
            picture[(center[0] - _X) ** 2 + (center[1] - _Y) ** 2 < radius**2] = rgb
        light = float(variation.get("brightness", 1.0)) * float(snapshot["lamp"])  # type: ignore[arg-type]
        return {
            CAMERA: (255 * np.clip(picture * light, 0.0, 1.0)).astype(np.uint8),
            STATE: np.asarray(snapshot["point"], dtype=np.float32),
            PRIVILEGED: np.asarray(snapshot["goal"], dtype=np.float32),
        }


class UnpicturedReach(VariableEnv):
    """The same as a real robot would have it: nothing is known of a state but what was seen of it."""

    instruction = PointReach.instruction

    def __init__(self, horizon: int = 20) -> None:
        self._inner = PointReach(horizon)
        self.variation_space = self._inner.variation_space
        self.action_space, self.observation_space = self._inner.action_space, self._inner.observation_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        super().reset(seed=seed)
        return self._inner.reset(seed=seed, options=options)

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        return self._inner.step(action)


class PointPolicy:
    """Steers to the middle of all pixels that are red enough; stands still where there are none.

    Args:
        chunk: Actions an answer, all the same.
        threshold: By how much red must exceed green and blue, 0-1.
    """

    def __init__(self, chunk: int = 1, threshold: float = 0.3) -> None:
        self.chunk, self.threshold = chunk, threshold

    def reset(self) -> None:
        """Nothing is remembered."""

    def infer(self, observation: Observation) -> Actions:
        picture = observation[CAMERA].astype(np.float64) / 255
        red = picture[..., 0] - picture[..., 1:].max(axis=-1) > self.threshold
        action = np.zeros(2)
        if red.any():
            goal = np.array([_X[red].mean(), _Y[red].mean()])
            action = np.clip((goal - observation[STATE]) / SPEED / self.chunk, -1.0, 1.0)
        return {"actions": np.tile(action.astype(np.float32), (self.chunk, 1))}

    def failure_rate(self, variation: Variation) -> float:
        """The exact probability of failure where there is no wind: that the lamp leaves the disc too little red."""
        red, green, blue = color_rgb(variation.get("goal_color", "red"))  # type: ignore[arg-type]
        redness = float(variation.get("brightness", 1.0)) * (red - max(green, blue))  # type: ignore[arg-type]
        if redness <= 0:
            return 1.0
        return float(np.clip((self.threshold / redness - LAMP[0]) / (LAMP[1] - LAMP[0]), 0.0, 1.0))


class PointExpert:
    """Reads where the disc is; fails only against the wind."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def infer(self, observation: Observation) -> Actions:
        action = (observation[PRIVILEGED] - observation[STATE]) / SPEED
        return {"actions": np.clip(action, -1.0, 1.0).astype(np.float32)[None]}


class PointBlind:
    """Ignores what it sees: the floor."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def infer(self, observation: Observation) -> Actions:
        return {"actions": np.zeros((1, 2), dtype=np.float32)}
