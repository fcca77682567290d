"""Build a robosuite environment once, quietly, with everything in its model that variations will need."""

import logging
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from faultfield.envs._robosuite_effects import MATERIAL_PREFIX
from faultfield.envs._robosuite_tasks import Task
from faultfield.envs._robosuite_values import TEXTURES
from faultfield.errors import EnvError, SetupError

TEXTURE_SIZE = 256

ROBOTS = ("Panda",)


def build(task: Task, robot: str) -> Any:
    """A robosuite environment without renderer or observables, with sizes fixed and our cameras and materials added.

    Args:
        task: Which.
        robot: robosuite's name of the robot.

    Returns:
        The robosuite environment; its model is `env.sim.model._model`.

    Raises:
        SetupError: robosuite is not installed.
        EnvError: robosuite could not build it, or the robot is not supported.
    """
    if robot not in ROBOTS:
        raise EnvError(f"There is no robot '{robot}' here; there is {', '.join(ROBOTS)}.")
    robosuite = _import_robosuite()
    from robosuite.environments.base import REGISTERED_ENVS

    with _untouched_global_random(), _without_robot_models():
        try:
            env = _prepared(REGISTERED_ENVS[task.name], task)(
                robots=robot,
                use_camera_obs=False,
                use_object_obs=False,
                has_renderer=False,
                has_offscreen_renderer=False,
                hard_reset=False,
                renderer="mujoco",
                control_freq=20,
                ignore_done=True,
                seed=0,
            )
            env.reset()
        except Exception as error:
            raise EnvError(f"robosuite could not build {task.name} on {robot}: {error}.") from error
    _fill_textures(env.sim.model._model, Path(robosuite.__file__).parent / "models" / "assets" / "textures")
    return env


def _import_robosuite() -> Any:
    os.environ.setdefault("MUJOCO_GL", "egl")
    # Its loggers speak up at import about optional robots and a private macro file that nobody here needs.
    logging.getLogger("robosuite_logs").addFilter(lambda record: record.levelno >= logging.ERROR)
    try:
        import robosuite
    except ImportError as error:
        raise SetupError("robosuite is not installed; install it with: pip install 'faultfield[robosuite]'.") from error
    return robosuite


def _prepared(base: Any, task: Task) -> Any:
    """The robosuite class with our edit of the model's XML; taken out of robosuite's registry again."""
    from robosuite.environments import base as robosuite_base

    def initialize(self: Any, xml_string: str | None = None) -> None:
        self.set_xml_processor(lambda xml: _edit(xml, task))
        base._initialize_sim(self, xml_string)

    name = f"Faultfield{base.__name__}"
    prepared = type(base)(name, (base,), {"_initialize_sim": initialize})
    robosuite_base.REGISTERED_ENVS.pop(name, None)
    return prepared


def _edit(xml: str, task: Task) -> str:
    root = ElementTree.fromstring(xml)
    for geom in root.iter("geom"):
        for box, half_size in task.boxes.items():
            if geom.get("name") in (f"{box}_g0", f"{box}_g0_vis"):
                geom.set("size", " ".join([repr(half_size)] * 3))
    world, assets = root.find("worldbody"), root.find("asset")
    if world is None or assets is None:
        raise EnvError(f"robosuite's model of {task.name} has no bodies or no assets.")
    for name, camera in task.cameras.items():
        numbers = {"pos": camera.position, "xyaxes": camera.axes, "fovy": (camera.fov,)}
        look = {key: " ".join(map(repr, values)) for key, values in numbers.items()}
        ElementTree.SubElement(world, "camera", {"name": name, "mode": "fixed"} | look)
    for texture in TEXTURES:
        name = MATERIAL_PREFIX + texture
        checker, side = texture == "checker", str(TEXTURE_SIZE)
        # robosuite's images are far larger than needed; the flat ones are filled with a small copy after compilation.
        pattern = ("checker", "0.1 0.1 0.1", "0.9 0.9 0.9") if checker else ("flat", "1 1 1", "1 1 1")
        look = dict(zip(("builtin", "rgb1", "rgb2"), pattern, strict=True))
        ElementTree.SubElement(assets, "texture", look | {"name": name, "type": "2d", "width": side, "height": side})
        material = {"name": name, "texture": name, "texrepeat": "4 4" if checker else "1 1", "specular": "0.2"}
        ElementTree.SubElement(assets, "material", material)
    return ElementTree.tostring(root, encoding="unicode")


def _fill_textures(model: Any, folder: Path) -> None:
    for name in TEXTURES:
        if name == "checker":
            continue
        texture = model.texture(MATERIAL_PREFIX + name).id
        with Image.open(folder / f"{name}.png") as image:
            pixels = np.asarray(image.convert("RGB").resize((TEXTURE_SIZE, TEXTURE_SIZE), Image.Resampling.BOX))
        first = model.tex_adr[texture]
        model.tex_data[first : first + pixels.size] = pixels.reshape(-1)


@contextmanager
def _without_robot_models() -> Iterator[None]:
    """Spare robosuite the compilation of the robot on its own, which only its inverse-kinematics controllers read."""
    from robosuite.models.robots.robot_model import RobotModel

    compile_alone = RobotModel.set_mujoco_model
    RobotModel.set_mujoco_model = lambda self, mujoco_model=None: None
    try:
        yield
    finally:
        RobotModel.set_mujoco_model = compile_alone


@contextmanager
def _untouched_global_random() -> Iterator[None]:
    """Save numpy's global generator; robosuite draws from it while it builds, and nobody else shall notice."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
