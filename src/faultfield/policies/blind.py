"""The floor under every success rate: a policy that sees nothing."""

import numpy as np

from faultfield.envs.base import STATE, Observation
from faultfield.errors import PolicyError
from faultfield.policies.base import Actions
from faultfield.policies.experts import LiftExpert

TABLE_CENTRE = np.array([0.0, 0.0, 0.82], dtype=np.float32)
"""Where the blind policy believes the cube to be: on the middle of the table, metres."""


class BlindLift:
    """Acts as the Lift expert would if the cube always lay in the middle of the table.

    It reads proprioception only. What it achieves is luck of the placement, so a policy under test that does no better
    under a variation has in effect stopped looking.
    """

    def __init__(self) -> None:
        self._expert = LiftExpert()

    def reset(self) -> None:
        """There is nothing to forget."""

    def infer(self, observation: Observation) -> Actions:
        """One action, shape (1, 7), whatever the cameras show.

        Raises:
            PolicyError: The observation has no `observation.state`.
        """
        if STATE not in observation:
            raise PolicyError(f"The blind policy needs '{STATE}' (the gripper's pose and fingers), which is missing.")
        state = observation[STATE]
        # Once it holds on to something it believes that the cube comes along, or it would let go and dive again.
        holding = state[7] - state[8] < LiftExpert.opening_held
        aim = np.append(TABLE_CENTRE[:2], state[2]) if holding else TABLE_CENTRE
        return {"actions": self._expert.act(state, aim.astype(np.float32))[None]}
