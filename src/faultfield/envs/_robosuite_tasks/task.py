"""What the adapter must know of a robosuite task: names in the model, the instruction, and what may change."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._robosuite_effects import Effect
from faultfield.envs._robosuite_world import World
from faultfield.variations import Continuous, Factor

Array = NDArray[np.float64]
Offer = tuple[Factor, Effect]

DROP = 0.01
"""Height above the table from which cubes fall at the start, metres, as in robosuite."""

TABLE_HEIGHT = 0.8
"""Height of the table's top, metres, as in robosuite."""


@dataclass(frozen=True)
class Camera:
    """A camera that robosuite's model does not have.

    Attributes:
        position: Metres.
        target: A point in the middle of its picture, metres. What is farther from the robot is farther down.
        fov: Its field of view, degrees.
    """

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    fov: float

    @property
    def axes(self) -> tuple[float, ...]:
        """Its axes to the right and up in the world, six numbers, as MuJoCo's `xyaxes` takes them."""
        back = np.subtract(self.position, self.target)
        right = np.cross([-1.0, 0.0, 0.0], back)
        up = np.cross(back, right)
        return tuple(float(v) for v in (*(right / np.linalg.norm(right)), *(up / np.linalg.norm(up))))


@dataclass(frozen=True)
class Task(ABC):
    """A robosuite task as the adapter sees it.

    Attributes:
        name: robosuite's name of the environment.
        instruction: What is asked, in words.
        objects: What is handled, in words: first what is picked up, then where it goes, if anywhere.
        horizon: Control steps after which an episode is cut where nobody says otherwise.
        nearest, reach: The smallest and largest half-width of the square in which objects may be placed, metres.
        truth_dim: How many numbers `truth` gives.
        cameras: Cameras that are added to robosuite's, by name: `front` and `overhead`, from which objects and gripper
            are large enough to be told in a picture of 84 pixels.
        offers: What may change, and what that does to the model.
    """

    name: str
    instruction: str
    objects: tuple[str, ...]
    horizon: int
    nearest: float
    reach: float
    truth_dim: int
    cameras: Mapping[str, Camera]
    offers: tuple[Offer, ...]

    @property
    def factors(self) -> tuple[Factor, ...]:
        """What may change, seen by a camera as wide as `agentview`."""
        return tuple(factor for factor, _ in self.offers)

    def factors_for(self, fov: float) -> tuple[Factor, ...]:
        """What may change, for a camera of that vertical field of view in degrees."""
        return tuple(
            replace(factor, nominal=fov) if factor.name == "camera_fov" and isinstance(factor, Continuous) else factor
            for factor in self.factors
        )

    @property
    def views(self) -> Mapping[str, str]:
        """The cameras that show the task from the front, from the wrist and from overhead."""
        return {"front": "front", "wrist": "robot0_eye_in_hand", "overhead": "overhead"}

    @property
    def boxes(self) -> Mapping[str, float]:
        """Half-sizes, metres, to which boxes are fixed that robosuite draws at random when it builds the model."""
        return {}

    @abstractmethod
    def start(self, world: World, rng: np.random.Generator, placement: float) -> None:
        """Put the objects where an episode begins.

        Args:
            world: Their sizes, and where they are put.
            rng: Decides the places; it is asked for the same numbers under every variation.
            placement: Half-width of the square in which they may lie, metres.
        """

    @abstractmethod
    def truth(self, world: World) -> Array:
        """Where things are, shape (truth_dim,): poses are position (metres) and quaternion (x, y, z, w)."""

    @abstractmethod
    def success(self, world: World) -> bool:
        """Whether the task is done, by robosuite's own check."""


def upright(x: float, y: float, z: float, turn: float) -> Array:
    """The pose of an object that stands at a place, turned about the vertical by `turn` radians, shape (7,)."""
    return np.array([x, y, z, np.cos(turn / 2), 0.0, 0.0, np.sin(turn / 2)])
