"""Build a metaworld environment once, with the views that a diagnosis looks through in its model."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._metaworld_tasks import Task
from faultfield.errors import SetupError

FRONT = ((0.78, 0.28, 0.58), (0.0, 0.68, 0.14), 45.0)
"""Where the camera `front` stands, what it looks at (metres), and its vertical field of view (degrees): from the
right of the robot, for what is opened here opens towards the robot and would hide it from a camera that faces it."""

OVERHEAD = ((0.0, 1.05, 1.15), (0.0, 0.68, 0.05), 40.0)
"""The same for `overhead`: from beyond the table, for from straight above the arm hides what the gripper holds."""

_UPSIDE_DOWN = ("corner", "corner2", "corner3", "corner4")
"""Cameras of metaworld's that hang head first."""


def build(task: Task) -> Any:
    """A metaworld environment that shows its goal, with the cameras `front`, `wrist` and `overhead` in its model.

    Physics is metaworld's: nothing that collides or moves is touched.

    Raises:
        SetupError: metaworld is not installed.
    """
    os.environ.setdefault("MUJOCO_GL", "egl")
    try:
        from metaworld.env_dict import ENV_CLS_MAP
    except ImportError as error:
        raise SetupError("metaworld is not installed; install it with: pip install 'faultfield[metaworld]'.") from error
    base: Any = ENV_CLS_MAP[task.name]
    env: Any = type(base)(f"Faultfield{base.__name__}", (base,), {"_initialize_simulation": _simulation})()
    env._partially_observable = False
    # Its bounds were computed while the goal was hidden.
    env.__dict__.pop("sawyer_observation_space", None)
    env._set_task_called = True
    env.seeded_rand_vec = True
    return env


def _simulation(self: Any) -> tuple[Any, Any]:
    import mujoco

    spec = mujoco.MjSpec.from_file(self.fullpath)
    for name, (position, target, fov) in {"front": FRONT, "overhead": OVERHEAD}.items():
        spec.worldbody.add_camera(name=name, pos=position, quat=_towards(position, target), fovy=fov)
    own = spec.camera("gripperPOV")
    spec.body("hand").add_camera(name="wrist", mode=own.mode, pos=own.pos, quat=own.quat, fovy=own.fovy)
    model = spec.compile()
    for name in _UPSIDE_DOWN:
        camera = model.camera(name).id
        hanging = model.cam_quat[camera].copy()
        mujoco.mju_mulQuat(model.cam_quat[camera], hanging, np.array([0.0, 0.0, 0.0, 1.0]))
        mujoco.mju_quat2Mat(model.cam_mat0[camera], model.cam_quat[camera])
    # Its undecorated shapes are in the group that robosuite keeps for what collides and is not drawn.
    model.geom_group[model.geom_group == 0] = 1
    return model, mujoco.MjData(model)


def _towards(position: tuple[float, ...], target: tuple[float, ...]) -> NDArray[np.float64]:
    """The quaternion of an upright camera at `position` that looks at `target`."""
    import mujoco

    back = np.subtract(position, target) / np.linalg.norm(np.subtract(position, target))
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, np.column_stack([right, np.cross(back, right), back]).reshape(-1))
    return quaternion
