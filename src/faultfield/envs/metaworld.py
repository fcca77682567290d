"""metaworld's manipulation tasks as environments that accept a variation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._metaworld_factors import ModelVariations
from faultfield.envs._metaworld_model import build
from faultfield.envs._metaworld_tasks import TASKS as _TASKS
from faultfield.envs._metaworld_tasks import task_named
from faultfield.envs._mujoco import OTHERS, MujocoEnv
from faultfield.envs._render import Renderer
from faultfield.envs.base import PRIVILEGED, STATE, Snapshot
from faultfield.errors import EnvError
from faultfield.variations import NOMINAL, Variation, VariationSpace

TASKS = tuple(_TASKS)
"""metaworld's names of the tasks that are offered here."""

HAND = slice(0, 3)
"""In `observation.environment_state`: the hand's position, metres. The robot stands at the origin and looks along y."""
OPENING = 3
"""How far the gripper is open, 0 (closed) to 1."""
OBJECT = slice(4, 7)
"""The position of what is handled (of a drawer, door or button: of its handle or head), metres."""
TURN = slice(7, 11)
"""Its quaternion, in the order in which metaworld gives it, which is not the same in every task."""
BEFORE = slice(18, 36)
"""The first 18 numbers as they were one step earlier (metaworld stacks two frames); 11–17 are always 0."""
GOAL = slice(36, 39)
"""Where the object shall be (of `reach-v3`: the hand), metres."""


class Metaworld(MujocoEnv):
    """A metaworld task: a Sawyer arm whose hand is moved along x, y and z, at 80 Hz.

    Actions: (4,) in −1–1: three position deltas of the hand (1 is 0.01 m), the gripper (−1 opens, 1 closes).
    Observations: `observation.images.<camera>`, uint8 (size, size, 3), upright; `observation.state`, float32 (4,): the
    hand's position (m) and how far the gripper is open (0–1); `observation.environment_state`, float32 (39,):
    metaworld's whole observation with the goal in it, laid out as `HAND`, `OPENING`, `OBJECT`, `TURN`, `BEFORE` and
    `GOAL` say. Reward is 1 on success, else 0.

    Physics, starts and success are metaworld's bit for bit; the start is drawn from the seed. Besides metaworld's
    cameras, which are turned upright, there are `front`, `wrist` and `overhead`.

    Args:
        task: metaworld's name of the task, one of `TASKS`.
        camera: Name of a camera.
        size: Height and width of the picture, pixels.
        horizon: Control steps after which an episode is cut; the task's own where it is None.
        images: Whether observations have a picture; without, no OpenGL is needed until `pictures` is called.
        fast: Pictures without shadows, mirror images and multisampling. Physics does not depend on it.

    Raises:
        SetupError: metaworld or OpenGL is missing.
        EnvError: There is no such task or camera, or a number is out of range.

    Example:
        >>> env = Metaworld("push-v3", images=False)
        >>> variation = env.variation_space.variation({"object_mass": 2.0})
        >>> observation, info = env.reset(seed=0, options={"variation": variation})
        >>> sorted(observation), env.objects
        (['observation.environment_state', 'observation.state'], ('red puck', 'green ball'))
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 80}  # noqa: RUF012

    def __init__(
        self,
        task: str = "reach-v3",
        camera: str = "front",
        size: int = 84,
        horizon: int | None = None,
        images: bool = True,
        fast: bool = True,
    ) -> None:
        self.task = task_named(task)
        super().__init__(camera, size, self.task.horizon if horizon is None else horizon, fast, images)
        self.instruction, self.objects = self.task.instruction, self.task.objects
        self._inner = build(self.task)
        # metaworld's own end of an episode must not come before ours.
        self._inner.max_path_length = self._horizon + 1
        self._model, self._data = self._inner.model, self._inner.data
        if fast:
            self._model.vis.quality.shadowsize = 0
        self._cameras = tuple(self._model.camera(i).name for i in range(self._model.ncam))
        self._check_camera(camera)
        self.variation_space = VariationSpace(self.task.factors(float(self._model.camera(camera).fovy[0])))
        self._remember_nominal()
        self._variations = ModelVariations(self._model, self.task, self.variation_space, camera)
        self._declare_spaces(actions=4, state=4, truth=39)
        if images:
            self._open_renderer()

    def _remember_nominal(self) -> None:
        import mujoco

        self._scratch = mujoco.MjData(self._model)
        self._bodies, self._sites = self._model.body_pos.copy(), self._model.site_pos.copy()
        self._previous = np.zeros(18)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Begin an episode.

        Args:
            seed: Fixes the initial state; the same for every variation of what is seen.
            options: `{"variation": Variation}`; nominal without.

        Raises:
            VariationError: The variation is not in this environment's space.
        """
        import mujoco

        variation = (options or {}).get("variation") or NOMINAL
        variation = self.variation_space.validate(variation)
        super().reset(seed=seed)
        self._variations.apply(variation)
        inner, model, data = self._inner, self._model, self._data
        # metaworld puts drawers, doors and goals into the model itself, where the last episode's must not linger.
        model.body_pos[:], model.site_pos[:] = self._bodies, self._sites
        inner.np_random = self.np_random
        inner.curr_path_length = 0
        # Twice, as metaworld does: only the second time is the hand brought in beside what the first one has placed.
        for frozen in (False, True):
            inner._freeze_rand_vec = frozen
            mujoco.mj_resetData(model, data)
            inner.reset_model()
        self._derive(data)
        self._previous = inner._get_curr_obs_combined_no_goal()
        inner._prev_obs = self._previous
        self._steps = 0
        return self._observe(data, self._previous, inner._get_pos_goal()), {"success": False}

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        """Advance by 0.0125 s.

        Args:
            action: Shape (4,); what lies outside −1–1 is clipped.

        Raises:
            EnvError: The action has another shape or is not finite, or no episode was begun.
        """
        command = self._command(action, np.float32)
        self._previous = self._inner._prev_obs
        full, _, _, _, info = self._inner.step(np.clip(command, -1.0, 1.0))
        success = bool(info["success"])
        observation = self._dressed(full, self._data)
        truncated = self._count_step(success)
        return observation, float(success), success, truncated, {"success": success}

    def snapshot(self) -> Snapshot:
        """All of the state now, float64 arrays.

        `state`: MuJoCo's full integration state; `bodies` (nbody, 3) and `sites` (nsite, 3): where the episode has put
        what cannot move; `previous` (18,): the frame before; `goal` (3,).
        """
        return {
            "state": self._state(),
            "bodies": self._model.body_pos.copy(),
            "sites": self._model.site_pos.copy(),
            "previous": np.array(self._previous),
            "goal": np.array(self._inner._get_pos_goal()),
        }

    def observe(self, snapshot: Snapshot, variation: Variation) -> dict[str, NDArray[Any]]:
        """The observation of a stored state under `variation`; the running episode is not disturbed.

        Raises:
            VariationError: The variation is not in this environment's space.
            EnvError: The snapshot is of another environment.
        """
        with self._varied(variation), self._state_of(snapshot) as data:
            return self._observe(data, snapshot["previous"], snapshot["goal"])

    def pictures(
        self, cameras: Sequence[str], size: int, snapshot: Snapshot | None = None
    ) -> dict[str, NDArray[np.uint8]]:
        """Pictures of the present or of a stored state under the running variation, whatever `images` is.

        Args:
            cameras: Their names, for instance `front`, `wrist` and `overhead`.
            size: Height and width, pixels.
            snapshot: The stored state; the present one where it is None.

        Returns:
            By camera, uint8 (size, size, 3), upright.

        Raises:
            EnvError: There is no such camera, or the snapshot is of another environment.
            SetupError: There is no OpenGL to render with.
        """
        for camera in cameras:
            self._check_camera(camera)
        renderer = self._open_renderer()
        if snapshot is None:
            return {camera: renderer.render(self._data, camera, size) for camera in cameras}
        with self._state_of(snapshot) as data:
            return {camera: renderer.render(data, camera, size) for camera in cameras}

    @contextmanager
    def _state_of(self, snapshot: Snapshot) -> Iterator[Any]:
        """Data in the state of a snapshot, and for as long the model as it was then."""
        model = self._model
        places = [np.asarray(snapshot.get(name, ())) for name in ("bodies", "sites")]
        if [place.shape for place in places] != [model.body_pos.shape, model.site_pos.shape]:
            raise EnvError(OTHERS)
        running = model.body_pos.copy(), model.site_pos.copy()
        model.body_pos[:], model.site_pos[:] = places
        try:
            yield self._recall(snapshot["state"])
        finally:
            model.body_pos[:], model.site_pos[:] = running

    def _observe(self, data: Any, previous: NDArray[Any], goal: NDArray[Any]) -> dict[str, NDArray[Any]]:
        inner, running = self._inner, self._inner.data
        inner.data = data
        try:
            full = np.hstack([inner._get_curr_obs_combined_no_goal(), previous, goal])
        finally:
            inner.data = running
        space = inner.sawyer_observation_space
        return self._dressed(np.clip(full, space.low, space.high), data)

    def _dressed(self, full: NDArray[Any], data: Any) -> dict[str, NDArray[Any]]:
        told = {STATE: full[: OPENING + 1].astype(np.float32), PRIVILEGED: full.astype(np.float32)}
        return self._pictured(told, data)

    def _check_camera(self, camera: str) -> None:
        if camera not in self._cameras:
            raise EnvError(f"{self.task.name} has no camera '{camera}'; it has {', '.join(self._cameras)}.")

    def _open_renderer(self) -> Renderer:
        if self._renderer is None:
            self._renderer = Renderer(self._model, self._camera, self._size, self._fast)
        return self._renderer
