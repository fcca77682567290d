"""One control step of robosuite's operational-space controller, without what it computes and nobody reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class ControlLoop:
    """Steps the simulation under robosuite's OSC_POSE controller: but for rounding the same torques, much faster.

    robosuite looks up names, rebuilds constants and refreshes every observable at each of the 25 physics steps of a
    control step. Here names are resolved once, goals are set by robosuite's own controller once a control step, and the
    torques of each physics step come from the same operations in the same order, compiled into one function.

    Args:
        env: The robosuite environment whose simulation and controllers are used.
    """

    def __init__(self, env: Any) -> None:
        from faultfield.envs._osc_kernel import torques

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
        self._low, self._high = self._model.actuator_ctrlrange[self._actuators].T.copy()
        self._gripper_low, self._gripper_high = self._model.actuator_ctrlrange[self._gripper_actuators].T.copy()
        self._kp, self._kd = np.array(self._arm.kp, dtype=np.float64), np.array(self._arm.kd, dtype=np.float64)
        self._jacobian_pos = np.zeros((3, self._model.nv))
        self._jacobian_ori = np.zeros((3, self._model.nv))
        self._mass = np.zeros((self._model.nv, self._model.nv))
        self._initial = np.zeros(len(self._qpos))
        self._torques = torques

    @property
    def joints(self) -> NDArray[np.int64]:
        """Indices of the arm's joints in `qpos`."""
        return self._qpos

    def reset(self) -> None:
        """Begin an episode from the joint positions that the simulation has now."""
        self._gripper_model.current_action = np.zeros(self._gripper_model.dof)
        self._initial = np.array(self._data.qpos[self._qpos])

    def step(self, action: Array) -> None:
        """Advance by one control step.

        Args:
            action: Shape (7,), −1–1: position and rotation deltas, and the gripper (−1 opens, 1 closes).
        """
        import mujoco

        model, data, arm = self._model, self._data, self._arm
        ctrl, qpos, qvel, bias = data.ctrl, data.qpos, data.qvel, data.qfrc_bias
        position, orientation = data.site_xpos[self._site], data.site_xmat[self._site].reshape(3, 3)
        mujoco.mj_step1(model, data)
        arm.new_update = True
        self._composite.update_state()
        self._composite.set_goal(action)
        gripper = self._composite.part_controllers["right_gripper"].run_controller()
        ctrl[self._gripper_actuators] = np.clip(gripper, self._gripper_low, self._gripper_high)
        goal_pos = arm.origin_pos + np.dot(arm.origin_ori, arm.goal_pos)
        goal_ori = np.dot(arm.origin_ori, arm.goal_ori)
        for substep in range(self._substeps):
            if substep:
                mujoco.mj_step1(model, data)
            mujoco.mj_jacSite(model, data, self._jacobian_pos, self._jacobian_ori, self._site)
            mujoco.mj_fullM(model, self._mass, data.qM)
            torques = self._torques(
                goal_pos, goal_ori, position, orientation, self._jacobian_pos, self._jacobian_ori, self._mass,
                qpos, qvel, bias, self._qpos, self._qvel, self._kp, self._kd, self._initial,
            )  # fmt: skip
            ctrl[self._actuators] = np.minimum(np.maximum(torques, self._low), self._high)
            mujoco.mj_step2(model, data)
