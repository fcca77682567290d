"""What can go wrong in a task: where, how strongly, and how it is pictured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from faultfield.errors import FaultError
from faultfield.faults.fault import Fault, axis_of
from faultfield.rollouts.specs import EnvSpec, PolicySpec

FORWARD_X = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""The robot looks along the simulator's x axis, as robosuite's does."""

FORWARD_Y = ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
"""The robot looks along the simulator's y axis, as metaworld's does."""


@dataclass(frozen=True)
class Option:
    """A fault that a task allows, but for which way and how strongly.

    Attributes:
        kind: One of `KINDS`.
        phase: The expert's phase in which it begins; of a wrong sequence, the one that is left out.
        object: What it concerns, in words.
        low, high: Range of the magnitude: metres or radians.
        things: Of the task's `things` those that a translation shifts, or that a wrong object exchanges.
        delays: Of a slip: control steps after the phase began, at least and at most.
        target: Of a wrong object: the right one, in words.
        signs: Ways along or about the axis that can be told apart and matter.
        scene: Factors of the environment and the range from which each is drawn when this fault is, over the task's.
        lasts: Phases in which an expert that can be led astray (`injection.Leadable`) is; `things` is for others.
    """

    kind: str
    phase: str
    object: str
    low: float = 0.0
    high: float = 0.0
    things: tuple[str, ...] = ()
    delays: tuple[int, int] = (0, 0)
    target: str | None = None
    signs: tuple[int, ...] = (-1, 1)
    lasts: tuple[str, ...] = ()
    scene: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)

    def draw(self, rng: np.random.Generator, strength: float = 1.0) -> Fault:
        """A fault of this kind, its way and magnitude at random.

        Args:
            rng: Whence.
            strength: Factor of the magnitude: below 1 makes near misses, which often succeed.
        """
        axis = axis_of(self.kind)
        sign = int(rng.choice(self.signs)) if axis else 0
        # However slight, it is a fault.
        size = max(round(strength * float(rng.uniform(self.low, self.high)), 4), 1e-4) if axis else 0.0
        delay = int(rng.integers(self.delays[0], self.delays[1] + 1))
        return Fault(self.kind, self.phase, self.object, axis, sign, size, delay)


@dataclass(frozen=True)
class Hand:
    """What `observation.state` tells of the hand beyond its place (metres), which comes first.

    Attributes:
        fingers: Where the fingers' openings stand.
        width: What these add up to when they are wide open.
        turn: Where its quaternion (x, y, z, w) begins; None where the hand does not turn.
    """

    fingers: tuple[int, ...]
    width: float
    turn: int | None = None


PANDA = Hand((7, 8), 0.08, 3)
"""As `envs.robosuite` tells of it."""


@dataclass(frozen=True)
class FaultTask:
    """A task, the expert that solves it, and the faults that can be injected into that expert.

    Attributes:
        name: By which it is asked for, and told in data.
        environment: Best without pictures in its observations; must offer `snapshot` and `pictures`.
        expert: A scripted policy with `phase`, the phase of its last action.
        cameras: The environment's camera for each row of a collage.
        phases: The expert's phases in their order.
        things: Where in `observation.environment_state` a position (three numbers) begins, by the name of its thing:
            first what is handled, then, if anywhere, where it goes.
        options: What can go wrong.
        frame: Forward, left and up as seen from the robot, each in the simulator's coordinates.
        rate: Control steps a second.
        rotation: Where in an action three rotation deltas begin; None where actions have none.
        turn: Radians of rotation that an action of 1 asks for.
        scene: Factors of the environment and the range from which each is drawn in every episode.
        varied: Factors that may change without making the words about objects untrue.
        hand: What the state tells of the hand; None where that is its place alone.
        sides: Equal sides of the first thing, seen from above, whose pose has a quaternion behind its position; 0 where
            its turn does not matter.
        aimed: Whether the first thing's position shall come to the second's; not where what shall come there is another
            point of it.
    """

    name: str
    environment: EnvSpec
    expert: PolicySpec
    cameras: Mapping[str, str]
    phases: tuple[str, ...]
    things: Mapping[str, int]
    options: tuple[Option, ...]
    frame: tuple[tuple[float, ...], ...] = FORWARD_X
    rate: float = 20.0
    rotation: int | None = 3
    turn: float = 0.5
    scene: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    varied: tuple[str, ...] = ()
    hand: Hand | None = None
    sides: int = 0
    aimed: bool = True

    @property
    def handled(self) -> str:
        """What it is about, in words."""
        return next(option.object for option in self.options if option.kind != "wrong_object")

    def kinds(self) -> tuple[str, ...]:
        """The kinds of fault that it allows, each once."""
        return tuple(dict.fromkeys(option.kind for option in self.options))

    def only(self, kinds: Sequence[str], phases: Sequence[str]) -> "FaultTask":
        """The task with some of its faults alone.

        Args:
            kinds: Which kinds; none stands for all.
            phases: In which phases; none stands for all.

        Raises:
            FaultError: It allows no such fault.
        """
        kept = [o for o in self.options if (not kinds or o.kind in kinds) and (not phases or o.phase in phases)]
        if kept:
            return replace(self, options=tuple(kept))
        offered = {kind: [o.phase for o in self.options if o.kind == kind] for kind in self.kinds()}
        told = "; ".join(f"{kind} ({', '.join(dict.fromkeys(which))})" for kind, which in offered.items())
        raise FaultError(f"The task '{self.name}' allows none of these faults. It allows, in these phases: {told}.")


def draw(task: FaultTask, rng: np.random.Generator, kind: str | None = None, strength: float = 1.0) -> Fault:
    """A fault at random: first its kind, so that kinds with many phases are no more frequent, then the rest.

    Args:
        task: Where.
        rng: Whence.
        kind: Only of this kind.
        strength: Factor of the magnitude.

    Raises:
        FaultError: The task does not allow the kind.
    """
    kinds: Sequence[str] = task.kinds() if kind is None else (kind,)
    chosen = kinds[int(rng.integers(len(kinds)))]
    options = [option for option in task.options if option.kind == chosen]
    if not options:
        raise FaultError(f"The task '{task.name}' allows no fault '{chosen}'; it allows {', '.join(task.kinds())}.")
    return options[int(rng.integers(len(options)))].draw(rng, strength)


def option_of(task: FaultTask, fault: Fault) -> Option:
    """The option of a task that a fault was drawn from.

    Raises:
        FaultError: The task does not allow the fault.
    """
    for option in task.options:
        if (option.kind, option.phase, option.object) == (fault.kind, fault.phase, fault.object):
            return option
    raise FaultError(
        f"The task '{task.name}' allows no fault '{fault.kind}' of '{fault.object}' in the phase '{fault.phase}'."
    )
