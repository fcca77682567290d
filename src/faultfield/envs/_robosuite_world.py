"""What a task may ask about a simulator's state, by the names of its own things."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PADS = ("gripper0_right_finger1_pad_collision", "gripper0_right_finger2_pad_collision")
"""The inner sides of the two fingers, as robosuite names them for the Panda."""


class World:
    """A state of the simulation.

    Args:
        model: A `mujoco.MjModel`.
        data: A `mujoco.MjData` of it, kinematics up to date.
        grip: Number of the site between the fingers.
    """

    def __init__(self, model: Any, data: Any, grip: int) -> None:
        self._model, self._data, self._grip = model, data, grip
        self._bodies = {model.body(i).name: i for i in range(model.nbody)}
        self._pads = [model.geom(name).id for name in PADS]

    @property
    def gripper(self) -> Array:
        """Where the gripper is, shape (3,), metres."""
        return np.asarray(self._data.site_xpos[self._grip])

    def position(self, body: str) -> Array:
        """Where a body is, shape (3,), metres."""
        return np.asarray(self._data.xpos[self._bodies[body]])

    def pose(self, body: str) -> Array:
        """Position and quaternion (x, y, z, w) of a body, shape (7,)."""
        turn = self._data.xquat[self._bodies[body]]
        return np.concatenate([self.position(body), turn[1:], turn[:1]])

    def half_sizes(self, body: str) -> Array:
        """Half-sizes of the box that a body is, shape (3,), metres."""
        return np.asarray(self._model.geom_size[self._shapes(body)[0]])

    def rise(self, body: str, nominal: Array | float) -> float:
        """How much higher a box's half-height is than with its nominal half-sizes, as it is turned now, metres."""
        upright = np.abs(self._data.xmat[self._bodies[body]].reshape(3, 3)[2])
        return float(upright @ (self.half_sizes(body) - nominal))

    def touch(self, one: str, other: str) -> bool:
        """Whether two bodies touch."""
        return self._contact(self._shapes(one), self._shapes(other))

    def held(self, body: str) -> bool:
        """Whether both fingers touch a body."""
        shapes = self._shapes(body)
        return all(self._contact([pad], shapes) for pad in self._pads)

    def put(self, body: str, pose: Array) -> None:
        """Place a free body.

        Args:
            body: Which.
            pose: Position (metres) and quaternion (w, x, y, z), shape (7,).
        """
        first = self._model.jnt_qposadr[self._model.body_jntadr[self._bodies[body]]]
        self._data.qpos[first : first + 7] = pose

    def _shapes(self, body: str) -> Sequence[int]:
        first = int(self._model.body_geomadr[self._bodies[body]])
        geoms = range(first, first + int(self._model.body_geomnum[self._bodies[body]]))
        return [i for i in geoms if self._model.geom_contype[i]]

    def _contact(self, ours: Sequence[int], theirs: Sequence[int]) -> bool:
        first, second = self._data.contact.geom1, self._data.contact.geom2
        there = np.isin(first, ours) & np.isin(second, theirs) | np.isin(first, theirs) & np.isin(second, ours)
        return bool(there.any())
