"""What the policy was taught before: a share of it keeps it from forgetting."""

import inspect
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield import plugins
from faultfield.errors import FaultfieldError, PolicyError
from faultfield.policies.bc import CONFIG
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.demonstrator import HANDOVER
from faultfield.policies.demos import fingerprints, gather
from faultfield.repair.mending import training_of
from faultfield.rollouts.specs import EnvSpec, PolicySpec

OnProgress = Callable[[int, int], None]


def recipes_of(checkpoint: str | Path) -> list[dict[str, Any]]:
    """How the demonstrations of a VisualBC checkpoint were gathered, one entry a file.

    Raises:
        PolicyError: The checkpoint does not say.
    """
    try:
        config = json.loads((Path(checkpoint) / CONFIG).read_text(encoding="utf-8"))
        recipes = config["training"]["demonstrations"]
        if recipes and all({"expert", "environment", "episodes"} <= recipe.keys() for recipe in recipes):
            return list(recipes)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise PolicyError(
        f"'{checkpoint}' does not say how its demonstrations were gathered; give them with --original FILE."
    )


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


def gather_again(
    path: Path, checkpoint: str | Path, *, workers: int = 1, on_progress: OnProgress | None = None
) -> None:
    """Gather the demonstrations that a checkpoint was trained on once more, by its own recipe, into a file.

    All of them: a policy that sees a part of what it learned from again forgets the rest. By the version that made the
    checkpoint, on its machine, they come out bit for bit the same; else like them, which `learned_from` tells. Killed,
    the gathering goes on. A file that holds them stays as it is.

    Args:
        path: The `.npz` file to write.
        checkpoint: Directory of the checkpoint.
        workers: Processes.
        on_progress: Called with (demonstrations kept, demonstrations wanted).

    Raises:
        PolicyError: The checkpoint does not say how, a learner that it was made with is gone or another one by now, or
            `gather` raises.
    """
    recipes = recipes_of(checkpoint)
    if _load(path, recipes) is not None:
        # A kill right after it was written left them.
        _drop_parts(path, len(recipes))
        return
    counts = [int(recipe["episodes"]) for recipe in recipes]
    parts, done = [], 0
    for number, (recipe, count) in enumerate(zip(recipes, counts, strict=True)):
        learner = recipe.get("learner")
        if learner is not None and not Path(learner).exists():
            raise PolicyError(
                f"The demonstrations of '{checkpoint}' were gathered with the learner '{learner}', which is gone; give "
                "them with --original FILE."
            )
        who = recipe.get("who")
        if learner is not None and who is not None and who[1:] != fingerprints(recipe)[1:]:
            raise PolicyError(
                f"The demonstrations of '{checkpoint}' were gathered with the learner '{learner}' as it was; by now "
                "it is another one. Give them with --original FILE."
            )
        part = _part(path, number)
        before = done
        parts.append(
            _load(part, [recipe]) or gather(
                part, seed=recipe.get("seed", 0), noise=recipe.get("noise", 0.3),
                pushed=recipe.get("pushed", 0.5), workers=workers, expert=recipe["expert"],
                expert_arguments=recipe.get("expert_arguments"), environment=recipe["environment"],
                environment_arguments=recipe.get("environment_arguments"), camera=recipe.get("camera"),
                learner=learner, handover=recipe.get("handover", HANDOVER),
                looks_each=recipe.get("looks_each", 0), **_shown(recipe),
                on_progress=_shifted(on_progress, before, sum(counts)),
            )
        )  # fmt: skip
        done += count
    Demonstrations.join(parts).save(path)
    _drop_parts(path, len(parts))


def _part(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _drop_parts(path: Path, count: int) -> None:
    for part in (_part(path, number) for number in range(count)):
        part.unlink(missing_ok=True)
        shutil.rmtree(f"{part}.attempts", ignore_errors=True)


def _shown(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Under which variations and looks demonstrations were shown; where the recipe names none, how many."""
    under, looks = recipe.get("under", ()), recipe.get("looks", ())
    told: dict[str, Any] = {}
    if under or looks:
        space = EnvSpec(recipe["environment"], recipe.get("environment_arguments") or {}).build().variation_space
        told["looks"] = [(space.variation(e["variation"]), e["weight"]) for e in looks]
    if not under:
        return {**told, "episodes": int(recipe["episodes"])}
    return {**told, "under": [(space.variation(e["variation"]), int(e["episodes"])) for e in under]}


def _shifted(on_progress: OnProgress | None, before: int, total: int) -> OnProgress | None:
    """Progress of one part as progress of the whole."""
    return None if on_progress is None else lambda kept, _: on_progress(before + kept, total)


def _load(path: Path, recipes: Sequence[Mapping[str, Any]]) -> Demonstrations | None:
    """What a file holds, if that was gathered by these recipes."""
    if not path.is_file():
        return None
    demos = Demonstrations.load(path)
    told = (
        "seed", "episodes", "looks", "looks_each", "under", "expert", "expert_arguments", "learner", "handover",
    )  # fmt: skip
    same = [[recipe.get(name) for name in told] for recipe in recipes]
    return demos if same == [[recipe.get(name) for name in told] for recipe in demos.recipe] else None


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
