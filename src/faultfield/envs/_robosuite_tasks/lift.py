"""robosuite's Lift: one cube, to be lifted."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from faultfield.envs._robosuite_effects import Friction, Mass, Paint, Resize, ResizeLooks, looks
from faultfield.envs._robosuite_tasks.offers import (
    CAMERA,
    LIGHTS,
    ROBOT_COLOR,
    TABLE_CAMERAS,
    TABLE_COLOR,
    TABLE_SIZE,
    TABLE_TEXTURE,
    color,
    friction,
    mass,
)  # fmt: skip
from faultfield.envs._robosuite_tasks.task import DROP, TABLE_HEIGHT, Array, Task, upright
from faultfield.envs._robosuite_values import BoxSize
from faultfield.envs._robosuite_world import World

CUBE = "cube_main"

HEIGHT = 0.04
"""How far above the table the cube's centre must be, metres, as in robosuite."""


@dataclass(frozen=True)
class Lift(Task):
    """The cube lies within ± the placement of the table's middle, in x and in y, turned at random.

    Success is robosuite's: the cube's centre 4 cm above the table; where `cube_size` makes the cube taller or flatter,
    the mark moves with the height at which its centre would rest.

    Attributes:
        half_size: Half-size to which the cube is fixed, metres.
    """

    half_size: float = 0.021

    @property
    def boxes(self) -> Mapping[str, float]:
        """The cube."""
        return {"cube": self.half_size}

    def start(self, world: World, rng: np.random.Generator, placement: float) -> None:
        """Let the cube fall from 1 cm."""
        x, y = rng.uniform(-placement, placement, size=2)
        turn = rng.uniform(0.0, 2 * np.pi)
        world.put(CUBE, upright(x, y, TABLE_HEIGHT + world.half_sizes(CUBE)[2] + DROP, turn))

    def truth(self, world: World) -> Array:
        """The cube's pose."""
        return world.pose(CUBE)

    def success(self, world: World) -> bool:
        """Whether the cube is lifted."""
        return bool(world.position(CUBE)[2] - world.rise(CUBE, self.half_size) > TABLE_HEIGHT + HEIGHT)


LIFT = Lift(
    name="Lift",
    instruction="Lift the cube.",
    objects=("cube",),
    horizon=100,
    nearest=0.0,
    reach=0.3,
    truth_dim=7,
    cameras=TABLE_CAMERAS,
    offers=(
        (color("cube_color", "cube", (0.7, 0.15, 0.2)), Paint(looks(CUBE))),
        TABLE_COLOR,
        ROBOT_COLOR,
        *LIGHTS,
        (BoxSize("cube_size", "Change the cube size to {}."), Resize(CUBE)),
        (
            BoxSize("cube_visual_size", "Change how large the cube looks to {}.", low=0.005, high=0.06),
            ResizeLooks(CUBE),
        ),
        TABLE_SIZE,
        *CAMERA,
        TABLE_TEXTURE,
        (friction("cube_friction", "cube"), Friction((CUBE, "table"))),
        (mass("cube_mass", "cube"), Mass(CUBE)),
    ),
)
