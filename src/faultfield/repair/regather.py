"""What the policy was taught before, gathered once more: as it was, or as a repair's targets look."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield import plugins
from faultfield.envs.base import CanObserve
from faultfield.errors import FaultfieldError, PolicyError, VariationError
from faultfield.policies.demonstrations import Demonstrations, recipe_in
from faultfield.policies.demonstrator import HANDOVER
from faultfield.policies.demos import fingerprints, gather
from faultfield.repair.original import recipes_of, whole
from faultfield.rollouts.specs import EnvSpec
from faultfield.variations import Variation

OnProgress = Callable[[int, int], None]

_OF_THE_FILE = ("takes", "who", "looks", "looks_each", "attempts")
"""What a recipe tells that does not decide which demonstrations are gathered."""


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
    _gather(path, recipes_of(checkpoint), f"'{checkpoint}'", workers, on_progress)


def picture_again(
    path: Path,
    original: Path,
    looks: Sequence[tuple[Variation, float]],
    looks_each: int,
    *,
    workers: int = 1,
    on_progress: OnProgress | None = None,
) -> bool:
    """Gather original demonstrations once more, pictured as the targets of a repair look, too.

    That costs no demonstration: what the expert did before a white table is right before a red one. They are gathered
    by the recipe in the file, since pictures alone cannot be painted anew. Killed, the gathering goes on. A file that
    holds them stays as it is.

    Args:
        path: The `.npz` file to write.
        original: The file of original demonstrations.
        looks: What they are pictured as, each with a weight above 0.
        looks_each: How many looks each demonstration is pictured under.
        workers: Processes.
        on_progress: Called with (demonstrations kept, demonstrations wanted).

    Returns:
        Whether they could be: not where the file does not say how it was gathered, a learner that began them is gone,
        their environment cannot picture stored states or has no such looks, or their expert no longer succeeds.
    """
    there = recipe_in(original)
    if not looks or not gatherable(there):
        return False
    if not all(_can_picture(recipe, looks) for recipe in there):
        return False
    # How it was pictured there, and who gathered it, is of the file as it is; one that was so twice is here once.
    bare = [{name: value for name, value in recipe.items() if name not in _OF_THE_FILE} for recipe in there]
    told = {
        "looks": [{"variation": look.to_json(), "weight": weight} for look, weight in looks],
        "looks_each": min(looks_each, len(looks)),
    }
    each = [{**recipe, **told} for number, recipe in enumerate(bare) if recipe not in bare[:number]]
    try:
        _gather(path, each, f"'{original}'", workers, on_progress)
    except PolicyError:
        # An expert that no longer manages what it once did: the file itself is there, and is learned from as it is.
        _drop_parts(path, len(each))
        return False
    return True


def gatherable(recipes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether recipes say enough to gather by them again, and a learner that began demonstrations is still the same."""
    return whole(recipes) and not any(_learner_is_another(recipe) for recipe in recipes)


def _can_picture(recipe: Mapping[str, Any], looks: Sequence[tuple[Variation, float]]) -> bool:
    """Whether its environment is to be had, as is its expert, knows these looks, and pictures stored states."""
    try:
        plugins.load(recipe["expert"], what="policy")
        env = EnvSpec(recipe["environment"], recipe.get("environment_arguments") or {}).build()
    except FaultfieldError:
        return False
    try:
        for look, _ in looks:
            env.variation_space.validate(look)
        # What varies another environment can picture what that one can.
        return isinstance(getattr(env, "inner", env), CanObserve)
    except VariationError:
        return False
    finally:
        env.close()


def _learner_is_another(recipe: Mapping[str, Any]) -> bool:
    learner, who = recipe.get("learner"), recipe.get("who")
    if learner is None:
        return False
    return not Path(learner).exists() or (who is not None and who[1:] != fingerprints(recipe)[1:])


def _gather(
    path: Path, recipes: Sequence[Mapping[str, Any]], whose: str, workers: int, on_progress: OnProgress | None
) -> None:
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
                f"The demonstrations of {whose} were gathered with the learner '{learner}', which is gone; give "
                "them with --original FILE."
            )
        if _learner_is_another(recipe):
            raise PolicyError(
                f"The demonstrations of {whose} were gathered with the learner '{learner}' as it was; by now "
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
