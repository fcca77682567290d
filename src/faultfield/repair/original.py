"""What the policy was taught before, as far as it says: a share of it keeps it from forgetting."""

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield import plugins
from faultfield.errors import FaultfieldError, PolicyError
from faultfield.policies.bc import CONFIG
from faultfield.policies.demonstrations import Demonstrations
from faultfield.repair.mending import training_of
from faultfield.rollouts.specs import EnvSpec, PolicySpec


def recipes_of(checkpoint: str | Path) -> list[dict[str, Any]]:
    """How the demonstrations of a VisualBC checkpoint were gathered, one entry a file.

    Raises:
        PolicyError: The checkpoint does not say.
    """
    try:
        config = json.loads((Path(checkpoint) / CONFIG).read_text(encoding="utf-8"))
        recipes = config["training"]["demonstrations"]
        if whole(recipes):
            return list(recipes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise PolicyError(
        f"'{checkpoint}' does not say how its demonstrations were gathered; give them with --original FILE."
    )


def whole(recipes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether they say enough to gather by them again."""
    return bool(recipes) and all({"expert", "environment", "episodes"} <= recipe.keys() for recipe in recipes)


def check_original(path: Path, environment: EnvSpec) -> Demonstrations:
    """The demonstrations in a file, once they are known to be of the environment's task.

    Raises:
        PolicyError: The file is missing or damaged, or of another task.
    """
    demos = Demonstrations.load(path)
    wanted = _task(environment.type, environment.arguments)
    others = _tasks(demos.recipe) - {wanted}
    if others:
        raise PolicyError(
            f"The original demonstrations in '{path}' are of another task ({min(others)}); the study's is {wanted}."
        )
    return demos


def check_mended(checkpoint: str | Path, environment: EnvSpec, before: str | Path | None = None) -> None:
    """Refuse a checkpoint that says that it learned other tasks; one that does not say is let pass.

    Args:
        checkpoint: In place of the one before.
        environment: The study's.
        before: The study's checkpoint: what that one learned is right too, whatever the environment is called now.

    Raises:
        PolicyError: It learned neither.
    """
    learned = _learned(checkpoint)
    wanted = _task(environment.type, environment.arguments)
    if learned and not learned & {wanted, *(_learned(before) if before is not None else ())}:
        found = min(learned)
        raise PolicyError(f"The checkpoint '{checkpoint}' is of another task ({found}); the study's is {wanted}.")


def learned_from(spec: PolicySpec, demos: Demonstrations) -> bool | None:
    """Whether a VisualBC policy learned from these very demonstrations, to the bit; None where it does not say."""
    from faultfield.policies.training import digest_of

    told = training_of(spec).get("demonstrations_sha256")
    return None if told is None else bool(told == digest_of(demos))


def _learned(checkpoint: str | Path) -> set[str]:
    try:
        return _tasks(recipes_of(checkpoint))
    except PolicyError:
        return set()


def _tasks(recipes: Sequence[Mapping[str, Any]]) -> set[str]:
    return {_task(str(each.get("environment")), each.get("environment_arguments") or {}) for each in recipes}


def _task(environment: str, arguments: Mapping[str, Any]) -> str:
    """The environment's class and its task, where it has several; what varies an environment counts as that."""
    inner = arguments.get("type")
    if isinstance(inner, str):
        return _task(inner, {name: value for name, value in arguments.items() if name != "type"})
    task = arguments.get("task")
    if task is None:
        try:
            default = inspect.signature(plugins.load(environment)).parameters["task"].default
            task = None if default is inspect.Parameter.empty else default
        except (FaultfieldError, KeyError, TypeError, ValueError):
            # An environment that cannot be imported here, that has but one task, or that does not say what it takes.
            task = None
    name = environment.rpartition(":")[2] or environment
    return name if task is None else f"{name} {task}"
