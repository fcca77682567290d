"""metaworld's tasks with the faults that their experts can have: another arm, another workspace, no rotations."""

from collections.abc import Mapping

from faultfield.envs.metaworld import GOAL, OBJECT, OPENING, TASKS
from faultfield.faults.task import FORWARD_Y, FaultTask, Hand, Option
from faultfield.policies.metaworld import READS_GOAL, MetaworldExpert
from faultfield.rollouts.specs import EnvSpec, PolicySpec

CAMERAS = {"front": "front", "wrist": "wrist", "overhead": "overhead"}
RATE = 80.0

_AXES = {"x": "y", "y": "x", "z": "z"}
"""The robot looks along the simulator's y: what is an axis here, by the simulator's name."""

HORIZONS = {
    "reach-v3": 75, "push-v3": 85, "pick-place-v3": 80, "shelf-place-v3": 130, "bin-picking-v3": 170,
    "basketball-v3": 125, "assembly-v3": 120, "peg-insert-side-v3": 150, "coffee-push-v3": 75, "drawer-open-v3": 115,
    "drawer-close-v3": 100, "door-open-v3": 120, "button-press-topdown-v3": 90,
    "coffee-pull-v3": 110, "sweep-into-v3": 80, "plate-slide-v3": 70, "plate-slide-side-v3": 65, "hand-insert-v3": 85,
    "pick-out-of-hole-v3": 160, "pick-place-wall-v3": 120, "window-open-v3": 120,
    "faucet-open-v3": 80, "handle-press-v3": 55, "button-press-v3": 80, "coffee-button-v3": 55,
}  # fmt: skip
"""Control steps in which an expert with nothing wrong is done, and a quarter more: it never stops trying."""

DROPS = {
    "pick-place-v3": ("move",),
    "shelf-place-v3": ("lift", "place"),
    "bin-picking-v3": ("lift", "move"),
    "basketball-v3": ("lift",),
    "assembly-v3": ("lift", "move"),
    "peg-insert-side-v3": ("move", "insert"),
    "hand-insert-v3": (),
    "pick-out-of-hole-v3": ("lift", "move"),
    "pick-place-wall-v3": ("lift", "move"),
}
"""Phases of the tasks in which the object must be held, and in which letting go of it makes a failure; none where only
not grasping it at all does: above its hole the cube falls into it. Elsewhere the object is pushed, pulled or pressed,
and open fingers mostly do as well (`docs/faults.md` has the counts)."""

PASSED = {
    ("reach-v3", "x"): (-1,),
    ("pick-place-v3", "x"): (-1,),
    ("pick-place-v3", "z"): (),
    ("push-v3", "x"): (-1,),
    ("push-v3", "z"): (),
    ("coffee-push-v3", "x"): (-1,),
    ("coffee-pull-v3", "x"): (1,),
    ("coffee-pull-v3", "y"): (-1,),
    ("coffee-pull-v3", "z"): (),
    ("sweep-into-v3", "x"): (-1,),
    ("sweep-into-v3", "z"): (),
    ("hand-insert-v3", "z"): (),
    ("pick-out-of-hole-v3", "x"): (1,),
    ("pick-place-wall-v3", "x"): (-1,),
    ("pick-place-wall-v3", "z"): (),
}
"""Ways along which a goal can be missed; elsewhere both. A goal that is passed on the way counts as reached."""

BESIDE: Mapping[tuple[str, str], tuple[int, ...]] = {
    ("push-v3", "x"): (1,),
    ("coffee-push-v3", "x"): (1,),
    ("drawer-close-v3", "x"): (-1,),
    # Along its own length a peg can be held anywhere.
    ("peg-insert-side-v3", "y"): (),
    ("coffee-pull-v3", "y"): (1,),
    ("sweep-into-v3", "x"): (1,),
    ("plate-slide-v3", "x"): (),
    ("window-open-v3", "z"): (-1,),
    ("faucet-open-v3", "x"): (-1,),
    ("handle-press-v3", "x"): (-1,),
    ("handle-press-v3", "z"): (),
    ("button-press-v3", "x"): (-1,),
    ("button-press-v3", "z"): (-1,),
    ("coffee-button-v3", "x"): (),
    ("coffee-button-v3", "z"): (-1,),
}
"""Ways along which the object can be missed; elsewhere both, and along z upwards. What lies in the hand's way is pushed
all the same; and above the fingers is the hand, so that what stands upright is missed only by going too low."""

GOES = {"peg-insert-side-v3": "move", "hand-insert-v3": "move"}
"""Phase in which a wrong goal is gone to, where it is not the last: a hole that was reached is not left any more."""

MISSES = {
    "drawer-open-v3": (0.08, 0.14), "drawer-close-v3": (0.12, 0.2), "button-press-topdown-v3": (0.08, 0.15),
    "plate-slide-v3": (0.08, 0.14), "plate-slide-side-v3": (0.08, 0.14), "window-open-v3": (0.07, 0.13),
    "handle-press-v3": (0.11, 0.17), "button-press-v3": (0.08, 0.14),
    "coffee-button-v3": (0.08, 0.14),
}  # fmt: skip
"""Metres by which the hand must be off where what is handled is wide; elsewhere `MISS`."""
MISS = (0.05, 0.10)

ELSEWHERE = ("assembly-v3", "peg-insert-side-v3", "window-open-v3", "drawer-close-v3")
"""Tasks whose goal is not for the point that `OBJECT` tells of: of the ring and the peg that is where they are grasped,
and the goals of the window and the drawer lie beside the handle's way."""


def metaworld_task(name: str) -> FaultTask:
    """A task of metaworld.

    Raises:
        EnvError: There is none of that name.
        SetupError: metaworld is not installed.
    """
    expert = MetaworldExpert(name)
    phases = expert.phases
    return FaultTask(
        name=name,
        environment=EnvSpec(
            "faultfield.envs.metaworld:Metaworld", {"task": name, "images": False, "horizon": HORIZONS.get(name)}
        ),
        expert=PolicySpec("faultfield.policies.metaworld:MetaworldExpert", {"task": name}),
        cameras=CAMERAS,
        phases=phases,
        # The object of `reach-v3` is a puck that nobody needs: it is the mark that the task is about.
        things={"goal": GOAL.start} if name == "reach-v3" else {"object": OBJECT.start, "goal": GOAL.start},
        options=tuple(_options(name, phases, expert.objects[0])),
        frame=FORWARD_Y,
        rate=RATE,
        rotation=None,
        varied=("table_color", "robot_color", "light_color", "light_intensity"),
        hand=Hand((OPENING,), 1.0),
        aimed=name not in ELSEWHERE,
    )


def _options(name: str, phases: tuple[str, ...], thing: str) -> list[Option]:
    # No rotations: the hand does not turn. No wrong sequence: the expert decides every step anew from what is true, and
    # has no order to leave a phase out of. No wrong object: nothing else lies there that could be handled.
    low, high = MISSES.get(name, MISS)
    options = []
    if "approach" in phases:
        for axis in _AXES:
            signs: tuple[int, ...] = BESIDE.get((name, axis), (1,) if axis == "z" else (-1, 1))
            if signs:
                options.append(Option(f"translation_{axis}", "approach", thing, low, high, ("object",), signs=signs))
    if name in READS_GOAL:
        last = GOES.get(name, phases[-1])
        for axis, theirs in _AXES.items():
            ways: tuple[int, ...] = PASSED.get((name, axis), (1,) if axis == "z" else (-1, 1))
            if theirs in READS_GOAL[name] and ways:
                options.append(Option(f"translation_{axis}", last, thing, 0.10, 0.18, ("goal",), signs=ways))
    if name in DROPS:
        options.append(Option("no_grasp", "grasp", thing))
    options += [Option("slip", phase, thing, delays=(0, 4)) for phase in DROPS.get(name, ())]
    return options


METAWORLD = TASKS
