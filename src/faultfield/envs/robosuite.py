"""robosuite's manipulation tasks as environments that accept a variation, fast enough to be searched."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._mesh import simplify_visual_meshes
from faultfield.envs._mujoco import MujocoEnv
from faultfield.envs._osc import ControlLoop
from faultfield.envs._render import Renderer
from faultfield.envs._robosuite_factors import ModelVariations
from faultfield.envs._robosuite_model import build
from faultfield.envs._robosuite_tasks import TASKS as _TASKS
from faultfield.envs._robosuite_tasks import task_named
from faultfield.envs._robosuite_world import World
from faultfield.envs.base import PRIVILEGED, STATE, Snapshot
from faultfield.errors import EnvError
from faultfield.variations import NOMINAL, Variation, VariationSpace

TASKS = tuple(_TASKS)
"""robosuite's names of the tasks that are offered here."""

JOINT_NOISE = 0.02
"""Standard deviation of the arm's initial joint positions, radians, as in robosuite."""


class Robosuite(MujocoEnv):
    """A robosuite task under an operational-space controller (OSC_POSE, 20 Hz).

    Actions: (7,) in −1–1: three position deltas (1 is 0.05 m), three rotation deltas (1 is 0.5 rad), the gripper (−1
    opens, 1 closes). Observations: `observation.images.<camera>`, uint8 (size, size, 3), upright; `observation.state`,
    float32 (9,): gripper position (m), gripper orientation (quaternion x, y, z, w), two finger positions (m);
    `observation.environment_state`, float32, the task's truth, in which a pose is a position (m) and a quaternion
    (x, y, z, w). Reward is 1 on success, else 0. Physics is robosuite's but for rounding, success is robosuite's check.

    | task | truth | placed | success |
    |---|---|---|---|
    | `Lift` | pose of the cube (7) | around the table's middle | the cube's centre is 4 cm above the table |
    | `Stack` | poses of the red and the green cube (14) | the same, apart | red stands on green, let go |
    | `PickPlaceCan` | pose of the can, middle of its compartment (10) | around its bin's middle | it is there, let go |
    | `NutAssemblySquare` | pose of the nut, upper end of the peg (10) | beside the peg | the nut is around the peg |

    Where a size that varies makes a cube taller or flatter, the heights that success asks for move with those at which
    it would rest. `env.objects` names the objects in words. Besides robosuite's cameras there are `front`, `wrist` (in
    robosuite's words `robot0_eye_in_hand`) and `overhead`, near enough to show what happens in a picture of 84 pixels.

    Args:
        task: robosuite's name of the task, one of `TASKS`.
        robot: robosuite's name of the robot.
        camera: Name of a camera in the task.
        size: Height and width of the picture, pixels.
        horizon: Control steps after which an episode is cut; where it is None, 100 for Lift, 200 for Stack and 300 for
            PickPlaceCan and NutAssemblySquare.
        placement: Objects lie within ± this of the middle, metres, in x and in y, and are turned at random; at most 0.3
            on a table, 0.12 beside the pegs and 0.1 in a bin, at least 0.04 for Stack, whose cubes must lie apart.
        fast: Simplified visual meshes, no mirror images, no multisampling. Physics does not depend on it.
        images: Whether observations have a picture; without, no OpenGL is needed until `pictures` is called.

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
        horizon: int | None = None,
        placement: float = 0.10,
        fast: bool = True,
        images: bool = True,
    ) -> None:
        self.task = task_named(task)
        super().__init__(camera, size, self.task.horizon if horizon is None else horizon, fast, images)
        if not self.task.nearest <= placement <= self.task.reach:
            raise EnvError(
                f"The placement must be from {self.task.nearest:g} to {self.task.reach:g} m in {task}, not {placement}."
            )
        self.instruction, self.objects = self.task.instruction, self.task.objects
        self._placement = placement
        self._robosuite = build(self.task, robot)
        self._model, self._data = self._robosuite.sim.model._model, self._robosuite.sim.data._data
        self._cameras = tuple(self._model.camera(i).name for i in range(self._model.ncam))
        self._find_references()
        self._control = ControlLoop(self._robosuite)
        observed = self._find_camera(camera)
        self.variation_space = VariationSpace(self.task.factors_for(float(self._model.camera(observed).fovy[0])))
        self._variations = ModelVariations(self._model, self.task, self.variation_space, observed)
        self._simplified = False
        self._declare_spaces(actions=7, state=9, truth=self.task.truth_dim)
        if images:
            self._open_renderer()

    def _find_references(self) -> None:
        import mujoco

        robot, model = self._robosuite.robots[0], self._model
        self._scratch = mujoco.MjData(model)
        grip = robot.eef_site_id["right"]
        self._world, self._stored = World(model, self._data, grip), World(model, self._scratch, grip)
        self._hand_body = model.body(robot.robot_model.eef_name["right"]).id
        self._fingers = np.asarray(robot._ref_gripper_joint_pos_indexes["right"])
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
        noise = self.np_random.standard_normal(len(self._arm_qpos)) * JOINT_NOISE
        data = self._data
        mujoco.mj_resetData(self._model, data)
        data.qpos[self._control.joints] = self._arm_qpos + noise
        data.qpos[self._fingers] = self._finger_qpos
        self.task.start(self._world, self.np_random, self._placement)
        mujoco.mj_forward(self._model, data)
        self._control.reset()
        self._steps = 0
        return self._observe(data, self._world), {"success": False}

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Advance by 0.05 s.

        Args:
            action: Shape (7,); what lies outside −1–1 is clipped.

        Raises:
            EnvError: The action has another shape or is not finite, or no episode was begun.
        """
        command = self._command(action, np.float64)
        self._control.step(command)
        self._derive(self._data)
        success = self.task.success(self._world)
        observation = self._observe(self._data, self._world)
        truncated = self._count_step(success)
        return observation, float(success), success, truncated, {"success": success}

    def snapshot(self) -> Snapshot:
        """The state of the physics now: `{"state": float64 (n,)}`, MuJoCo's full integration state."""
        return {"state": self._state()}

    def observe(self, snapshot: Snapshot, variation: Variation) -> dict[str, NDArray[Any]]:
        """The observation of a stored state under `variation`; the running episode is not disturbed.

        Raises:
            VariationError: The variation is not in this environment's space.
            EnvError: The snapshot is of another environment.
        """
        with self._varied(variation):
            return self._observe(self._recall(snapshot["state"]), self._stored)

    def pictures(
        self, cameras: Sequence[str], size: int, snapshot: Snapshot | None = None
    ) -> dict[str, NDArray[np.uint8]]:
        """Pictures of the present or of a stored state under the running variation, whatever `images` is.

        Args:
            cameras: Their names, for instance `front`, `wrist` and `overhead`.
            size: Height and width, pixels.
            snapshot: The stored state; the present one where it is None.

        Returns:
            By the name that was asked for, uint8 (size, size, 3), upright.

        Raises:
            EnvError: There is no such camera, or the snapshot is of another environment.
            SetupError: There is no OpenGL to render with.
        """
        found = {camera: self._find_camera(camera) for camera in cameras}
        data = self._data if snapshot is None else self._recall(snapshot["state"])
        renderer = self._open_renderer()
        return {name: renderer.render(data, camera, size) for name, camera in found.items()}

    def _open_renderer(self) -> Renderer:
        if self._renderer is None:
            if self._fast and not self._simplified:
                simplify_visual_meshes(self._model)
                self._simplified = True
            self._renderer = Renderer(self._model, self._find_camera(self._camera), self._size, self._fast)
        return self._renderer

    def _find_camera(self, name: str) -> str:
        """The model's name of a camera or view."""
        camera = self.task.views.get(name, name)
        if camera not in self._cameras:
            raise EnvError(f"{self.task.name} has no camera '{name}'; it has {', '.join(self._cameras)}.")
        return camera

    def _observe(self, data: Any, world: World) -> dict[str, NDArray[Any]]:
        hand, fingers = data.xquat[self._hand_body], data.qpos[self._fingers]
        told = {
            STATE: np.concatenate([world.gripper, hand[1:], hand[:1], fingers]).astype(np.float32),
            PRIVILEGED: self.task.truth(world).astype(np.float32),
        }
        return self._pictured(told, data)
