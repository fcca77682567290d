"""Scripted experts of robosuite's tasks that say what they are doing, for faults to be injected into."""

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from faultfield.policies.scripted_phases import Array, Scripted, Seen, up, yaw_of_cube, yaw_of_hand

TABLE_HEIGHT = 0.8
"""Height of robosuite's table, metres."""


class ScriptedLift(Scripted):
    """Grasps the cube by its sides and lifts it: `Robosuite("Lift")`."""

    phases = ("approach", "descend", "grasp", "lift")
    names = ("cube",)

    def _choose_yaw(self, seen: Seen) -> float:
        return yaw_of_cube(seen.poses[self.targets["pick"]])


class ScriptedStack(Scripted):
    """Puts the red cube on the green one: `Robosuite("Stack")`.

    It takes the red cube by the two sides from which the green one does not keep the fingers, and knows how high both
    are from where their centres rest on the table.
    """

    names = ("red cube", "green cube")

    finger = (0.095, 0.046)
    """How far the other cube's centre must be from the picked one's, along the way of the fingers or across, metres."""
    gap = 0.002
    """How far above its place a cube is let go, metres."""

    def reset(self) -> None:
        """Begin with the first phase. What leads it astray stays as it is."""
        super().reset()
        self._half: dict[str, float] = {}

    def _enter(self, seen: Seen) -> None:
        super()._enter(seen)
        if self.phase in ("approach", "descend", "grasp"):
            # At the very start the cubes are still falling; later they may stand on one another.
            self._half = {name: float(pose[2]) - TABLE_HEIGHT for name, pose in seen.poses.items()}

    def _choose_yaw(self, seen: Seen) -> float:
        pick, place = (seen.poses[self.targets[role]] for role in ("pick", "place"))
        yaw = yaw_of_cube(pick)
        candidates = sorted((yaw, yaw - np.copysign(np.pi / 2, yaw)), key=abs)
        clear = [angle for angle in candidates if self._is_clear(place[:2] - pick[:2], angle)]
        return float((clear or candidates)[0])

    def _is_clear(self, way: Array, angle: float) -> bool:
        fingers = np.array([np.sin(angle), -np.cos(angle)])
        along = abs(float(way @ fingers))
        across = abs(float(way[0] * fingers[1] - way[1] * fingers[0]))
        return along > self.finger[0] or across > self.finger[1]

    def _place(self, seen: Seen) -> Array:
        half = [self._half.get(self.targets[role], 0.0) for role in ("pick", "place")]
        return super()._place(seen) + up(half[0] + half[1] + self.gap)


class ScriptedCan(Scripted):
    """Puts the can into its compartment of the other bin: `Robosuite("PickPlaceCan")`.

    A can is round: the hand keeps its yaw, and `yaw` makes no difference.
    """

    names = ("can", "bin")
    patience = Scripted.patience | {"move": 110}  # type: ignore[operator]

    grip = 0.015
    rise = 0.13
    speed = 1.0
    near = 0.04
    height = 0.075
    """How high above the bin's bottom the can's centre is when it is let go, metres."""

    def _poses(self, truth: Array) -> Sequence[Array]:
        return [truth[:7], np.array([*truth[7:10], 0.0, 0.0, 0.0, 1.0])]

    def _place(self, seen: Seen) -> Array:
        return super()._place(seen) + up(self.height)


class ScriptedSquare(Scripted):
    """Takes the nut by its handle and puts it over the peg: `Robosuite("NutAssemblySquare")`.

    Over the peg the handle points back at the robot, for there the arm reaches no farther. Which way round the fingers
    take the handle is chosen so that the wrist turns least and stays within its limits on the whole way.
    """

    phases = ("approach", "descend", "grasp", "lift", "move", "align", "lower", "release", "retreat")
    names = ("nut", "peg")

    grip = -0.003
    near = 0.015
    held = 0.10
    above = 0.03
    speed = 0.6
    table = 0.82
    """Height of the table of this task, metres."""
    thickness = 0.01
    """Half of the nut's, metres."""
    out = 0.060
    """How far from the nut's middle the fingers close on the handle, metres."""
    clear = 0.025
    """How high above the peg's upper end the nut's middle is carried, metres."""
    turns = (-1.5, 3.4)
    """Yaws that the wrist can reach on the whole way, radians; the fingers look alike half a turn on."""
    step = 1.0
    """No farther ahead of itself is the hand asked to turn, radians, so that it takes the way that was chosen."""

    def reset(self) -> None:
        """Begin with the first phase. What leads it astray stays as it is."""
        super().reset()
        self._turned = self._final = 0.0

    def _poses(self, truth: Array) -> Sequence[Array]:
        return [truth[:7], np.array([*truth[7:10], 0.0, 0.0, 0.0, 1.0])]

    def _enter(self, seen: Seen) -> None:
        super()._enter(seen)
        nut, top = (seen.poses[self.targets[role]] for role in ("pick", "place"))
        if self.phase == "lift":
            self._height = seen.gripper[2] + max(0.0, float(top[2] - nut[2]) + self.clear)
        elif self.phase in ("move", "align"):
            # What the nut turned between the fingers is made good.
            now = self._yaw_now(seen)
            self._angle = self._final + _wrap(now + np.pi - _yaw_of_nut(nut) - self._final)

    def _choose_yaw(self, seen: Seen) -> float:
        nut = _yaw_of_nut(seen.poses[self.targets["pick"]])
        start = self._turned = self._first_angle
        low, high = self.turns
        ways = []
        for half, whole in itertools.product(range(-2, 3), range(-1, 2)):
            angle = nut + half * np.pi
            final = angle + np.pi - nut + whole * 2 * np.pi
            if low <= min(angle, final) and max(angle, final) <= high:
                ways.append((abs(angle - start) + abs(final - angle), angle, final))
        _, angle, self._final = min(ways)
        return float(angle)

    def _handle(self, seen: Seen) -> Array:
        nut = seen.poses[self.targets["pick"]]
        along: Array = Rotation.from_quat(nut[3:7]).apply([self.out, 0.0, 0.0])
        return super()._handle(seen) + along

    def _place(self, seen: Seen) -> Array:
        return np.array([*seen.poses[self.targets["place"]][:2], self.table + self.thickness])

    def _yaw_now(self, seen: Seen) -> float:
        """The hand's yaw, whole turns counted, radians."""
        self._turned += _wrap(yaw_of_hand(seen.hand) - self._turned)
        return self._turned

    def _wanted_hand(self, seen: Seen) -> Rotation:
        goal, now = self._angle, self._yaw_now(seen)
        self._angle = float(np.clip(goal, now - self.step, now + self.step))
        wanted = super()._wanted_hand(seen)
        self._angle = goal
        return wanted


def _yaw_of_nut(pose: Array) -> float:
    handle = Rotation.from_quat(pose[3:7]).apply([1.0, 0.0, 0.0])
    return float(np.arctan2(handle[1], handle[0]))


def _wrap(angle: float) -> float:
    """The same angle in [−π, π), radians."""
    return float((angle + np.pi) % (2 * np.pi) - np.pi)
