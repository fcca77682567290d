"""One control step of robosuite's operational-space controller, without what it computes and nobody reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ControlLoop:
    """Steps the simulation under robosuite's OSC_POSE controller: the same torques bit for bit, several times faster.

    robosuite looks up names, rebuilds constants and refreshes every observable at each of the 25 physics steps of a control
    step. Here names are resolved once, goals are set by robosuite's own controller once a control step, and the torques of
    each physics step come from the same operations in the same order.

    Args:
        env: The robosuite environment whose simulation and controllers are used.
    """

    def __init__(self, env: Any) -> None:
        from robosuite.utils import control_utils

        robot = env.robots[0]
        self._composite = robot.composite_controller
        self._arm = robot.part_controllers["right"]
        self._gripper_model = robot.gripper["right"]
        self._model, self._data = env.sim.model._model, env.sim.data._data
        self._substeps = int(env.control_timestep / env.model_timestep)
        self._qpos = np.asarray(self._arm.qpos_index)
        self._qvel = np.asarray(self._arm.qvel_index)
        self._site = env.sim.model.site_name2id(self._arm.ref_name)
        self._actuators = np.asarray(robot._ref_actuators_indexes_dict["right"])
        self._gripper_actuators = np.asarray(robot._ref_actuators_indexes_dict["right_gripper"])
        self._low, self._high = self._model.actuator_ctrlrange[self._actuators].T
        self._matrices = control_utils.opspace_matrices
        self._nullspace = control_utils.nullspace_torques
        self._orientation_error = control_utils.orientation_error
        self._jacobian_pos = np.zeros((3, self._model.nv))
        self._jacobian_ori = np.zeros((3, self._model.nv))
        self._mass = np.zeros((self._model.nv, self._model.nv))

    @property
    def joints(self) -> NDArray[np.int64]:
        """Indices of the arm's joints in `qpos`."""
        return self._qpos

    def reset(self) -> None:
        """Begin an episode from the joint positions that the simulation has now."""
        self._gripper_model.current_action = np.zeros(self._gripper_model.dof)
        self._arm.initial_joint = np.array(self._data.qpos[self._qpos])

    def step(self, action: NDArray[np.float64]) -> None:
        """Advance by one control step.

        Args:
            action: Shape (7,), −1–1: position and rotation deltas, and the gripper (−1 opens, 1 closes).
        """
        import mujoco

        mujoco.mj_step1(self._model, self._data)
        self._arm.new_update = True
        self._composite.update_state()
        self._composite.set_goal(action)
        gripper = self._composite.part_controllers["right_gripper"].run_controller()
        low, high = self._model.actuator_ctrlrange[self._gripper_actuators].T
        self._data.ctrl[self._gripper_actuators] = np.clip(gripper, low, high)
        goal_pos = self._arm.origin_pos + np.dot(self._arm.origin_ori, self._arm.goal_pos)
        goal_ori = np.dot(self._arm.origin_ori, self._arm.goal_ori)
        for substep in range(self._substeps):
            if substep:
                mujoco.mj_step1(self._model, self._data)
            self._data.ctrl[self._actuators] = np.clip(self._torques(goal_pos, goal_ori), self._low, self._high)
            mujoco.mj_step2(self._model, self._data)

    def _torques(self, goal_pos: NDArray[np.float64], goal_ori: NDArray[np.float64]) -> NDArray[np.float64]:
        import mujoco

        model, data, arm = self._model, self._data, self._arm
        mujoco.mj_jacSite(model, data, self._jacobian_pos, self._jacobian_ori, self._site)
        mujoco.mj_fullM(model, self._mass, data.qM)
        qvel = data.qvel
        jacobian_pos = np.ascontiguousarray(self._jacobian_pos[:, self._qvel])
        jacobian_ori = np.ascontiguousarray(self._jacobian_ori[:, self._qvel])
        jacobian = np.vstack([jacobian_pos, jacobian_ori])
        mass = self._mass[self._qvel, :][:, self._qvel]
        position = np.array(data.site_xpos[self._site])
        orientation = np.array(data.site_xmat[self._site]).reshape(3, 3)
        # The robot's base does not move, so the velocities are the gripper's own.
        force = (goal_pos - position) * arm.kp[0:3] - np.dot(self._jacobian_pos, qvel) * arm.kd[0:3]
        turn = self._orientation_error(goal_ori, orientation)
        torque = turn * arm.kp[3:6] - np.dot(self._jacobian_ori, qvel) * arm.kd[3:6]
        _, along, about, nullspace = self._matrices(mass, jacobian, jacobian_pos, jacobian_ori)
        wrench = np.concatenate([np.dot(along, force), np.dot(about, torque)])
        torques = np.dot(jacobian.T, wrench) + data.qfrc_bias[self._qvel]
        return torques + self._nullspace(  # type: ignore[no-any-return]
            mass, nullspace, arm.initial_joint, data.qpos[self._qpos], qvel[self._qvel]
        )
