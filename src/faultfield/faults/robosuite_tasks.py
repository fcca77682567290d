"""robosuite's tasks with the faults that our scripted experts can have."""

from collections.abc import Mapping

from faultfield.faults.task import PANDA, FaultTask, Option
from faultfield.rollouts.specs import EnvSpec, PolicySpec

CAMERAS = {"front": "front", "wrist": "wrist", "overhead": "overhead"}
LOOKS = ("robot_color", "light_color", "light_intensity", "light_direction")
TABLE = ("table_color", "table_texture")

TO_GRASP = ("approach", "descend")
TO_LIFT = (*TO_GRASP, "grasp", "lift")
TO_PLACE = ("move", "lower")
OVER_THE_PEG = ("move", "align", "lower")
WHOLE = ("approach", "descend", "grasp", "lift", "move", "lower", "release", "retreat")

SIZES = {"cube_size": (1.0, 1.6)}
"""Scales of the cube in every episode: the fingers open 8 cm, the largest cube is 6.7 cm wide."""

TOO_HIGH = 0.06
"""Metres above where the fingers should close; the approach ends 10 cm above it."""

LARGE = {"cube_size": (1.5, 1.6)}
"""Scales from which a cube does not fit between the fingers by its diagonal."""


def _misses(thing: str, low: float, high: float) -> tuple[Option, ...]:
    """The gripper goes beside the object, or stays above it."""
    aside = tuple(Option(f"translation_{axis}", "approach", thing, low, high, lasts=TO_GRASP) for axis in "xy")
    # No higher than this: a hand that closes at the height of the approach has left out its descent.
    high = min(high, TOO_HIGH)
    return (*aside, Option("translation_z", "approach", thing, low, high, signs=(1,), lasts=TO_GRASP))


def _misplacements(thing: str, low: float, high: float) -> tuple[Option, ...]:
    """The object is brought beside its place."""
    return tuple(Option(f"translation_{axis}", "move", thing, low, high, lasts=TO_PLACE) for axis in "xy")


def _turns(thing: str, pitches: tuple[int, ...] = (-1, 1)) -> tuple[Option, ...]:
    """The hand is rolled or pitched when it comes to the object, and stays so."""
    return (
        Option("rotation_x", "approach", thing, 0.6, 1.1, lasts=TO_LIFT),
        Option("rotation_y", "approach", thing, 0.7, 1.1, signs=pitches, lasts=TO_LIFT),
    )


def _askew(thing: str) -> tuple[Option, ...]:
    """The fingers come down across the cube's corners, where a large one does not fit between them.

    Turned by more than an eighth of a turn, a cube looks as if turned the other way.
    """
    return (
        Option("rotation_z", "approach", thing, 0.45, 0.7, lasts=TO_LIFT, scene=LARGE),
        Option("no_rotation", "approach", thing, scene=LARGE),
    )


def _drops(thing: str, delays: Mapping[str, tuple[int, int]]) -> tuple[Option, ...]:
    return tuple(Option("slip", phase, thing, delays=steps) for phase, steps in delays.items())


def _lift() -> FaultTask:
    # No slip: the cube is high enough three steps after the lift began, before opening fingers let go of it.
    return FaultTask(
        name="Lift",
        environment=EnvSpec("faultfield.envs.robosuite:Robosuite", {"task": "Lift", "images": False}),
        expert=PolicySpec("faultfield.policies.scripted:ScriptedLift"),
        cameras=CAMERAS,
        phases=("approach", "descend", "grasp", "lift"),
        things={"cube": 0},
        options=(
            *_misses("cube", 0.035, 0.08),
            *_turns("cube", pitches=(-1,)),
            *_askew("cube"),
            Option("no_grasp", "grasp", "cube"),
            Option("wrong_sequence", "descend", "cube"),
        ),
        scene=SIZES,
        varied=("cube_color", *TABLE, *LOOKS),
        hand=PANDA,
        sides=4,
    )


def _stack() -> FaultTask:
    return FaultTask(
        name="Stack",
        environment=EnvSpec("faultfield.envs.robosuite:Robosuite", {"task": "Stack", "images": False}),
        expert=PolicySpec("faultfield.policies.scripted:ScriptedStack"),
        cameras=CAMERAS,
        phases=WHOLE,
        things={"red cube": 0, "green cube": 7},
        options=(
            *_misses("red cube", 0.035, 0.08),
            *_misplacements("red cube", 0.06, 0.12),
            *_turns("red cube"),
            *_askew("red cube"),
            Option("no_grasp", "grasp", "red cube"),
            *_drops("red cube", {"lift": (4, 12), "move": (0, 0)}),
            Option("wrong_object", "approach", "green cube", target="red cube"),
            *(Option("wrong_sequence", phase, "red cube") for phase in ("descend", "release")),
        ),
        scene=SIZES,
        varied=(*TABLE, *LOOKS),
        hand=PANDA,
        sides=4,
    )


def _can() -> FaultTask:
    # No turn, and no alignment: a can that stands looks the same from every side.
    return FaultTask(
        name="PickPlaceCan",
        environment=EnvSpec("faultfield.envs.robosuite:Robosuite", {"task": "PickPlaceCan", "images": False}),
        expert=PolicySpec("faultfield.policies.scripted:ScriptedCan"),
        cameras=CAMERAS,
        phases=WHOLE,
        things={"can": 0, "bin": 7},
        options=(
            *_misses("can", 0.04, 0.08),
            *_misplacements("can", 0.12, 0.2),
            *_turns("can"),
            Option("no_grasp", "grasp", "can"),
            *_drops("can", {"lift": (3, 8), "move": (0, 20)}),
            *(Option("wrong_sequence", phase, "can") for phase in ("descend", "move", "release")),
        ),
        varied=("can_color", "bin_color", "bin_texture", *LOOKS),
        hand=PANDA,
    )


def _square() -> FaultTask:
    # No roll: the handle may lie any way round, and at the ends of the wrist's range the hand rolls less than the words
    # would say. No turn: it looks like a hand that was not turned. A pitch makes failures too, and could be offered.
    beside = tuple(Option(f"translation_{axis}", "move", "nut", 0.05, 0.1, lasts=OVER_THE_PEG) for axis in "xy")
    return FaultTask(
        name="NutAssemblySquare",
        environment=EnvSpec("faultfield.envs.robosuite:Robosuite", {"task": "NutAssemblySquare", "images": False}),
        expert=PolicySpec("faultfield.policies.scripted:ScriptedSquare"),
        cameras=CAMERAS,
        phases=(*TO_LIFT, *OVER_THE_PEG, "release", "retreat"),
        things={"nut": 0, "peg": 7},
        options=(
            *_misses("nut", 0.05, 0.09),
            *beside,
            Option("no_rotation", "approach", "nut"),
            Option("no_grasp", "grasp", "nut"),
            *_drops("nut", {"lift": (4, 10), "move": (0, 15)}),
            Option("wrong_sequence", "descend", "nut"),
        ),
        varied=("nut_color", "peg_color", *TABLE, *LOOKS),
        hand=PANDA,
        sides=2,
    )


ROBOSUITE = {"Lift": _lift, "Stack": _stack, "PickPlaceCan": _can, "NutAssemblySquare": _square}
