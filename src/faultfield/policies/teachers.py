"""Who demonstrates a task, and through which camera it is watched, where nobody says otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faultfield.errors import PolicyError

ROBOSUITE = "faultfield.envs.robosuite:Robosuite"
METAWORLD = "faultfield.envs.metaworld:Metaworld"
RANDOMISED = "faultfield.envs.randomised:Randomised"

CAMERAS = {ROBOSUITE: "agentview", METAWORLD: "front"}
"""What our environments observe with where their settings name no camera."""


@dataclass(frozen=True)
class Teacher:
    """An expert by name.

    Attributes:
        type: `module:Class`.
        arguments: What it is called with.
    """

    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)


EXPERTS = {
    "Lift": Teacher("faultfield.policies.experts:PatientLift"),
    "Stack": Teacher("faultfield.policies.scripted:ScriptedStack"),
    "PickPlaceCan": Teacher("faultfield.policies.scripted:ScriptedCan"),
    "NutAssemblySquare": Teacher("faultfield.policies.scripted:ScriptedSquare"),
}
"""By robosuite's name of the task."""


def teacher(environment: str, arguments: Mapping[str, Any]) -> Teacher:
    """The expert of an environment's task.

    Args:
        environment: `module:Class`.
        arguments: Its settings.

    Raises:
        PolicyError: The environment is not ours, or there is no such task.

    Example:
        >>> teacher("faultfield.envs.robosuite:Robosuite", {"task": "Stack"}).type
        'faultfield.policies.scripted:ScriptedStack'
    """
    environment, arguments = _varied(environment, arguments)
    if environment == METAWORLD and "task" in arguments:
        return Teacher("faultfield.policies.metaworld:MetaworldExpert", {"task": arguments["task"]})
    task = arguments.get("task", "Lift")
    if environment != ROBOSUITE or task not in EXPERTS:
        what = f"'{task}' of '{environment}'" if "task" in arguments else f"'{environment}'"
        raise PolicyError(f"Nobody is known who could demonstrate {what}; name an expert, 'module:Class'.")
    return EXPERTS[task]


def camera_of(environment: str, arguments: Mapping[str, Any]) -> str | None:
    """The camera that an environment observes with; None where it is not ours and its settings do not say."""
    environment, arguments = _varied(environment, arguments)
    named = arguments.get("camera", CAMERAS.get(environment))
    return None if named is None else str(named)


def _varied(environment: str, arguments: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """What `Randomised` varies, and its settings: the task and the camera are that environment's."""
    if environment == RANDOMISED and "type" in arguments:
        return str(arguments["type"]), arguments
    return environment, arguments
