"""The robosuite tasks that are offered, one module each: names, the start, success, and what may change."""

from faultfield.envs._robosuite_tasks.can import PICK_PLACE_CAN
from faultfield.envs._robosuite_tasks.lift import LIFT
from faultfield.envs._robosuite_tasks.square import NUT_ASSEMBLY_SQUARE
from faultfield.envs._robosuite_tasks.stack import STACK
from faultfield.envs._robosuite_tasks.task import Task
from faultfield.envs._robosuite_values import BoxSize, Direction
from faultfield.errors import EnvError

TASKS = {task.name: task for task in (LIFT, STACK, PICK_PLACE_CAN, NUT_ASSEMBLY_SQUARE)}


def task_named(name: str) -> Task:
    """The task of that name.

    Raises:
        EnvError: There is none.
    """
    if name not in TASKS:
        raise EnvError(f"There is no robosuite task '{name}' here; there is {', '.join(TASKS)}.")
    return TASKS[name]


__all__ = [
    "LIFT", "NUT_ASSEMBLY_SQUARE", "PICK_PLACE_CAN", "STACK", "TASKS", "BoxSize", "Direction", "Task", "task_named",
]  # fmt: skip
