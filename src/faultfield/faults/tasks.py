"""The tasks that faults can be injected into, by name."""

from dataclasses import replace

from faultfield import plugins
from faultfield.errors import FaultError
from faultfield.faults.robosuite_tasks import ROBOSUITE
from faultfield.faults.task import FaultTask


def task_named(name: str) -> FaultTask:
    """A task: one of ours by its name, or what a function `module:function` of anybody's returns, named so.

    Raises:
        FaultError: There is none of that name, or the function returns something else.
        StudyError: The function cannot be imported.
        SetupError: Its simulator is not installed.
    """
    if ":" in name:
        task = plugins.load(name, what="task")()
        if not isinstance(task, FaultTask):
            raise FaultError(f"'{name}' gives a {type(task).__name__}; it must give a FaultTask.")
        # By its own name, which may be that of another task, nobody would find it again.
        return replace(task, name=name)
    if name in ROBOSUITE:
        return ROBOSUITE[name]()
    from faultfield.faults.metaworld_tasks import METAWORLD, metaworld_task

    if name in METAWORLD:
        return metaworld_task(name)
    known = ", ".join((*ROBOSUITE, *METAWORLD))
    raise FaultError(f"There is no task '{name}' with faults; there is {known}, or give 'module:function'.")
