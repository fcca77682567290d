"""robosuite's PickPlaceCan: a can, to be brought from one bin into a compartment of another."""

from dataclasses import dataclass

import numpy as np

from faultfield.envs._robosuite_effects import Friction, Mass, Paint, Slab, Texture, looks, walls
from faultfield.envs._robosuite_tasks.offers import CAMERA, LIGHTS, ROBOT_COLOR, color, friction, mass
from faultfield.envs._robosuite_tasks.task import Array, Camera, Task, upright
from faultfield.envs._robosuite_values import TEXTURES
from faultfield.envs._robosuite_world import World
from faultfield.variations import Categorical, Continuous

CAN, BIN = "Can_main", "bin1"

BIN_MIDDLE = (0.1, -0.25)
"""Middle of the bin in which the can lies, metres, as in robosuite."""

RESTING = 0.86
"""Height at which the can begins, metres, as in robosuite: it stands."""

LOW, HIGH = np.array([0.1, 0.28, 0.8]), np.array([0.295, 0.525, 0.9])
"""Corners of the compartment where the can belongs, metres, as in robosuite."""

TARGET = np.array([0.1975, 0.4025, 0.8])
"""Middle of that compartment, metres."""

LET_GO = 0.6
"""The robot has let go where 1 − tanh(10 × the distance of gripper and can, metres) is below this, as in robosuite."""

OTHERS = ("Milk_main", "Bread_main", "Cereal_main")
AWAY = 10.0
"""Where robosuite drops the objects of its other tasks, metres in x, y and z."""


@dataclass(frozen=True)
class PickPlaceCan(Task):
    """The can stands within ± the placement of the middle of its bin, in x and in y, turned at random.

    Success is robosuite's: the can is in its compartment of the other bin, and the gripper 4.2 cm away from it.
    """

    def start(self, world: World, rng: np.random.Generator, placement: float) -> None:
        """Stand the can in its bin."""
        x, y = rng.uniform(-placement, placement, size=2) + BIN_MIDDLE
        world.put(CAN, upright(x, y, RESTING, rng.uniform(0.0, 2 * np.pi)))
        for other in OTHERS:
            world.put(other, upright(AWAY, AWAY, AWAY, 0.0))

    def truth(self, world: World) -> Array:
        """The can's pose, and the middle of the compartment's floor."""
        return np.concatenate([world.pose(CAN), TARGET])

    def success(self, world: World) -> bool:
        """Whether the can is where it belongs and was let go."""
        can = world.position(CAN)
        inside = bool(((can > LOW) & (can < HIGH)).all())
        return inside and bool(1 - np.tanh(10.0 * np.linalg.norm(world.gripper - can)) < LET_GO)


PICK_PLACE_CAN = PickPlaceCan(
    name="PickPlaceCan",
    instruction="Put the can into the bin.",
    objects=("can", "bin"),
    horizon=300,
    nearest=0.0,
    reach=0.1,
    truth_dim=10,
    cameras={
        "front": Camera((1.0, 0.05, 1.7), (0.03, 0.05, 0.93), 43.0),
        "overhead": Camera((0.45, 0.04, 2.0), (0.05, 0.04, 0.86), 43.0),
    },
    offers=(
        (color("can_color", "can", (0.75, 0.1, 0.1)), Paint(looks(CAN))),
        (color("bin_color", "bin", (0.85, 0.7, 0.5)), Paint(walls(BIN))),
        ROBOT_COLOR,
        *LIGHTS,
        (
            Continuous("bin_size", "Change the half-sizes of the bin's floor to {}.", low=0.01, high=0.4,
                       nominal=(0.2, 0.25, 0.02), size=3, unit="m"),
            Slab(BIN, edges=1.0),
        ),
        *CAMERA,
        (Categorical("bin_texture", "Cover the bin with {}.", choices=TEXTURES, looks_only=True), Texture(walls(BIN))),
        (friction("can_friction", "can"), Friction((CAN, BIN, "bin2"))),
        (mass("can_mass", "can"), Mass(CAN)),
    ),
)  # fmt: skip
