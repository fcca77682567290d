"""The scripted policies that ship in metaworld, as experts that say in which phase they are."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs._metaworld_tasks import task_named
from faultfield.envs.base import PRIVILEGED, Observation
from faultfield.envs.metaworld import GOAL, HAND, OBJECT
from faultfield.errors import PolicyError, SetupError
from faultfield.policies.base import Actions

Array = NDArray[np.float64]

MOVED = 0.01
"""An object that is this far from where it was when the gripper came to it has begun to move, metres."""


@dataclass(frozen=True)
class Scene:
    """What decides the phase, metres: hand, object and goal, and where the object was when the gripper came to it."""

    hand: Array
    object: Array
    goal: Array
    start: Array

    def aside(self, x: float = 0.0, y: float = 0.0) -> float:
        """How far the hand is from above the object, or from above a point beside it."""
        return float(np.hypot(*(self.hand[:2] - self.object[:2] - (x, y))))

    def above(self, z: float = 0.0) -> float:
        """How far the hand is above or below the object's height plus `z`."""
        return float(abs(self.hand[2] - self.object[2] - z))

    @property
    def risen(self) -> bool:
        """Whether the object has left the ground."""
        return bool(self.object[2] - self.start[2] > MOVED)

    @property
    def moved(self) -> bool:
        """Whether the object is no longer where it was."""
        return bool(np.linalg.norm(self.object - self.start) > MOVED)


Begins = Callable[[Scene], bool]


def _in_the_bin(scene: Scene) -> bool:
    return bool(np.hypot(*(scene.hand[:2] - (0.12, 0.7))) <= 0.02)


def _at_the_cube(scene: Scene) -> bool:
    # The policy takes a cube at the edge of the bin for one nearer its middle.
    y = float(np.clip(scene.object[1], 0.675, 0.725) - scene.object[1])
    return scene.aside(y=y) <= 0.02


PHASES: Mapping[str, Mapping[str, Begins]] = {
    "reach-v3": {"reach": lambda s: True},
    "push-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=-0.005) <= 0.02,
        "push": lambda s: s.moved,
    },
    "pick-place-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=-0.005) <= 0.02,
        "move": lambda s: s.risen,
    },
    "shelf-place-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=-0.005) <= 0.04,
        "lift": lambda s: s.risen,
        "place": lambda s: s.hand[2] >= 0.3 and abs(s.hand[0] - s.goal[0]) <= 0.02,
    },
    "bin-picking-v3": {
        "approach": lambda s: True,
        "grasp": _at_the_cube,
        "lift": lambda s: s.risen,
        "move": lambda s: bool(s.hand[2] >= 0.15),
        "place": _in_the_bin,
    },
    "basketball-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside() <= 0.04,
        "lift": lambda s: s.risen,
        "move": lambda s: bool(abs(s.object[2] - 0.35) <= 0.025),
    },
    "assembly-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=-0.02) <= 0.02,
        "lift": lambda s: s.risen,
        "move": lambda s: bool(abs(s.hand[2] - s.goal[2] - 0.14) <= 0.04),
        "place": lambda s: bool(np.hypot(*(s.hand[:2] - s.goal[:2] - (0.12, 0.0))) <= 0.02),
    },
    "peg-insert-side-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside() <= 0.04,
        "move": lambda s: s.risen,
        "insert": lambda s: bool(np.hypot(*(s.object[1:] - (s.goal[1], 0.16))) <= 0.03),
    },
    "coffee-push-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=0.01) <= 0.06,
        "push": lambda s: s.moved,
    },
    "drawer-open-v3": {
        "approach": lambda s: True,
        "contact": lambda s: s.aside() <= 0.06,
        "open": lambda s: s.above(z=-0.02) <= 0.04,
    },
    "drawer-close-v3": {
        "approach": lambda s: True,
        "push": lambda s: bool(s.hand[1] <= s.object[1]) and s.above(z=-0.02) <= 0.04,
    },
    "door-open-v3": {
        "approach": lambda s: True,
        "contact": lambda s: s.aside(x=-0.05) <= 0.12,
        "open": lambda s: s.above() <= 0.04,
    },
    "button-press-topdown-v3": {
        "approach": lambda s: True,
        "press": lambda s: s.aside() <= 0.04,
    },
    "coffee-pull-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=-0.005) <= 0.06,
        "pull": lambda s: s.moved,
    },
    "sweep-into-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=-0.005) <= 0.04,
        "push": lambda s: s.aside(x=-0.005) <= 0.04 and s.above(z=0.01) <= 0.04,
    },
    "plate-slide-v3": {
        "approach": lambda s: True,
        "contact": lambda s: s.aside(y=-0.055) <= 0.03,
        "push": lambda s: s.above(z=0.03) <= 0.04,
    },
    "plate-slide-side-v3": {
        "approach": lambda s: True,
        "contact": lambda s: s.aside(x=0.07) <= 0.04,
        "push": lambda s: s.above(z=-0.005) <= 0.04,
    },
    "hand-insert-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside() <= 0.02,
        "move": lambda s: s.moved,
        "insert": lambda s: bool(np.hypot(*(s.hand[:2] - s.goal[:2])) <= 0.04),
    },
    "pick-out-of-hole-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside() <= 0.02,
        "lift": lambda s: s.risen,
        "move": lambda s: bool(abs(s.hand[2] - s.goal[2]) <= 0.04),
    },
    "pick-place-wall-v3": {
        "approach": lambda s: True,
        "grasp": lambda s: s.aside(x=-0.005) <= 0.015,
        "lift": lambda s: s.risen,
        "move": lambda s: bool(s.hand[2] >= 0.25),
    },
    "window-open-v3": {
        "approach": lambda s: True,
        "contact": lambda s: s.aside(x=-0.03, y=-0.03) <= 0.04,
        "open": lambda s: s.above(z=-0.08) <= 0.02,
    },
    "faucet-open-v3": {
        "approach": lambda s: True,
        "contact": lambda s: s.aside(x=-0.04) <= 0.04,
        "open": lambda s: s.above(z=0.03) <= 0.04,
    },
    "handle-press-v3": {
        "approach": lambda s: True,
        "press": lambda s: s.aside(y=-0.02) <= 0.02,
    },
    "button-press-v3": {
        "approach": lambda s: True,
        "press": lambda s: bool(abs(s.hand[0] - s.object[0]) <= 0.02) and s.above(z=-0.07) <= 0.02,
    },
    "coffee-button-v3": {
        "approach": lambda s: True,
        "press": lambda s: float(np.hypot(s.hand[0] - s.object[0], s.above(z=-0.07))) <= 0.02,
    },
}
"""The phases of each task in order, and when each begins: where metaworld's policy changes what it does, or the object
begins to move. A phase is reached when it and all before it have begun."""

READS_GOAL: Mapping[str, str] = {
    "reach-v3": "xyz", "push-v3": "xyz", "pick-place-v3": "xyz", "assembly-v3": "xyz", "coffee-push-v3": "xy",
    "shelf-place-v3": "x", "basketball-v3": "x", "peg-insert-side-v3": "y", "coffee-pull-v3": "xyz",
    "sweep-into-v3": "xyz", "plate-slide-v3": "x", "hand-insert-v3": "xyz", "pick-out-of-hole-v3": "xyz",
    "pick-place-wall-v3": "xyz",
}  # fmt: skip
"""Along which of the simulator's axes metaworld's policy looks at the goal; elsewhere it knows by heart where to go."""


class MetaworldExpert:
    """metaworld's own scripted policy for a task, which decides every step from what is true at that moment.

    It reads `observation.environment_state` as `faultfield.envs.metaworld` lays it out: hand, opening, `OBJECT`, and
    of `GOAL` what `READS_GOAL` says.

    The phase only goes forward while the hand stays with the object, and falls back to the first when the hand has lost
    it, as the policy does then.

    Args:
        task: metaworld's name of the task.

    Attributes:
        phase: The phase of the last action; after `reset`, the first.
        phases: All phases, in order.
        objects: What matters in the scene, in words: first what is handled, then where it goes, if anywhere.

    Raises:
        SetupError: metaworld is not installed.
        EnvError: There is no such task.
    """

    def __init__(self, task: str) -> None:
        self.objects = task_named(task).objects
        try:
            from metaworld.policies import ENV_POLICY_MAP
        except ImportError as error:
            raise SetupError(
                "metaworld is not installed; install it with: pip install 'faultfield[metaworld]'."
            ) from error
        written: Mapping[str, Any] = ENV_POLICY_MAP
        self._policy = written[task]()
        self._begins = tuple(PHASES[task].values())
        self.phases = tuple(PHASES[task])
        self.reset()

    @property
    def phase(self) -> str:
        """The phase of the last action."""
        return self.phases[self._index]

    def reset(self) -> None:
        """Forget the last episode."""
        self._index = 0
        self._start: Array | None = None

    def infer(self, observation: Observation) -> Actions:
        """One action, shape (1, 4).

        Raises:
            PolicyError: The observation has no `observation.environment_state` of 39 numbers.
        """
        if PRIVILEGED not in observation:
            raise PolicyError(f"metaworld's expert needs '{PRIVILEGED}' (where everything is), which is missing.")
        full = np.array(observation[PRIVILEGED], dtype=np.float64)
        if full.shape != (39,):
            raise PolicyError(f"metaworld's expert needs '{PRIVILEGED}' of shape (39,), not {full.shape}.")
        self._advance(full)
        with warnings.catch_warnings():
            # At every step in which the hand is far, metaworld warns that it asks for more than the arm can do.
            warnings.simplefilter("ignore")
            # Some of its policies write into the observation.
            action = self._policy.get_action(full)
        return {"actions": np.clip(action, -1.0, 1.0).astype(np.float32)[None]}

    def _advance(self, full: Array) -> None:
        thing = full[OBJECT].copy()
        start = thing if self._start is None else self._start
        scene = Scene(full[HAND].copy(), thing, full[GOAL].copy(), start)
        reached = 0
        while reached + 1 < len(self._begins) and self._begins[reached + 1](scene):
            reached += 1
        if reached == 0:
            self._start = None
            self._index = 0
        else:
            self._start = start
            self._index = max(self._index, reached)
