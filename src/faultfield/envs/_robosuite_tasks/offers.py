"""What several tasks share: factors, each with what it does, and cameras."""

from faultfield.envs._robosuite_effects import (
    CameraShift,
    CameraView,
    LightColor,
    LightDirection,
    LightIntensity,
    Paint,
    Slab,
    Texture,
    plate,
    robot_skin,
)  # fmt: skip
from faultfield.envs._robosuite_tasks.task import Camera, Offer
from faultfield.envs._robosuite_values import TEXTURES, Direction
from faultfield.variations import Categorical, Color, Continuous

TABLE_COLOR: Offer = (
    Color("table_color", "Change the table color to {}.", nominal=(0.9, 0.9, 0.88)),
    Paint(plate("table")),
)

TABLE_SIZE: Offer = (
    Continuous("table_size", "Change the table top to {}.", low=0.02, high=1.2, nominal=(0.8, 0.8, 0.05), size=3,
               unit="m"),
    Slab("table", edges=0.5, legs="table_leg"),
)  # fmt: skip

TABLE_TEXTURE: Offer = (
    Categorical("table_texture", "Cover the table with {}.", choices=TEXTURES, looks_only=True),
    Texture(plate("table")),
)

ROBOT_COLOR: Offer = (
    Color("robot_color", "Change the robot color to {}.", nominal=(0.8, 0.8, 0.8)),
    Paint(robot_skin),
)

LIGHTS: tuple[Offer, ...] = (
    (Color("light_color", "Change the light color to {}.", nominal=(1.0, 1.0, 1.0)), LightColor()),
    (
        Continuous("light_intensity", "Change the light to {} of its brightness.", low=0.1, high=2.0, nominal=1.0,
                   percent=True, looks_only=True),
        LightIntensity(),
    ),
    (
        Direction("light_direction", "Let the light shine along {}.", low=-1.0, high=1.0, nominal=(-0.2, -0.2, -1.0),
                  size=3, looks_only=True),
        LightDirection(),
    ),
)  # fmt: skip

CAMERA: tuple[Offer, ...] = (
    (
        Continuous("camera_shift", "Shift the camera by {}.", low=-0.2, high=0.2, nominal=0.0, size=3, unit="m",
                   looks_only=True),
        CameraShift(),
    ),
    (
        Continuous("camera_fov", "Change the camera's field of view to {}.", low=20.0, high=90.0, nominal=45.0,
                   unit="degrees", looks_only=True),
        CameraView(),
    ),
)  # fmt: skip


TABLE_CAMERAS = {
    "front": Camera((0.8, 0.0, 1.25), (-0.01, 0.0, 0.89), 27.0),
    "overhead": Camera((0.3, 0.0, 1.6), (0.0, 0.0, 0.85), 28.0),
}
"""Near enough for a cube of 4 cm to be eight pixels wide in a picture of 84."""


def color(name: str, thing: str, nominal: tuple[float, float, float]) -> Color:
    """The colour of a thing."""
    return Color(name, f"Change the {thing} color to {{}}.", nominal=nominal)


def friction(name: str, thing: str) -> Continuous:
    """The friction of a thing and of what it touches, as a share of the nominal one."""
    text = f"Change the friction of the {thing} to {{}}."
    return Continuous(name, text, low=0.1, high=3.0, nominal=1.0, percent=True, visible=False)


def mass(name: str, thing: str) -> Continuous:
    """The mass of a thing, as a share of the nominal one."""
    text = f"Change the mass of the {thing} to {{}}."
    return Continuous(name, text, low=0.1, high=10.0, nominal=1.0, percent=True, visible=False)
