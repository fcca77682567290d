"""Demonstrations and fine-tuning, in rounds: what the mended policy still fails at is demonstrated next."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faultfield.envs.base import CanObserve
from faultfield.errors import StudyError
from faultfield.files import folder
from faultfield.policies.demonstrations import Demonstrations, recipe_in
from faultfield.policies.demos import gather
from faultfield.policies.teachers import RANDOMISED, teacher
from faultfield.repair import mending
from faultfield.repair.mending import Mender
from faultfield.repair.plan import Plan, Recipe
from faultfield.repair.regather import gatherable, picture_again
from faultfield.repair.targets import ANYWHERE, Suspect, Target, choosable, choose, importance
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.pool import cores
from faultfield.rollouts.scenes import own_scenes
from faultfield.rollouts.specs import PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.search.sobol import SobolSearch
from faultfield.study.before_after import REPAIRS, rolled
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.study.seeds import CHECK_SEED, CHECKED
from faultfield.variations import NOMINAL, Variation

DEMONSTRATIONS, PICTURED, CHECKPOINT = "demonstrations.npz", "original-looks.npz", "checkpoint"

ENOUGH = 10
"""Of a variation that still always fails after so many demonstrations, no more are paid for. After the three or four of
a short first round that says little: half of what failed throughout then was learned later
(docs/results/repairs.md)."""


@dataclass(frozen=True)
class Mended:
    """What the rounds made.

    Attributes:
        policy: After the last of them.
        targets: All that was demonstrated, each variation once.
        demonstrations: The file with all of it.
        rounds: How many there were: fewer than planned where nothing failed any more.
    """

    policy: PolicySpec
    targets: tuple[Target, ...]
    demonstrations: Path
    rounds: int


def mend_in_rounds(
    study: Study,
    plan: Plan,
    pool: Sequence[Suspect],
    directory: Path,
    mend: Mender,
    original: Path | None,
    progress: Progress,
) -> Mended:
    """Gather and fine-tune, as often as the recipe has rounds; it ends early where nothing fails that may be mended.

    All demonstrations and the last checkpoint lie in `directory` then.

    Args:
        study: Whose policy.
        plan: What is demonstrated first.
        pool: All that was diagnosed.
        directory: Of the repair; of several rounds, each has its own in it.
        mend: Trains.
        original: What the policy learned from before, or None.
        progress: Shows how far it is.
    """
    recipe = plan.recipe
    spec, files, shown = study.policy_spec, list[Path](), dict[str, Target]()
    targets: Sequence[Target] = plan.targets
    for number in range(recipe.rounds):
        part = recipe.part(number)
        if number:
            left = learnable(checked(study, spec, pool, progress), shown)
            if not choosable(left, part.mode):
                break
            targets = choose(
                left,
                part.mode,
                part.budget,
                study.space,
                part.seed,
                part.least,
                pictured=pictures(study, part, original),
            )
        where = directory if recipe.rounds == 1 else directory / f"round-{number + 1}"
        files.append(gathered(study, targets, part, where, progress, spec))
        again = pictured_again(study, targets, part, where, original, progress)
        with progress.task("Fine-tuning", part.steps) as update:
            spec = mend(spec, [*files, *again], original, where / CHECKPOINT, part, lambda done, total: update(done))
            update(part.steps)
        for target in targets:
            before = shown.get(target.variation.key)
            shown[target.variation.key] = (
                target if before is None else replace(before, episodes=before.episodes + target.episodes)
            )
    if recipe.rounds > 1:
        spec = _together(spec, files, directory)
    return Mended(spec, tuple(shown.values()), directory / DEMONSTRATIONS, len(files))


def checked(study: Study, spec: PolicySpec, pool: Sequence[Suspect], progress: Progress) -> list[Suspect]:
    """The same variations with the failure rates that a policy has now, where there were failures before."""
    failing = [one.variation for one in pool if one.fails]
    first = study.config.rollouts.seed + CHECK_SEED
    jobs = [Job(each, seed, "repair") for each in failing for seed in own_scenes(each, first, CHECKED)]
    failures = dict.fromkeys(failing, 0)
    with Ledger(study.directory / REPAIRS / "ledger", create=True) as ledger:
        for episode in rolled(study, ledger, jobs, spec, "Between rounds", progress):
            failures[episode.variation] += not episode.success
    return [
        replace(one, failure=_probability(failures[one.variation]), rate=None) if one.variation in failures else one
        for one in pool
    ]


def _probability(failures: int) -> float:
    """Of failure, by a check: half a failure and half a success on top, as three successes are not a proof."""
    return (failures + 0.5) / (CHECKED + 1)


def learnable(left: Sequence[Suspect], shown: Mapping[str, Target]) -> list[Suspect]:
    """Those that more demonstrations may mend: what was shown enough and failed in every episode since is given up.

    What an expert can do that is told where everything is, a policy may not see, and what it cannot learn is paid for
    by the rest.

    Args:
        left: As `checked` found them.
        shown: What was demonstrated so far, by the key of its variation.
    """
    given = {one.variation.key: 0 for one in left} | {key: target.episodes for key, target in shown.items()}
    return [one for one in left if given[one.variation.key] < ENOUGH or one.failure < _probability(CHECKED)]


def gathered(
    study: Study,
    targets: Sequence[Target],
    recipe: Recipe,
    directory: Path,
    progress: Progress,
    learner: PolicySpec,
) -> Path:
    """Demonstrations under the targets, or anywhere in the space, gathered where they are missing.

    Where the recipe wants corrections, `learner` begins them: of several rounds, the policy as the last one left it.
    """
    path = directory / DEMONSTRATIONS
    env, total = study.env_spec, recipe.budget
    where: dict[str, Any] = {"environment": env.type, "environment_arguments": env.arguments}
    if recipe.mode == ANYWHERE:
        varied = {"type": env.type, "share": 1.0, **env.arguments}
        where = {"environment": RANDOMISED, "environment_arguments": varied, "episodes": total}
    else:
        where["under"] = [(t.variation, t.episodes) for t in targets]
    if recipe.corrections and not path.exists():
        where |= {"learner": learner.arguments["checkpoint"], "handover": usual_steps(study, progress)}
    looks = looks_of(study, targets, recipe)
    with progress.task("Demonstrations", total) as update:
        if not path.exists():
            directory.mkdir(parents=True, exist_ok=True)
            expert = expert_of(study)
            gather(
                path, seed=recipe.seed, workers=workers_of(study), expert=expert.type,
                expert_arguments=expert.arguments, camera=mending.camera_of(study.policy_spec),
                looks=looks, looks_each=recipe.looks, on_progress=lambda done, total: update(done), **where,
            )  # fmt: skip
        # A kill right after the file was written left them.
        shutil.rmtree(f"{path}.attempts", ignore_errors=True)
        update(total)
    return path


def pictured_again(
    study: Study,
    targets: Sequence[Target],
    recipe: Recipe,
    directory: Path,
    original: Path | None,
    progress: Progress,
) -> list[Path]:
    """A file of the original demonstrations as the targets look; none where that cannot be had.

    New demonstrations are then left for what no picture of an old one can show.
    """
    looks = looks_of(study, targets, recipe)
    if original is None or not looks or not pictures(study, recipe, original):
        return []
    path, total = directory / PICTURED, sum(int(each["episodes"]) for each in recipe_in(original))
    with progress.task("Original demonstrations as the targets look", total) as update:
        made = picture_again(
            path, original, looks, recipe.looks, workers=workers_of(study), on_progress=lambda done, total: update(done)
        )
        update(total)
    return [path] if made else []


def usual_steps(study: Study, progress: Progress) -> int:
    """How long the expert takes where nothing is changed, the middle of a few successes: no later it takes over.

    Raises:
        StudyError: It fails there.
    """
    seeds = range(study.config.rollouts.seed + CHECK_SEED, study.config.rollouts.seed + CHECK_SEED + CHECKED)
    jobs = [Job(NOMINAL, seed, "repair") for seed in seeds]
    with Ledger(study.directory / REPAIRS / "ledger", create=True) as ledger:
        rolls = rolled(study, ledger, jobs, expert_of(study), "The expert", progress)
    took = [episode.steps for episode in rolls if episode.success]
    if not took:
        raise StudyError("The expert fails where nothing is changed, so it corrects nobody; leave --corrections out.")
    return max(2, sorted(took)[len(took) // 2])


def pictures(study: Study, recipe: Recipe, original: Path | None) -> bool:
    """Whether all that is learned from, new and old, can be pictured as the targets look.

    That is so where stored states can be pictured, and the old ones be gathered again.

    Args:
        study: Whose policy.
        recipe: How it is mended.
        original: What it learned from before; where None, by its own checkpoint's recipe.
    """
    if not recipe.looks or not recipe.share or study.policy_spec.type not in mending.OURS:
        return False
    return isinstance(study.env, CanObserve) and (original is None or gatherable(recipe_in(original)))


def looks_of(study: Study, targets: Sequence[Target], recipe: Recipe) -> list[tuple[Variation, float]]:
    """The looks of the targets, weighed by how much each matters, and looks anywhere in the space.

    None where stored states cannot be pictured.
    """
    if not isinstance(study.env, CanObserve):
        return []
    broad = 1.0 if recipe.mode == ANYWHERE else recipe.broad
    own = [importance(t.suspect, recipe.mode) for t in targets]
    shown = [(t.variation, recipe.budget * (1 - broad) * each / sum(own)) for t, each in zip(targets, own, strict=True)]
    if broad:
        anywhere = SobolSearch(study.space, recipe.seed, order=2).ask(recipe.budget)
        shown += [(variation, broad) for variation in anywhere]
    weights: dict[Variation, float] = {}
    for variation, number in shown:
        if number:
            look = study.space.look(variation)
            weights[look] = weights.get(look, 0.0) + number
    weights.pop(NOMINAL, None)
    return list(weights.items())


def expert_of(study: Study) -> PolicySpec:
    """The study's expert control; without one, ours for the task."""
    expert = study.config.controls.expert
    if expert is not None:
        return PolicySpec(expert.type, expert.arguments)
    ours = teacher(study.env_spec.type, study.env_spec.arguments)
    return PolicySpec(ours.type, ours.arguments)


def workers_of(study: Study) -> int:
    """Processes that gather."""
    return cores() if study.count == "auto" else study.count


def _together(spec: PolicySpec, files: Sequence[Path], directory: Path) -> PolicySpec:
    """One file of all demonstrations, and a copy of the last checkpoint, where those of a single round would lie."""
    if not (directory / DEMONSTRATIONS).exists():
        Demonstrations.join([Demonstrations.load(path) for path in files]).save(directory / DEMONSTRATIONS)
    if "checkpoint" not in spec.arguments:
        return spec
    made, kept = Path(spec.arguments["checkpoint"]), directory / CHECKPOINT
    if not kept.exists():
        with folder(kept) as draft:
            if made.is_dir():
                shutil.copytree(made, draft, dirs_exist_ok=True)
            else:
                shutil.copy2(made, draft)
    return PolicySpec(spec.type, {**spec.arguments, "checkpoint": str(kept if made.is_dir() else kept / made.name)})
