"""Experts of the toy that give up on some episodes, or on all; importable by worker processes."""

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
