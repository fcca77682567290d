"""robosuite's NutAssemblySquare: a square nut with a handle, to be put over a square peg."""

from dataclasses import dataclass

import numpy as np

from faultfield.envs._robosuite_effects import Friction, Mass, Paint, ResizePost, looks
from faultfield.envs._robosuite_tasks.offers import (
    CAMERA,
    LIGHTS,
    ROBOT_COLOR,
    TABLE_COLOR,
    TABLE_SIZE,
    TABLE_TEXTURE,
    color,
    friction,
    mass,
)  # fmt: skip
from faultfield.envs._robosuite_tasks.task import Array, Camera, Task, upright
from faultfield.envs._robosuite_world import World
from faultfield.variations import Continuous

NUT, PEG = "SquareNut_main", "peg1"
OTHER, AWAY = "RoundNut_main", 10.0
"""The nut of another task, and where robosuite drops it, metres in x, y and z."""

TABLE_HEIGHT = 0.82
"""Height of this task's table, metres, as in robosuite."""

MIDDLE = (-0.05, 0.15)
"""Middle of where the nut lies, metres. robosuite's is 6 cm nearer to the robot, with hardly any room in x; the arm
cannot bend enough to take the nut by its handle much nearer than that."""

FALL = 0.07
"""How far above the table the nut's middle begins, metres, as in robosuite."""

ASIDE, ABOVE = 0.03, 0.05
"""Around the peg is a nut whose middle is off to the side by less than this, in x and in y, and less than this above
the table, metres, as in robosuite."""

LET_GO = 0.6
"""The robot has let go where 1 − tanh(10 × the distance of gripper and nut, metres) is below this, as in robosuite."""

BRASS = (0.6, 0.45, 0.2)


@dataclass(frozen=True)
class NutAssemblySquare(Task):
    """The nut lies within ± the placement of the middle of its side of the table, in x and in y, turned at random.

    Success is robosuite's: the nut is around the peg, less than 5 cm above the table, and its middle is 4.2 cm away
    from the gripper. A gripper that holds it by the end of its handle is farther away than that, so that an episode
    may end before it lets go.
    """

    def start(self, world: World, rng: np.random.Generator, placement: float) -> None:
        """Let the nut fall from 6 cm."""
        x, y = rng.uniform(-placement, placement, size=2) + MIDDLE
        world.put(NUT, upright(x, y, TABLE_HEIGHT + FALL, rng.uniform(0.0, 2 * np.pi)))
        world.put(OTHER, upright(AWAY, AWAY, AWAY, 0.0))

    def truth(self, world: World) -> Array:
        """The nut's pose, and the middle of the peg's upper end."""
        top = np.array([0.0, 0.0, world.half_sizes(PEG)[2]])
        return np.concatenate([world.pose(NUT), world.position(PEG) + top])

    def success(self, world: World) -> bool:
        """Whether the nut is around the peg."""
        nut, peg = world.position(NUT), world.position(PEG)
        around = bool((np.abs(nut - peg)[:2] < ASIDE).all() and nut[2] < TABLE_HEIGHT + ABOVE)
        return around and bool(1 - np.tanh(10.0 * np.linalg.norm(world.gripper - nut)) < LET_GO)


NUT_ASSEMBLY_SQUARE = NutAssemblySquare(
    name="NutAssemblySquare",
    instruction="Put the square nut over the square peg.",
    objects=("nut", "peg"),
    horizon=300,
    nearest=0.0,
    reach=0.12,
    truth_dim=10,
    cameras={
        "front": Camera((0.95, 0.1, 1.4), (0.03, 0.1, 0.89), 36.0),
        "overhead": Camera((0.4, 0.1, 1.8), (0.05, 0.1, 0.85), 33.0),
    },
    offers=(
        (color("peg_color", "peg", BRASS), Paint(looks(PEG))),
        (
            Continuous("peg_size", "Change the half-width and half-height of the peg to {}.", low=0.008, high=0.2,
                       nominal=(0.016, 0.1), size=2, unit="m"),
            ResizePost(PEG),
        ),
        (color("nut_color", "nut", BRASS), Paint(looks(NUT))),
        TABLE_COLOR,
        ROBOT_COLOR,
        *LIGHTS,
        TABLE_SIZE,
        *CAMERA,
        TABLE_TEXTURE,
        (friction("nut_friction", "nut"), Friction((NUT, "table", PEG))),
        (mass("nut_mass", "nut"), Mass(NUT)),
    ),
)  # fmt: skip
