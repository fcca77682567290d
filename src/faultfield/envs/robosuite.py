"""robosuite's manipulation tasks as environments that accept a variation, fast enough to be searched."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from faultfield.envs._mesh import simplify_visual_meshes
from faultfield.envs._osc import ControlLoop
from faultfield.envs._render import Renderer
from faultfield.envs._robosuite_factors import ModelVariations
from faultfield.envs._robosuite_model import build
from faultfield.envs._robosuite_tasks import task_named
from faultfield.envs.base import IMAGE_PREFIX, PRIVILEGED, STATE, Snapshot, VariableEnv
from faultfield.errors import EnvError
from faultfield.variations import NOMINAL, Variation, VariationSpace

JOINT_NOISE = 0.02
"""Standard deviation of the arm's initial joint positions, radians, as in robosuite."""

DROP = 0.01
"""Height above the table from which the object falls at the start, metres, as in robosuite."""


class Robosuite(VariableEnv):
    """A robosuite task under an operational-space controller (OSC_POSE, 20 Hz).

    Actions: (7,) in −1–1: three position deltas (1 is 0.05 m), three rotation deltas (1 is 0.5 rad), the gripper (−1
    opens, 1 closes). Observations: `observation.images.<camera>`, uint8 (size, size, 3), upright; `observation.state`,
    float32 (9,): gripper position (m), gripper orientation (quaternion x, y, z, w), two finger positions (m);
    `observation.environment_state`, float32 (7,): object position and orientation. Reward is 1 on success, else 0.

    Physics is robosuite's bit for bit. Success is robosuite's: the object's centre 4 cm above the table; where
    `cube_size` makes the object taller or flatter, the mark moves with the height at which its centre would rest.

    Args:
        task: robosuite's name of the task.
        robot: robosuite's name of the robot.
        camera: Name of a camera in the task.
        size: Height and width of the picture, pixels.
        horizon: Control steps after which an episode is cut.
        placement: The object lies within ± this of the table's middle, metres, in x and in y, and is turned at random.
        fast: Simplified visual meshes, no mirror images, no multisampling. Physics does not depend on it.
        images: Whether observations have a picture; without, no OpenGL is needed.

    Raises:
        SetupError: robosuite or OpenGL is missing.
        EnvError: There is no such task, robot or camera, or a number is out of range.

    Example:
        >>> env = Robosuite(images=False)
        >>> variation = env.variation_space.variation({"cube_mass": 2.0})
        >>> observation, info = env.reset(seed=0, options={"variation": variation})
        >>> sorted(observation)
        ['observation.environment_state', 'observation.state']
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012

    def __init__(
        self,
        task: str = "Lift",
        robot: str = "Panda",
        camera: str = "agentview",
        size: int = 84,
        horizon: int = 100,
        placement: float = 0.10,
        fast: bool = True,
        images: bool = True,
    ) -> None:
        self.task = task_named(task)
        if not 0.0 <= placement <= self.task.reach:
            raise EnvError(f"The placement must be from 0 to {self.task.reach} m, not {placement}.")
        if size < 8 or horizon < 1:
            raise EnvError(f"The size must be at least 8 and the horizon 1, not {size} and {horizon}.")
        self.instruction = self.task.instruction
        self.variation_space = VariationSpace(self.task.factors)
        self.render_mode = "rgb_array"
        self._camera, self._horizon, self._placement = camera, horizon, placement
        self._robosuite = build(self.task, robot)
        self._model, self._data = self._robosuite.sim.model._model, self._robosuite.sim.data._data
        cameras = [self._model.camera(i).name for i in range(self._model.ncam)]
        if camera not in cameras:
            raise EnvError(f"{task} has no camera '{camera}'; it has {', '.join(cameras)}.")
        self._find_references()
        self._control = ControlLoop(self._robosuite)
        self._variations = ModelVariations(self._model, self.task, self.variation_space, camera)
        if images and fast:
            simplify_visual_meshes(self._model)
        self._renderer = Renderer(self._model, camera, size, fast) if images else None
        self._steps: int | None = None
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (7,), np.float32)
        spaces: dict[str, gymnasium.Space[Any]] = {
            STATE: gymnasium.spaces.Box(-np.inf, np.inf, (9,), np.float32),
            PRIVILEGED: gymnasium.spaces.Box(-np.inf, np.inf, (7,), np.float32),
        }
        if images:
            spaces[IMAGE_PREFIX + camera] = gymnasium.spaces.Box(0, 255, (size, size, 3), np.uint8)
        self.observation_space = gymnasium.spaces.Dict(spaces)  # type: ignore[assignment]

    def _find_references(self) -> None:
        import mujoco

        robot, model = self._robosuite.robots[0], self._model
        self._scratch = mujoco.MjData(model)
        self._grip_site = robot.eef_site_id["right"]
        self._hand_body = model.body(robot.robot_model.eef_name["right"]).id
        self._fingers = np.asarray(robot._ref_gripper_joint_pos_indexes["right"])
        self._object_body = model.body(f"{self.task.target}_main").id
        self._object_qpos = int(model.jnt_qposadr[model.body_jntadr[self._object_body]])
        self._arm_qpos = np.array(robot.init_qpos)
        self._finger_qpos = np.array(robot.gripper["right"].init_qpos)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Fixes the initial state; the same for every variation.
            options: `{"variation": Variation}`; nominal without.

        Raises:
            VariationError: The variation is not in this environment's space.
        """
        import mujoco

        variation = (options or {}).get("variation") or NOMINAL
        variation = self.variation_space.validate(variation)
        super().reset(seed=seed)
        self._variations.apply(variation)
        half = self._variations.half_sizes
        noise = self.np_random.standard_normal(len(self._arm_qpos)) * JOINT_NOISE
        x, y = self.np_random.uniform(-self._placement, self._placement, size=2)
        turn = self.np_random.uniform(0.0, 2 * np.pi)
        data = self._data
        mujoco.mj_resetData(self._model, data)
        data.qpos[self._control.joints] = self._arm_qpos + noise
        data.qpos[self._fingers] = self._finger_qpos
        start = self._object_qpos
        data.qpos[start : start + 3] = (x, y, self.task.table_height + half[2] + DROP)
        data.qpos[start + 3 : start + 7] = (np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2))
        mujoco.mj_forward(self._model, data)
        self._control.reset()
        self._steps = 0
        return self._observe(data), {"success": False}

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Advance by 0.05 s.

        Args:
            action: Shape (7,); what lies outside −1–1 is clipped.

        Raises:
            EnvError: The action has another shape or is not finite, or no episode was begun.
        """
        if self._steps is None:
            raise EnvError("The episode has not begun or is over; call reset() before step().")
        command = np.asarray(action, dtype=np.float64)
        if command.shape != (7,) or not np.isfinite(command).all():
            raise EnvError(f"An action is seven finite numbers, not {action!r}.")
        self._control.step(command)
        self._derive(self._data)
        self._steps += 1
        success = self._success()
        truncated = not success and self._steps >= self._horizon
        observation = self._observe(self._data)
        if success or truncated:
            self._steps = None
        return observation, float(success), success, truncated, {"success": success}

    def snapshot(self) -> Snapshot:
        """The state of the physics now: `{"state": float64 (n,)}`, MuJoCo's full integration state."""
        import mujoco

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.empty(mujoco.mj_stateSize(self._model, kind))
        mujoco.mj_getState(self._model, self._data, state, kind)
        return {"state": state}

    def observe(self, snapshot: Snapshot, variation: Variation) -> dict[str, NDArray[Any]]:
        """The observation of a stored state under `variation`; the running episode is not disturbed.

        Raises:
            VariationError: The variation is not in this environment's space.
            EnvError: The snapshot is of another environment.
        """
        import mujoco

        kind = mujoco.mjtState.mjSTATE_INTEGRATION
        state = np.ascontiguousarray(snapshot["state"], dtype=np.float64)
        if state.shape != (mujoco.mj_stateSize(self._model, kind),):
            raise EnvError("The snapshot was taken in another environment and cannot be pictured here.")
        running = self._variations.current
        self._variations.apply(self.variation_space.validate(variation))
        try:
            mujoco.mj_setState(self._model, self._scratch, state, kind)
            self._derive(self._scratch)
            return self._observe(self._scratch)
        finally:
            self._variations.apply(running)

    def render(self) -> NDArray[np.uint8]:
        """The picture of the present state, uint8 (size, size, 3).

        Raises:
            EnvError: The environment was made without pictures.
        """
        if self._renderer is None:
            raise EnvError("This environment was made with images=False and has nothing to render with.")
        return self._renderer.render(self._data)

    def close(self) -> None:
        """Free the render context and the simulation."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None

    def _derive(self, data: Any) -> None:
        """Positions, cameras and lights that follow from the state; nothing that the next physics step would read."""
        import mujoco

        mujoco.mj_kinematics(self._model, data)
        mujoco.mj_comPos(self._model, data)
        mujoco.mj_camlight(self._model, data)

    def _observe(self, data: Any) -> dict[str, NDArray[Any]]:
        body, hand = self._object_body, data.xquat[self._hand_body]
        turn = data.xquat[body]
        fingers = data.qpos[self._fingers]
        observation = {
            STATE: np.concatenate([data.site_xpos[self._grip_site], hand[1:], hand[:1], fingers]).astype(np.float32),
            PRIVILEGED: np.concatenate([data.xpos[body], turn[1:], turn[:1]]).astype(np.float32),
        }
        if self._renderer is not None:
            observation[IMAGE_PREFIX + self._camera] = self._renderer.render(data)
        return observation

    def _success(self) -> bool:
        """Whether the object is lifted: robosuite's mark, moved by what its size adds to where it would rest."""
        upright = np.abs(self._data.xmat[self._object_body].reshape(3, 3)[2])
        taller = float(upright @ (self._variations.half_sizes - self.task.half_size))
        return bool(self._data.xpos[self._object_body, 2] - taller > self.task.table_height + self.task.lift)
