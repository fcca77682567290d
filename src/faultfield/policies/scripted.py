"""Scripted experts of robosuite's tasks that say what they are doing, for faults to be injected into."""

from collections.abc import Sequence

import numpy as np

from faultfield.policies.scripted_phases import Array, Scripted, Seen, up, yaw_of_cube

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
