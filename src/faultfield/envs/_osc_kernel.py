"""The torques of one physics step, compiled once and cached on disk. Imported only where robosuite is installed."""

from typing import Any

import numba  # type: ignore[import-untyped, unused-ignore]
import numpy as np
from numpy.typing import NDArray
from robosuite.utils.control_utils import nullspace_torques, opspace_matrices, orientation_error

Array = NDArray[np.float64]


@numba.njit(cache=True)  # type: ignore[untyped-decorator, unused-ignore]
def torques(
    goal_pos: Array, goal_ori: Array, position: Array, orientation: Array, full_pos: Array, full_ori: Array,
    full_mass: Array, qpos: Array, qvel: Array, bias: Array, at_qpos: Any, at_qvel: Any, kp: Array, kd: Array,
    initial: Array,
) -> Array:  # fmt: skip
    """Torques of robosuite's operational-space controller (Khatib 1987), position and orientation decoupled.

    Args:
        goal_pos: Where the gripper shall be, (3,), metres.
        goal_ori: How it shall be turned, (3, 3).
        position: Where it is, (3,), metres.
        orientation: How it is turned, (3, 3).
        full_pos: Jacobian of its position over all degrees of freedom, (3, nv).
        full_ori: Jacobian of its orientation, (3, nv).
        full_mass: Mass matrix, (nv, nv).
        qpos: Positions, (nq,).
        qvel: Velocities, (nv,).
        bias: Coriolis, centrifugal and gravitational forces, (nv,).
        at_qpos: Indices of the arm's joints in `qpos`.
        at_qvel: Indices of the arm's joints in `qvel`.
        kp: Stiffness, (6,).
        kd: Damping, (6,).
        initial: Joint positions to which the null space returns.

    Returns:
        One torque a joint.
    """
    joints = len(at_qvel)
    jacobian_pos, jacobian_ori, jacobian = np.empty((3, joints)), np.empty((3, joints)), np.empty((6, joints))
    # Column-major, as robosuite's indexing leaves it: the layout decides in which order BLAS adds.
    mass = np.empty((joints, joints)).T
    for j in range(joints):
        for i in range(3):
            jacobian_pos[i, j] = jacobian[i, j] = full_pos[i, at_qvel[j]]
            jacobian_ori[i, j] = jacobian[3 + i, j] = full_ori[i, at_qvel[j]]
        for i in range(joints):
            mass[i, j] = full_mass[at_qvel[i], at_qvel[j]]
    # The robot's base does not move, so these velocities are relative to it too.
    force = (goal_pos - position) * kp[:3] - np.dot(full_pos, qvel) * kd[:3]
    torque = orientation_error(goal_ori, orientation) * kp[3:] - np.dot(full_ori, qvel) * kd[3:]
    _, along, about, nullspace = opspace_matrices(mass, jacobian, jacobian_pos, jacobian_ori)
    wrench = np.concatenate((np.dot(along, force), np.dot(about, torque)))
    wanted = np.dot(jacobian.T, wrench) + bias[at_qvel]
    return wanted + nullspace_torques(mass, nullspace, initial, qpos[at_qpos], qvel[at_qvel])  # type: ignore[no-any-return]
