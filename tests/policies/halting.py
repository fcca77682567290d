"""Experts of the toy that give up on some episodes, or on all, or that draw; importable by worker processes."""

import os

import numpy as np

from faultfield.envs.base import PRIVILEGED, Observation
from faultfield.policies.base import Actions
from tests.repair.toy import GripExpert


class Halting(GripExpert):
    """Stands still where the disc lies on the left."""

    def infer(self, observation: Observation) -> Actions:
        if observation[PRIVILEGED][0] < 0:
            return {"actions": np.zeros((1, 4), np.float32)}
        return super().infer(observation)


class Never(GripExpert):
    """Stands still."""

    def infer(self, observation: Observation) -> Actions:
        return {"actions": np.zeros((1, 4), np.float32)}


class Wavering(GripExpert):
    """Draws how firmly it grips."""

    def seed(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def infer(self, observation: Observation) -> Actions:
        actions = super().infer(observation)["actions"]
        actions[:, 2] = self._rng.uniform(-1, 1)
        return {"actions": actions}


class Exacting(GripExpert):
    """Cannot be had without an argument."""

    def __init__(self, task: str) -> None:
        super().__init__()
        self.task = task


class Mortal(GripExpert):
    """Takes its process with it when it is asked for a fourth attempt."""

    begun = 0

    def reset(self) -> None:
        super().reset()
        self.begun += 1
        if self.begun > 3:
            os._exit(1)
