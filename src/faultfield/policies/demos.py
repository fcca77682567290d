"""Demonstrations: what an expert would do at states that it, pushed about, comes through on its way to success."""

import inspect
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faultfield import plugins
from faultfield.envs.base import images_of
from faultfield.envs.building import build
from faultfield.errors import PolicyError
from faultfield.policies.attempts import Attempt, AttemptStore
from faultfield.policies.base import fingerprint
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.demonstrator import FIRST_SEED, HANDOVER, STRIDE, Demonstrators
from faultfield.policies.scripted_phases import Scripted
from faultfield.policies.teachers import ROBOSUITE, Teacher, camera_of, teacher
from faultfield.variations import Variation


def gather(
    path: str | Path,
    *,
    episodes: int | None = None,
    under: Sequence[tuple[Variation, int]] = (),
    looks: Sequence[tuple[Variation, float]] = (),
    looks_each: int = 0,
    seed: int = 0,
    noise: float = 0.3,
    pushed: float = 0.5,
    workers: int = 1,
    expert: str | None = None,
    expert_arguments: Mapping[str, Any] | None = None,
    environment: str = ROBOSUITE,
    environment_arguments: Mapping[str, Any] | None = None,
    camera: str | None = None,
    learner: str | Path | None = None,
    handover: int = HANDOVER,
    over: bool = True,
    on_progress: Callable[[int, int], None] | None = None,
) -> Demonstrations:
    """Gather successful demonstrations and write them to one file.

    What is executed is noisy and what is recorded as the label is not, so the demonstrations cover states off the
    expert's own path and say how to come back (Laskey et al. 2017). The file depends on the settings and the seed, not
    on the number of workers. Finished attempts are kept in a folder beside the file until it is written, so that a
    gathering that was killed goes on where it was.

    Args:
        path: The `.npz` file to write.
        episodes: Successful demonstrations to keep; failures are discarded and replaced.
        under: In place of `episodes`: variations, each once, and how many demonstrations to keep under each.
        looks: Variations as which each demonstration may be pictured as well, each with a weight above 0: what they
            change beyond the picture is left out (`VariationSpace.seen_as`). The expert does not act again, and what
            it did stays the same.
        looks_each: How many of them, its own left out, drawn by weight for each demonstration; it has rows of its own
            for every one.
        seed: Fixes everything random.
        noise: Standard deviation of what is added to the executed position deltas, in units of the action.
        pushed: Share of episodes that begin with a random push of 2–8 steps that are not recorded.
        workers: Worker processes; 1 stays in this process.
        expert: Name of the expert, `module:Class`; ours for the environment's task where it is None.
        expert_arguments: What it is called with, where it is named.
        environment: Name of the environment, `module:Class`.
        environment_arguments: Its settings.
        camera: Whose pictures to keep; the one that the environment observes with where it is None. It stands in the
            file, for whoever learns from it.
        learner: A VisualBC checkpoint that acts in the expert's place for a random first part of each episode, the
            expert labelling what it meets (Ross et al. 2011).
        handover: Before this step of an episode the learner has handed over to the expert.
        over: Whether a file of other demonstrations is written over, or of an expert or learner that was changed since;
            one of these is never gathered again.
        on_progress: Called with (demonstrations kept, demonstrations wanted).

    Returns:
        What is in the file.

    Raises:
        PolicyError: Nobody is known who could demonstrate the task, or correct a learner, the expert fails so often
            that twice as many attempts do not give the successes wanted, the environment has no such camera, or the
            file holds something else and is not to be written over.
        EnvError: The environment cannot be built, or a worker process died.
        CheckpointError: The learner's weights are missing or foreign.
        SetupError: A simulator, or what it needs, is not installed.
        StudyError: A name cannot be imported.
    """
    wanted = [number for _, number in under] or [episodes or 0]
    if (
        (under and episodes is not None)
        or min(wanted) < 1
        or workers < 1
        or noise < 0
        or not 0 <= pushed <= 1
        or looks_each < 0
        or handover < 2
    ):
        raise PolicyError(
            "Demonstrations need episodes and workers of at least 1, noise ≥ 0, pushed in 0–1, looks ≥ 0 and a "
            "handover of at least 2."
        )
    settings = dict(environment_arguments or {})
    looks_each = min(looks_each, len(looks))
    chosen = teacher(environment, settings) if expert is None else Teacher(expert, expert_arguments or {})
    if learner is not None:
        check_corrects(chosen.type)
    recipe = {
        "expert": chosen.type,
        **({"expert_arguments": dict(chosen.arguments)} if chosen.arguments else {}),
        "environment": environment,
        "environment_arguments": settings,
        "camera": camera or camera_of(environment, settings) or _only_camera(environment, settings),
        "learner": None if learner is None else str(learner),
        **({"handover": handover} if learner is not None and handover != HANDOVER else {}),
        "noise": noise,
        "pushed": pushed,
        "seed": seed,
        **({"under": [{"variation": v.to_json(), "episodes": number} for v, number in under]} if under else {}),
        **(
            {"looks": [{"variation": v.to_json(), "weight": weight} for v, weight in looks], "looks_each": looks_each}
            if looks_each
            else {}
        ),
    }
    there = _gathered(Path(path), recipe, sum(wanted), over)
    if there is not None:
        # A kill right after it was written left them.
        shutil.rmtree(f"{path}.attempts", ignore_errors=True)
        return there
    who = fingerprints(recipe)
    store = AttemptStore(f"{path}.attempts", recipe | {"who": who})
    try:
        with Demonstrators(recipe, workers, store) as crew:
            kept, tried = _kept(recipe, wanted, crew, on_progress)
    except PolicyError:
        store.clear()
        raise
    takes = [(pictures, a) for a in kept for pictures in (a.pictures, *a.looks)]
    demos = Demonstrations(
        np.concatenate([pictures for pictures, _ in takes]),
        np.concatenate([a.states for _, a in takes]),
        np.concatenate([a.actions for _, a in takes]),
        np.repeat(np.arange(len(takes)), [len(a.actions) for _, a in takes]),
        ({**recipe, "who": who, "episodes": len(kept), "attempts": tried, "takes": len(takes)},),
        np.concatenate([a.truths for _, a in takes]) if kept[0].truths.shape[1] else None,
    )
    demos.save(path)
    store.clear()
    return demos


def _only_camera(environment: str, settings: Mapping[str, Any]) -> str | None:
    """The camera of an environment that has but one; what is trained on its pictures must know whose they are."""
    env = build(environment, settings)
    try:
        there = list(images_of(env.reset(seed=FIRST_SEED)[0]))
    finally:
        env.close()
    return there[0] if len(there) == 1 else None


def check_corrects(expert: str) -> None:
    """Refuse an expert of ours that goes through phases whatever is done to it: what a learner begins it cannot end.

    Raises:
        PolicyError: It is one.
        StudyError: There is no such expert.
    """
    found = plugins.load(expert, what="policy")
    if inspect.isclass(found) and issubclass(found, Scripted):
        raise PolicyError(
            f"The expert '{expert}' goes through phases and never looks back, so it cannot correct what another did; "
            "let it demonstrate alone, or name an expert that decides from each moment."
        )


def _gathered(path: Path, recipe: Mapping[str, Any], wanted: int, over: bool) -> Demonstrations | None:
    if not path.is_file():
        return None
    try:
        there = Demonstrations.load(path)
    except PolicyError:
        if over:
            return None
        raise
    how = json.loads(json.dumps({**recipe, "episodes": wanted}))
    entry = dict(there.recipe[0]) if len(there.recipe) == 1 else {}
    who = entry.pop("who", None)
    if {k: v for k, v in entry.items() if k not in ("attempts", "takes")} == how:
        # Files from before this was told do not say who it was: an expert seldom changes, a learner does all along.
        same = recipe["learner"] is None if who is None else who == fingerprints(recipe)
        if same:
            return there
        if who is None and not over:
            raise PolicyError(
                f"'{path}' is there already, and does not say what the learner was when it was gathered; name another "
                "file, or delete it."
            )
    if over:
        return None
    raise PolicyError(f"'{path}' holds other demonstrations already; name another file, or delete it.")


def random_looks(
    environment: str, environment_arguments: Mapping[str, Any], count: int, seed: int = 0
) -> list[tuple[Variation, float]]:
    """Looks anywhere in an environment's space, one to three factors each, for `gather` to picture demonstrations as.

    Args:
        environment: Its name, `module:Class`.
        environment_arguments: Its settings.
        count: How many are drawn; those that change no picture are left out, and what `Randomised` does not vary.
        seed: Of the draws.

    Returns:
        Each once, all of weight 1.

    Raises:
        EnvError: The environment cannot be built.
    """
    env = build(environment, environment_arguments)
    try:
        space = env.variation_space
        vary = set(getattr(env, "factors", space.factors))
        sampled = space.sample(np.random.default_rng([seed, 2]), count)
        drawn = [space.look(space.variation({n: v for n, v in each.items() if n in vary})) for each in sampled]
    finally:
        env.close()
    return [(look, 1.0) for look in dict.fromkeys(drawn) if not look.is_nominal]


def _kept(
    recipe: Mapping[str, Any],
    wanted: Sequence[int],
    crew: Demonstrators,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[list[Attempt], int]:
    """The successes wanted under each variation, in the order of these, and how many attempts they took."""
    found: list[list[Attempt]] = [[] for _ in wanted]
    tried = [0] * len(wanted)
    while True:
        lacking = [
            place * STRIDE + tried[place] + further
            for place, number in enumerate(wanted)
            for further in range(number - len(found[place]))
        ]
        if not lacking:
            return [attempt for under in found for attempt in under], sum(tried)
        for index, attempt in zip(lacking, crew.attempts(lacking), strict=True):
            place = index // STRIDE
            tried[place] += 1
            if attempt.success:
                found[place].append(attempt)
                if on_progress is not None:
                    on_progress(sum(map(len, found)), sum(wanted))
            elif tried[place] - len(found[place]) > wanted[place] + 10 and recipe["learner"] is not None:
                raise PolicyError(
                    f"Where '{recipe['learner']}' begins, the expert '{recipe['expert']}' succeeded in "
                    f"{len(found[place])} of {tried[place]} attempts: it cannot correct so much. Let it demonstrate "
                    "alone, without a learner or corrections."
                )
            elif tried[place] - len(found[place]) > wanted[place] + 10:
                changed = recipe["under"][place]["variation"] if "under" in recipe else {}
                where = f" under {changed}" if changed else ""
                raise PolicyError(
                    f"The expert '{recipe['expert']}' succeeded in {len(found[place])} of {tried[place]} attempts"
                    f"{where}; it must succeed more often than not before its demonstrations are worth imitating."
                )


def fingerprints(recipe: Mapping[str, Any]) -> list[str]:
    """Who demonstrates, by content: attempts of another expert or learner under the same name are not mixed in."""
    learner = recipe["learner"]
    learners = [] if learner is None else [fingerprint("faultfield.policies.bc:VisualBC", checkpoint=learner)]
    return [fingerprint(recipe["expert"], **recipe.get("expert_arguments", {})), *learners]
