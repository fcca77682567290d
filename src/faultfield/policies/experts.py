"""Scripted controllers that read the simulator's truth: teachers, and the control of every diagnosis."""

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import PRIVILEGED, STATE, Observation
from faultfield.errors import PolicyError
from faultfield.policies.base import Actions

REACH = 0.05
"""How far an action of 1 asks the gripper to go in one control step, metres (robosuite's OSC_POSE)."""


class LiftExpert:
    """Grasps a cube and lifts it, deciding every step from what is true at that moment alone.

    It keeps no phase and no counter: the same observation always gets the same action, so that its demonstrations
    teach a policy that sees one picture, and so that it recovers from pushes and noise wherever they leave it. It comes
    down a funnel (the lower, the nearer it must be above the cube), closes where the cube is between the fingers, and
    rises the faster the further they have closed. The gripper is never turned: a cube looks the same every 90 degrees,
    and labels that jump from one quarter to the next teach nothing.
    """

    gain = 2.0
    """Action per unit of distance in reaches: above 1, because the arm does only part of what a step asks."""
    funnel = 2.0
    """How much higher than the cube the gripper stays per metre that it is off to the side."""
    aligned = 0.012
    """Off to the side by less than this (metres), the gripper may go down to the cube."""
    within = 0.012
    """The fingers close when the gripper is this near the cube's centre in height, metres."""
    opening_held = 0.064
    """Fingers closer together than this hold something, metres; a cube held by its diagonal keeps them 0.059 apart."""
    opening_tight = 0.042
    """Fingers this close together hold a cube by its faces, and rise at full speed, metres."""
    rise = 0.7
    """Fastest action upwards; a faster one lets the cube slip."""

    def reset(self) -> None:
        """There is nothing to forget."""

    def infer(self, observation: Observation) -> Actions:
        """One action, shape (1, 7), from the gripper's pose, the fingers' opening and the cube's true position.

        Raises:
            PolicyError: The observation has no `observation.environment_state`: it does not come from a simulator.
        """
        if PRIVILEGED not in observation:
            raise PolicyError(f"The scripted expert needs '{PRIVILEGED}' (the cube's true pose), which is missing.")
        return {"actions": self.act(observation[STATE], observation[PRIVILEGED][:3])[None]}

    def act(self, state: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """The action for a gripper that should grasp at `target` and rise.

        Args:
            state: Gripper position (3), its quaternion (4), finger positions (2); metres, shape (9,).
            target: Where the cube's centre is, or is believed to be, metres, shape (3,).

        Returns:
            Position and rotation deltas and the gripper (−1 opens, 1 closes), float32 (7,).
        """
        offset = target.astype(np.float64) - state[:3]
        aside = float(np.hypot(offset[0], offset[1]))
        opening = float(state[7] - state[8])
        action = np.zeros(7)
        action[:2] = self.gain * offset[:2] / REACH
        if aside < 2 * self.aligned and abs(offset[2]) < self.within:
            tightness = (self.opening_held - opening) / (self.opening_held - self.opening_tight)
            action[2] = self.gain * offset[2] / REACH if tightness <= 0 else self.rise * np.clip(tightness, 0.3, 1.0)
            action[6] = 1.0
        else:
            height = self.funnel * max(aside - self.aligned, 0.0)
            action[2] = self.gain * (offset[2] + min(height, 0.1)) / REACH
            action[6] = -1.0
        return np.clip(action, -1.0, 1.0).astype(np.float32)


class PatientLift(LiftExpert):
    """Waits until the fingers have stopped on the cube, and then rises at once.

    `LiftExpert` rises by how far the fingers have closed, which tells a held cube from an empty hand at the usual size
    alone: with cubes of half that size it rises before it holds them, lets go and comes again, and cubes 1.4 times as
    large hardly let it rise. A demonstration of dithering teaches dithering. That fingers have stopped is seen from
    their opening one step before, which is all that this one remembers; to a policy that sees one picture it is how
    wide they are beside the cube that it sees.
    """

    stopped = 0.0015
    """Fingers that moved by less than this in a step have stopped, metres; free ones close by 0.01 and more."""
    opening_empty = 0.075
    """Fingers further apart than this have not begun to close, metres."""

    def __init__(self) -> None:
        self._before: float | None = None

    def reset(self) -> None:
        """Forget how far the fingers were apart."""
        self._before = None

    def act(self, state: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
        """As `LiftExpert.act`, but how fast it rises."""
        action = super().act(state, target)
        opening = float(state[7] - state[8])
        stopped = self._before is not None and abs(self._before - opening) < self.stopped
        self._before = opening
        if action[6] > 0:
            ahead = self.gain * float(target[2] - state[2]) / REACH
            action[2] = self.rise if stopped and opening < self.opening_empty else np.clip(ahead, -1.0, 1.0)
        return action
