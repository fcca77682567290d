"""What a factor does to a scene: one small class an effect. A task pairs each of its factors with one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._robosuite_scene import HEADLIGHT, Scene
from faultfield.envs._robosuite_values import BoxSize
from faultfield.variations import Color, Factor, Value

MATERIAL_PREFIX = "faultfield_table_"

Parts = Callable[[Scene], list[int]]
"""Which geoms of a scene are meant."""


class Effect(Protocol):
    """Shows a value of a factor in a scene that is otherwise as it was."""

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Change the scene. Of several, effects are applied in the alphabetical order of their factors' names."""
        ...


def looks(body: str) -> Parts:
    """What is seen of a body."""
    return lambda scene: scene.looks(body)


def plate(body: str) -> Parts:
    """What is seen of a plate, without its legs."""
    return lambda scene: scene.looks(body)[:1]


def walls(body: str) -> Parts:
    """What is seen of a bin, without its legs: only those have names."""
    return lambda scene: [i for i in scene.looks(body) if not scene.model.geom(i).name]


def robot_skin(scene: Scene) -> list[int]:
    """What is seen of the arm and its gripper, without the pedestal."""
    skin = scene.named("robot0_g", "gripper0_")
    return [i for name, i in skin.items() if "_vis" in name and scene.model.geom_group[i] == 1]


@dataclass(frozen=True)
class Paint:
    """A plain colour in place of a texture, so that the named colour is what is seen."""

    parts: Parts

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Paint all parts."""
        scene.paint(self.parts(scene), _rgb(factor, value))


@dataclass(frozen=True)
class Texture:
    """One of our materials; a colour that the part was given before tints it."""

    parts: Parts

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Cover all parts."""
        model, material = scene.model, scene.model.material(f"{MATERIAL_PREFIX}{value}").id
        for geom in self.parts(scene):
            if model.geom_matid[geom] < 0:
                model.mat_rgba[material] = model.geom_rgba[geom]
                model.geom_rgba[geom] = scene.nominal["geom_rgba"][geom]
            model.geom_matid[geom] = material


class LightColor:
    """All lights and the headlight, in all that they shine."""

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Multiply by red, green, blue."""
        _scale_lights(scene, np.array(_rgb(factor, value)))


class LightIntensity:
    """All lights and the headlight, in all that they shine."""

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Multiply by a number."""
        _scale_lights(scene, _number(value))


class LightDirection:
    """Where the light shines; robosuite's is directional, so its place does nothing."""

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Turn all lights."""
        direction = np.asarray(value) / np.linalg.norm(value)
        scene.model.light_dir[:] = direction
        scene.model.light_dir0[:] = direction


class CameraShift:
    """Where the observing camera is."""

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Move it, metres."""
        scene.model.cam_pos[scene.camera] += np.asarray(value)


class CameraView:
    """How wide the observing camera looks."""

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Set its field of view, degrees."""
        scene.model.cam_fovy[scene.camera] = value


@dataclass(frozen=True)
class Resize:
    """The size of a box, in looks, contacts, mass and inertia, as a model rebuilt with that size would have them."""

    body: str

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Resize what collides and what is seen; what changes the looks alone comes later in the alphabet."""
        half = _half_sizes(factor, value)
        for geom in (*scene.shapes(self.body), *scene.looks(self.body)):
            scene.resize(geom, half)
        scene.cover(self.body)
        scene.weigh(self.body)


@dataclass(frozen=True)
class ResizeLooks:
    """How large a box looks."""

    body: str

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Resize what is seen alone."""
        for geom in scene.looks(self.body):
            scene.resize(geom, _half_sizes(factor, value))


@dataclass(frozen=True)
class ResizePost:
    """The size of a square post that stands in its place: its half-width and its half-height, metres.

    Its middle stays where it is, as in a model whose XML is edited, so that a longer post ends higher up.
    """

    body: str

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Resize what collides and what is seen."""
        width, height = np.asarray(value, dtype=np.float64)
        for geom in (*scene.shapes(self.body), *scene.looks(self.body)):
            scene.resize(geom, np.array([width, width, height]))
        scene.cover(self.body)


@dataclass(frozen=True)
class Slab:
    """The size of a plate that things lie on; its upper side stays where it is.

    Attributes:
        body: Whose first shape it is, and, first in its looks, the picture of it.
        edges: What one unit of the factor's value is in half-sizes: 0.5 where values are whole edge lengths.
        legs: What its legs' names begin with, where they stand 0.1 m in from its corners.
    """

    body: str
    edges: float
    legs: str | None = None

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Resize both, and move the legs."""
        model, half = scene.model, np.asarray(value) * self.edges
        for geom in (scene.shapes(self.body)[0], scene.looks(self.body)[0]):
            drop = scene.nominal["geom_size"][geom, 2] - half[2]
            scene.resize(geom, half)
            model.geom_pos[geom, 2] += drop
            # Else MuJoCo takes the body's frame for the geom's and never reads the new position.
            model.geom_sameframe[geom] = 0
        scene.cover(self.body)
        for leg in scene.named(self.legs).values() if self.legs else ():
            # Under the middle of a narrow top, as robosuite places them.
            side = np.sign(scene.nominal["geom_pos"][leg, :2])
            model.geom_pos[leg, :2] = np.where(half[:2] > 0.2, side * (half[:2] - 0.1), 0.0)


@dataclass(frozen=True)
class Friction:
    """The friction of an object and of all it touches, for MuJoCo uses the larger of two bodies in contact."""

    bodies: tuple[str, ...]

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Multiply that of the bodies and of the gripper."""
        gripper = [i for name, i in scene.named("gripper0_").items() if "collision" in name]
        touching = [i for body in self.bodies for i in scene.shapes(body)] + gripper
        scene.model.geom_friction[touching] *= _number(value)


@dataclass(frozen=True)
class Mass:
    """The mass of a body, after what a changed size made of it."""

    body: str

    def apply(self, scene: Scene, factor: Factor, value: Value) -> None:
        """Multiply it."""
        scene.weigh(self.body, _number(value))


def _number(value: Value) -> float:
    assert isinstance(value, float)
    return value


def _rgb(factor: Factor, value: Value) -> tuple[float, float, float]:
    assert isinstance(factor, Color)
    return factor.rgb(value)


def _half_sizes(factor: Factor, value: Value) -> NDArray[np.float64]:
    assert isinstance(factor, BoxSize)
    return np.array(factor.half_sizes(value))


def _scale_lights(scene: Scene, factor: float | NDArray[np.float64]) -> None:
    for field in ("light_ambient", "light_diffuse", "light_specular"):
        getattr(scene.model, field)[:] *= factor
    for field in HEADLIGHT:
        getattr(scene.model.vis.headlight, field)[:] *= factor
