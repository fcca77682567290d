"""An expert that picks something up and puts it down phase by phase, made to be led astray."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from faultfield.envs.base import PRIVILEGED, STATE, Observation
from faultfield.errors import PolicyError
from faultfield.policies.base import Actions

Array = NDArray[np.float64]

REACH, TURN = 0.05, 0.5
"""How far an action of 1 asks the gripper to go in one control step, metres and radians (robosuite's OSC_POSE)."""

DOWN = Rotation.from_quat([1.0, 0.0, 0.0, 0.0])
"""The hand when it points down and its fingers open along the world's y."""


@dataclass(frozen=True)
class Seen:
    """What an observation tells.

    Attributes:
        gripper: Where the gripper is, shape (3,), metres.
        hand: How it is turned.
        poses: Position (metres) and quaternion (x, y, z, w) of each object by its name in words, shape (7,).
    """

    gripper: Array
    hand: Rotation
    poses: Mapping[str, Array]


class Scripted:
    """Goes through `order`, phase after phase, each until it is done or its patience is at an end.

    It never waits for ever and never looks back: having dropped what it carried it goes on as if it had not, so that,
    whatever is done to it, the rest of the episode looks as it would. After its last phase it holds still. It reads
    `observation.state` and `observation.environment_state` of robosuite's tasks alone.

    How to lead it astray. All of these are plain attributes, may be changed between any two calls of `infer`, act at
    once and outlive `reset`:

    - `shifts[phase]`, metres (3,), in the world: in `approach` and `descend` it believes that the object to pick up is
      displaced by as much, in `move`, `align` and `lower` that the place is; in the other phases it goes as far aside
      from where it would be. The next phase mends it: a miss that shall last is put on several, `approach` and
      `descend`, or `move` and what comes before `release`.
    - `tilts[phase]`, rotation vector (3,), radians, in the world: turns the hand away from how it should be.
    - `yaw = False`: the hand keeps the yaw with which the episode began and is not aligned with a cube.
    - `targets`: which object plays which role, `pick` and `place`; exchange them for a wrong object.
    - `order`: the phases in the order in which they are gone through; leave one out for a wrong sequence.
    - The fingers: change the last number of the actions that `infer` returns (−1 opens, 1 closes). Nothing in here
      waits for the fingers, so that it notices nothing.

    Args:
        objects: Other names in words for what is handled, in the order of `objects`.
        yaw: Whether the hand is aligned with what it picks up.
        order: Another order of phases.

    Attributes:
        phases: All phases of the task, in their right order.
        objects: What is handled, in words: first what is picked up, then where it goes.
        phase: The phase of the last action; before the first, the phase that comes first.
        targets: Object by role.
        shifts: By phase, metres.
        tilts: By phase, radians.

    Raises:
        PolicyError: There is no such phase, or another number of objects.
    """

    phases: ClassVar[tuple[str, ...]] = (
        "approach", "descend", "grasp", "lift", "move", "lower", "release", "retreat",
    )  # fmt: skip
    names: ClassVar[tuple[str, ...]] = ("object", "place")
    patience: ClassVar[Mapping[str, int]] = {
        "approach": 45, "descend": 25, "grasp": 8, "lift": 25, "move": 60, "align": 40, "lower": 30, "release": 7,
        "retreat": 15,
    }  # fmt: skip
    """Steps after which a phase is over in any case; `grasp` and `release` take exactly as many."""

    gain = 2.0
    """Action per unit of distance in reaches: above 1, because the arm does only part of what a step asks."""
    turning = 1.5
    """Action per unit of angle."""
    hover = 0.10
    """How high above the object the approach ends, metres."""
    grip = 0.0
    """How high above the object's centre the fingers close, metres."""
    rise = 0.15
    """How far it is lifted, metres."""
    speed = 0.7
    """Fastest action with something in the hand; a faster one lets it slip."""
    near = 0.008
    """The move is over when what is held is off to the side of its place by less than this, metres."""
    centred = 0.003
    """The aligning is over when it is off by less than this, metres, and the hand turned as it should be."""
    above = 0.08
    """What is farther off to the side of its place than this is lowered where it is, metres."""
    held = 0.05
    """What is farther from the gripper than this is not in the hand, metres."""

    def __init__(
        self, objects: Sequence[str] | None = None, yaw: bool = True, order: Sequence[str] | None = None
    ) -> None:
        self.objects = self.names if objects is None else tuple(objects)
        self.order = self.phases if order is None else tuple(order)
        if len(self.objects) != len(self.names) or not self.order or not set(self.order) <= set(self.phases):
            raise PolicyError(
                f"{type(self).__name__} takes {len(self.names)} objects and an order of {', '.join(self.phases)}; "
                f"not {self.objects} and {self.order}."
            )
        self.yaw = yaw
        self.targets: dict[str, str] = dict(zip(("pick", "place"), self.objects, strict=False))
        self.shifts: dict[str, Array] = {}
        self.tilts: dict[str, Array] = {}
        self.reset()

    def reset(self) -> None:
        """Begin with the first phase. What leads it astray stays as it is."""
        self.phase = self.order[0]
        self._index, self._steps, self._begun = 0, 0, False
        self._anchor, self._height = np.zeros(3), 0.0
        self._angle = self._first_angle = 0.0
        self._closed = False

    def infer(self, observation: Observation) -> Actions:
        """One action, shape (1, 7).

        Raises:
            PolicyError: The observation has no `observation.environment_state`: it does not come from a simulator.
        """
        seen = self._see(observation)
        if not self._begun:
            self._begun = True
            self._first_angle = yaw_of_hand(seen.hand)
            self._angle = self._choose_yaw(seen)
            self._enter(seen)
        while self._index + 1 < len(self.order) and self._done(seen):
            self._index += 1
            self._enter(seen)
        self._steps += 1
        if self.phase in ("grasp", "release"):
            self._closed = self.phase == "grasp"
        return {"actions": self._act(seen)[None]}

    def _see(self, observation: Observation) -> Seen:
        if PRIVILEGED not in observation:
            raise PolicyError(f"The scripted expert needs '{PRIVILEGED}' (where things truly are), which is missing.")
        state = observation[STATE].astype(np.float64)
        truth = observation[PRIVILEGED].astype(np.float64)
        return Seen(state[:3], Rotation.from_quat(state[3:7]), dict(zip(self.objects, self._poses(truth), strict=True)))

    def _poses(self, truth: Array) -> Sequence[Array]:
        """The pose (7,) of each object, in their order, from `observation.environment_state`."""
        return [truth[7 * i : 7 * i + 7] for i in range(len(self.names))]

    def _enter(self, seen: Seen) -> None:
        self.phase, self._steps, self._anchor = self.order[self._index], 0, seen.gripper
        if self.phase == "lift":
            self._height = seen.gripper[2] + self.rise

    def _done(self, seen: Seen) -> bool:
        if self._steps >= self.patience[self.phase]:
            return True
        if self.phase in ("grasp", "release"):
            return False
        far = self._goal(seen) - seen.gripper
        aside, above = float(np.hypot(far[0], far[1])), abs(float(far[2]))
        if self.phase == "approach":
            turned = float((self._wanted_hand(seen) * seen.hand.inv()).magnitude())
            return aside < 0.01 and above < 0.03 and turned < 0.08
        if self.phase == "move":
            return aside < self.near
        if self.phase == "align":
            turned = float((self._wanted_hand(seen) * seen.hand.inv()).magnitude())
            return aside < self.centred and turned < 0.05
        return above < 0.008 and (self.phase != "descend" or aside < 0.01)

    def _goal(self, seen: Seen) -> Array:
        """Where the gripper should go in this phase, shape (3,), metres."""
        shift = np.asarray(self.shifts.get(self.phase, np.zeros(3)), dtype=np.float64)
        if self.phase in ("approach", "descend"):
            return self._handle(seen) + shift + up(self.grip + (self.hover if self.phase == "approach" else 0.0))
        if self.phase == "lift":
            return np.array([*self._anchor[:2], self._height]) + shift
        if self.phase == "retreat":
            return self._anchor + up(self.hover) + shift
        if self.phase in ("move", "align", "lower"):
            return self._bring(seen, seen.poses[self.targets["pick"]][:3], shift)
        return self._anchor + shift

    def _bring(self, seen: Seen, pick: Array, shift: Array) -> Array:
        """Where the gripper must be for what it holds to be at, or above, its place as it is believed to be."""
        inside = pick - seen.gripper
        if np.linalg.norm(inside) > self.held:
            inside = np.zeros(3)
        goal = self._place(seen) + shift - inside
        if self.phase == "lower" and np.linalg.norm(goal[:2] - self._anchor[:2]) > self.above:
            goal[:2] = self._anchor[:2]
        if self.phase in ("move", "align"):
            goal[2] = max(self._height, self._anchor[2]) + shift[2]
        return goal

    def _handle(self, seen: Seen) -> Array:
        """Where the object is gripped, shape (3,), metres: its centre where nothing else is known."""
        return seen.poses[self.targets["pick"]][:3].copy()

    def _place(self, seen: Seen) -> Array:
        """Where the centre of what is picked up shall come to rest, shape (3,), metres."""
        return seen.poses[self.targets["place"]][:3].copy()

    def _choose_yaw(self, seen: Seen) -> float:
        """The yaw at which the fingers close on the object's sides, radians; the nearest of several."""
        return self._first_angle

    def _wanted_hand(self, seen: Seen) -> Rotation:
        angle = self._angle if self.yaw else self._first_angle
        tilt = Rotation.from_rotvec(np.asarray(self.tilts.get(self.phase, np.zeros(3)), dtype=np.float64))
        return tilt * Rotation.from_euler("z", angle) * DOWN

    def _act(self, seen: Seen) -> NDArray[np.float32]:
        action = np.empty(7)
        fastest = self.speed if self._closed else 1.0
        action[:3] = np.clip(self.gain * (self._goal(seen) - seen.gripper) / REACH, -fastest, fastest)
        action[3:6] = self.turning * (self._wanted_hand(seen) * seen.hand.inv()).as_rotvec() / TURN
        action[6] = 1.0 if self._closed else -1.0
        return np.clip(action, -1.0, 1.0).astype(np.float32)


def up(height: float) -> Array:
    """A way straight up, shape (3,), metres."""
    return np.array([0.0, 0.0, height])


def yaw_of_cube(pose: Array) -> float:
    """The yaw of a cube modulo a quarter turn, in (−π/4, π/4], radians, whichever of its sides is up."""
    axes = Rotation.from_quat(pose[3:7]).as_matrix()
    flat = axes[:, int(np.argmin(np.abs(axes[2])))]
    return float(np.pi / 4 - (np.pi / 4 - np.arctan2(flat[1], flat[0])) % (np.pi / 2))


def yaw_of_hand(hand: Rotation) -> float:
    """The yaw of a hand that points down, in (−π, π], radians; 0 where its fingers open along the world's y."""
    fingers = hand.as_matrix()[:, 1]
    return float(np.arctan2(fingers[0], -fingers[1]))
