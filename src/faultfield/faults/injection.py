"""A scripted expert in which one thing goes wrong."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import PRIVILEGED, Observation
from faultfield.errors import FaultError
from faultfield.faults.fault import AXES, Fault
from faultfield.faults.task import FaultTask, option_of
from faultfield.policies.base import Actions, Policy

OPEN = -1.0
"""What opens the gripper: the last number of an action, in robosuite and metaworld alike."""

TURN = 0.15
"""Radians that a wrong rotation turns the gripper in one control step."""


@runtime_checkable
class Staged(Policy, Protocol):
    """A policy that goes through phases.

    Attributes:
        phase: The phase of its last action; after `reset`, the first.
    """

    phase: str


@runtime_checkable
class Leadable(Staged, Protocol):
    """An expert that can be told to go astray, phase by phase (`faultfield.policies.scripted_phases.Scripted`).

    Attributes:
        shifts: How far from its goal it goes, by phase, metres (3,).
        tilts: How far the hand is turned from where it should be, by phase, rotation vector, radians (3,).
        yaw: Whether the hand is aligned with what it picks up.
        targets: Which object plays which role.
        order: The phases in the order in which they are gone through.
    """

    shifts: dict[str, NDArray[np.float64]]
    tilts: dict[str, NDArray[np.float64]]
    yaw: bool
    targets: dict[str, str]
    order: tuple[str, ...]


class Faulty:
    """An expert that believes what is not so, or does what it was not told to, from one of its phases on.

    An expert that can be led astray is told to miss, to turn, or to leave something out. Of any other, a translation
    shifts where it believes an object or the goal to be, a wrong object exchanges two of them, and a gripper that turns
    the wrong way overrides what it asks for. A gripper that does not close or opens too early overrides either. Nothing
    else is touched: everything after the fault is the expert's own answer to it.

    Args:
        expert: The expert.
        fault: What goes wrong; nothing where it is None.
        task: What the expert does, and what its observations and actions mean.

    Raises:
        FaultError: The task does not allow the fault, or the expert has no phases.
    """

    def __init__(self, expert: Policy, fault: Fault | None, task: FaultTask) -> None:
        if not isinstance(expert, Staged):
            raise FaultError(f"A fault needs an expert with a 'phase', which {type(expert).__name__} has not.")
        self._expert, self._fault, self._task = expert, fault, task
        self._since: int | None = None
        self._acted = False
        self._option = option_of(task, fault) if fault is not None else None
        self._led = fault is not None and self._lead(fault)

    @property
    def phase(self) -> str:
        """The expert's phase."""
        return self._expert.phase

    @property
    def happened(self) -> bool:
        """Whether the fault began since the last reset; of a phase that is left out that is always so."""
        return self._acted or (self._fault is not None and self._fault.kind == "wrong_sequence")

    def seed(self, seed: int) -> None:
        """Hand the seed to an expert that draws random numbers."""
        reseed = getattr(self._expert, "seed", None)
        if callable(reseed):
            reseed(seed)

    def reset(self) -> None:
        """Forget the last episode."""
        self._expert.reset()
        self._since, self._acted = None, False

    def infer(self, observation: Observation) -> Actions:
        """What the expert does on what it believes, with what goes wrong on the way to the motors."""
        self._notice()
        answer = self._expert.infer(self._believed(observation))
        self._notice()
        actions = self._done(np.array(answer["actions"], dtype=np.float32))
        if self._since is not None:
            self._since += len(actions)
        return {"actions": actions}

    def _lead(self, fault: Fault) -> bool:
        """Tell the expert to go astray, where it takes that; whether it does."""
        expert, option = self._expert, self._option
        assert option is not None
        if fault.kind == "wrong_sequence":
            order = getattr(expert, "order", ())
            if fault.phase not in order:
                raise FaultError(f"{type(expert).__name__} cannot leave out the phase '{fault.phase}'.")
            expert.order = tuple(phase for phase in order if phase != fault.phase)  # type: ignore[attr-defined]
            expert.reset()
            return True
        if not isinstance(expert, Leadable) or fault.kind in ("no_grasp", "slip"):
            return False
        if fault.axis is not None:
            way = fault.sign * fault.magnitude * np.array(self._task.frame[AXES.index(fault.axis)])
            astray = expert.shifts if fault.kind.startswith("translation") else expert.tilts
            astray.update(dict.fromkeys(option.lasts, way))
        elif fault.kind == "no_rotation":
            expert.yaw = False
        elif fault.kind == "wrong_object":
            pick, place = expert.targets["pick"], expert.targets["place"]
            expert.targets.update(pick=place, place=pick)
        return True

    def _notice(self) -> None:
        if self._fault is not None and self._since is None and self._expert.phase == self._fault.phase:
            self._since = 0

    @property
    def _begun(self) -> int | None:
        """Control steps since the fault began; None where it has not."""
        if self._fault is None or self._since is None or self._since < self._fault.delay:
            return None
        return self._since - self._fault.delay

    def _believed(self, observation: Observation) -> Observation:
        if self._begun is None or self._led or self._option is None or not self._option.things:
            return observation
        assert self._fault is not None
        truth = observation[PRIVILEGED]
        state = np.array(truth)
        places = [slice(self._task.things[thing], self._task.things[thing] + 3) for thing in self._option.things]
        if self._fault.axis is not None:
            way = np.array(self._task.frame[AXES.index(self._fault.axis)])
            for place in places:
                state[place] += (self._fault.sign * self._fault.magnitude * way).astype(state.dtype)
        else:
            one, other = places
            state[one], state[other] = truth[other], truth[one]
        return {**observation, PRIVILEGED: state}

    def _done(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        begun, fault, turn = self._begun, self._fault, self._task.rotation
        if begun is None or fault is None:
            return actions
        self._acted = True
        if fault.kind in ("no_grasp", "slip"):
            actions[:, -1] = OPEN
        if turn is not None and not self._led and (fault.kind == "no_rotation" or fault.kind.startswith("rotation")):
            # The expert would turn back what went wrong: it does not get to.
            actions[:, turn : turn + 3] = 0.0
            if fault.axis is not None:
                axis = np.array(self._task.frame[AXES.index(fault.axis)])
                for step, action in enumerate(actions, begun):
                    angle = min(TURN, max(0.0, fault.magnitude - step * TURN))
                    action[turn : turn + 3] = fault.sign * angle / self._task.turn * axis
        return actions


def inject(task: FaultTask, fault: Fault | None) -> Faulty:
    """The expert of a task with a fault; as it is with None.

    Raises:
        FaultError: The task does not allow the fault, or its expert has no phases.
    """
    return Faulty(task.expert.build(), fault, task)


def faulty(task: str, fault: Mapping[str, Any] | None = None) -> Faulty:
    """The expert of a task with a fault, from plain values: what a `PolicySpec` names.

    Args:
        task: Name of the task.
        fault: As `Fault.to_json` writes it; none where it is None.
    """
    from faultfield.faults.tasks import task_named

    return inject(task_named(task), None if fault is None else Fault.from_json(fault))
