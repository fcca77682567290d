"""Policies and environments that break in the ways that users' own do."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import Observation
from faultfield.policies.base import Actions
from tests.toy import PointReach


class NanPolicy:
    """Diverged in training."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def infer(self, observation: Observation) -> Actions:
        return {"actions": np.full((1, 2), np.nan, dtype=np.float32)}


class WidePolicy:
    """Made for a robot with more joints."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def infer(self, observation: Observation) -> Actions:
        return {"actions": np.zeros((1, 7), dtype=np.float32)}


class WordPolicy:
    """Answers in words."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def infer(self, observation: Observation) -> dict[str, Any]:
        return {"actions": np.array([["left", "up"]])}


class BrokenReach(PointReach):
    """Raises in the middle of an episode."""

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        if self._steps == 2:
            raise RuntimeError("the motor does not answer")
        return super().step(action)
