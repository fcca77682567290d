"""robosuite's Stack: two cubes, the red one to be put on the green one."""

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

CUBE, BASE = "cubeA_main", "cubeB_main"
CUBE_HALF, BASE_HALF = 0.02, 0.025
"""Half-sizes of the red and the green cube, metres, as in robosuite."""

HEIGHT = 0.04
"""How far above the table the red cube's centre must be, metres, as in robosuite."""

SHARE = 0.8
"""As much of the green cube's half-size is that above where the red cube's centre rests on the table."""

APART = np.sqrt(2.0) * (CUBE_HALF + BASE_HALF)
"""Least distance of the cubes' centres at the start, metres, as in robosuite."""


@dataclass(frozen=True)
class Stack(Task):
    """Both cubes lie within ± the placement of the table's middle, in x and in y, apart and turned at random.

    Success is robosuite's: the red cube touches the green one, its centre is 4 cm above the table, and the fingers do
    not both touch it. Where `cube_size` or `base_size` change a height, the mark moves with where the red cube's centre
    would rest and with 0.8 of the green cube's half-height. Cubes that were made too large for where they
    lie begin farther apart.
    """

    def start(self, world: World, rng: np.random.Generator, placement: float) -> None:
        """Let both cubes fall from 1 cm."""
        places = rng.uniform(-placement, placement, size=(2, 2))
        while np.linalg.norm(places[1] - places[0]) <= APART:
            places = rng.uniform(-placement, placement, size=(2, 2))
        turns = rng.uniform(0.0, 2 * np.pi, size=2)
        half = [world.half_sizes(body) for body in (CUBE, BASE)]
        apart = max(APART, sum(float(np.hypot(*size[:2])) for size in half))
        way = places[1] - places[0]
        distance = float(np.linalg.norm(way))
        places[1] = places[0] + way * max(1.0, apart / distance)
        for body, place, size, turn in zip((CUBE, BASE), places, half, turns, strict=True):
            world.put(body, upright(place[0], place[1], TABLE_HEIGHT + size[2] + DROP, turn))

    def truth(self, world: World) -> Array:
        """The poses of the red and the green cube."""
        return np.concatenate([world.pose(CUBE), world.pose(BASE)])

    def success(self, world: World) -> bool:
        """Whether the red cube stands on the green one and was let go."""
        higher = world.rise(CUBE, CUBE_HALF) + SHARE * world.rise(BASE, BASE_HALF)
        lifted = bool(world.position(CUBE)[2] - higher > TABLE_HEIGHT + HEIGHT)
        return lifted and not world.held(CUBE) and world.touch(CUBE, BASE)


def _cube(name: str, text: str, half_size: float, high: float = 0.045) -> BoxSize:
    return BoxSize(name, text, half_size=half_size, low=0.005, high=high)


STACK = Stack(
    name="Stack",
    instruction="Stack the red cube on the green cube.",
    objects=("red cube", "green cube"),
    horizon=200,
    nearest=0.04,
    reach=0.3,
    truth_dim=14,
    cameras=TABLE_CAMERAS,
    offers=(
        (color("cube_color", "cube", (0.7, 0.15, 0.2)), Paint(looks(CUBE))),
        (color("base_color", "lower cube", (0.25, 0.5, 0.25)), Paint(looks(BASE))),
        TABLE_COLOR,
        ROBOT_COLOR,
        *LIGHTS,
        (_cube("cube_size", "Change the cube size to {}.", CUBE_HALF), Resize(CUBE)),
        (_cube("cube_visual_size", "Change how large the cube looks to {}.", CUBE_HALF, 0.06), ResizeLooks(CUBE)),
        (_cube("base_size", "Change the lower cube's size to {}.", BASE_HALF), Resize(BASE)),
        TABLE_SIZE,
        *CAMERA,
        TABLE_TEXTURE,
        (friction("cube_friction", "cube"), Friction((CUBE, "table", BASE))),
        (mass("cube_mass", "cube"), Mass(CUBE)),
    ),
)
