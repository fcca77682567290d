"""The mend of a study's policy: targeted demonstrations, fine-tuning, and the same episodes before and after."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from faultfield.diagnosis.context import PolicyInfo
from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.exports import lerobot, robomimic
from faultfield.files import folder
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.demos import gather
from faultfield.policies.teachers import teacher
from faultfield.repair import mending, recordings
from faultfield.repair.original import check_original, gather_again
from faultfield.repair.plan import PLAN_FILE, Plan, Recipe
from faultfield.repair.result import DataSet, Repair, TargetEntry, compared, measured
from faultfield.repair.targets import Suspect, choose, suspects
from faultfield.report.repair import statement, write_repair_page
from faultfield.rollouts.collect import collect
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.pool import cores
from faultfield.rollouts.specs import PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.study.assemble import versions
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.variations import NOMINAL, Variation

REPAIR_SEED = 300_000
"""Added to the study's seed: a comparison sees no scene that anything was learned from, verified or hunted on."""

REPAIRS = "repairs"
"""Folder of a study in which its repairs lie, with the ledger that they share."""

DEMONSTRATIONS, ORIGINAL, CHECKPOINT, RESULT, PAGE = (
    "demonstrations.npz", "original.npz", "checkpoint", "repair.json", "repair.html",
)  # fmt: skip

Format = Literal["robomimic", "lerobot"]
FORMATS = {"robomimic": "demonstrations.hdf5", "lerobot": "demonstrations-lerobot"}
"""What a policy that is mended elsewhere is given, and under which name."""


@dataclass(frozen=True)
class Comparing:
    """How much is rolled out to compare.

    Attributes:
        episodes: For each variation, before and after.
        nominal: With nothing changed, before and after.
    """

    episodes: int = 10
    nominal: int = 50

    def __post_init__(self) -> None:
        if min(self.episodes, self.nominal) < 1:
            raise StudyError("A comparison takes at least one episode a variation and one nominal.")


@dataclass(frozen=True)
class Exported:
    """Demonstrations for a policy that is mended elsewhere.

    Attributes:
        path: The file or folder.
        counts: As the export counts them.
        directory: Of the repair.
    """

    path: Path
    counts: Mapping[str, Any]
    directory: Path


def repair(
    study: Study,
    recipe: Recipe,
    progress: Progress,
    *,
    out: str | Path | None = None,
    original: str | Path | None = None,
    comparing: Comparing | None = None,
    form: Format = "robomimic",
) -> Repair | Exported:
    """Mend the policy of a diagnosed study, and compare it before and after.

    What is made lies in `out`: the plan, the demonstrations, the checkpoint with its card, `repair.json` and
    `repair.html`; the episodes of the comparison in a ledger that all repairs of a study share. Killed at any moment
    and called again with the same arguments, it goes on. A policy that cannot be trained here gets its demonstrations
    in a format of its own trainer, and no more.

    Args:
        study: Whose policy and environment; with a diagnosis.
        recipe: How to mend.
        progress: Shows how far it is.
        out: Directory of the repair; by default `repairs/<mode>-<budget>` in the study's.
        original: Demonstrations that the policy was trained on; made again by its own recipe where None.
        comparing: How much is rolled out.
        form: Format for a policy that is mended elsewhere.

    Raises:
        StudyError: The study was not diagnosed, nothing is to be repaired, the budget is too small, there is no such
            mode, or `out` holds another repair.
        PolicyError: Nobody can demonstrate the task, or the original demonstrations are of another task.
    """
    plan, pool = plan_of(study, recipe)
    directory = place(study, recipe) if out is None else Path(out)
    mend = mending.mender_of(study.policy_spec)
    if mend is not None and original is not None:
        check_original(Path(original), study.env_spec)
    plan.settle(directory)
    if mend is None:
        return _export(study, plan, directory, form, progress)
    targeted = _gather(study, plan, directory, progress)
    mixed = None if recipe.share == 0 else Path(original) if original else _original(study, plan, directory, progress)
    with progress.task("Fine-tuning", recipe.steps) as update:
        after = mend(study.policy_spec, targeted, mixed, directory / CHECKPOINT, plan, lambda done, total: update(done))
        update(recipe.steps)
    found = _compare(study, after, pool, plan, directory, comparing or Comparing(), progress, (targeted, mixed))
    _card(study, found, plan, directory)
    return found


def compare_with(
    study: Study,
    after: str,
    progress: Progress,
    *,
    recipe: Recipe | None = None,
    out: str | Path | None = None,
    comparing: Comparing | None = None,
) -> Repair:
    """Compare the study's policy with one that was mended elsewhere, under the same variations and seeds.

    Args:
        study: Whose policy is the one before.
        after: A checkpoint in place of the study's, or `module:Class`.
        progress: Shows how far it is.
        recipe: Of the repair that exported the demonstrations, if one did.
        out: Its directory; by default that of the recipe, or `repairs/after` in the study's.
        comparing: How much is rolled out.

    Raises:
        StudyError: The study was not diagnosed, or there is no such policy.
        FaultfieldError: What building it raises.
    """
    spec = mending.mended_elsewhere(study.policy_spec, after)
    spec.build()
    default = place(study, recipe) if recipe is not None else study.directory / REPAIRS / "after"
    directory = default if out is None else Path(out)
    pool = suspects(_diagnosis(study), study.space)
    plan = Plan.read(directory, study.space) if (directory / PLAN_FILE).exists() else None
    return _compare(study, spec, pool, plan, directory, comparing or Comparing(), progress, (None, None))


def plan_of(study: Study, recipe: Recipe) -> tuple[Plan, list[Suspect]]:
    """What a repair would do, and every variation that it would be compared on.

    Raises:
        StudyError: As `choose` raises.
    """
    diagnosis = _diagnosis(study)
    pool = suspects(diagnosis, study.space, recipe.weights)
    targets = choose(pool, recipe.mode, recipe.budget, study.space, recipe.seed, recipe.least)
    identity = study.identity
    return Plan(recipe, identity["policy"], identity["environment"], diagnosis.fingerprint, tuple(targets)), pool


def place(study: Study, recipe: Recipe) -> Path:
    """Where a repair lies by default."""
    seed = f"-seed-{recipe.seed}" if recipe.seed else ""
    return study.directory / REPAIRS / f"{recipe.mode}-{recipe.budget}{seed}"


def _diagnosis(study: Study) -> Diagnosis:
    file = study.directory / "diagnosis.json"
    if not file.exists():
        raise StudyError(f"{study.directory} was not diagnosed yet; run 'faultfield run {study.directory}' first.")
    return Diagnosis.read(file)


def _expert(study: Study) -> PolicySpec:
    """The study's expert control; without one, ours for the task."""
    expert = study.config.controls.expert
    if expert is not None:
        return PolicySpec(expert.type, expert.arguments)
    ours = teacher(study.env_spec.type, study.env_spec.arguments)
    return PolicySpec(ours.type, ours.arguments)


def _workers(study: Study) -> int:
    return cores() if study.count == "auto" else study.count


def _gather(study: Study, plan: Plan, directory: Path, progress: Progress) -> Path:
    path = directory / DEMONSTRATIONS
    with progress.task("Demonstrations", plan.recipe.budget) as update:
        if not path.exists():
            expert = _expert(study)
            gather(
                path, under=[(t.variation, t.episodes) for t in plan.targets], seed=plan.recipe.seed,
                workers=_workers(study), expert=expert.type, expert_arguments=expert.arguments,
                environment=study.env_spec.type, environment_arguments=study.env_spec.arguments,
                camera=mending.camera_of(study.policy_spec), on_progress=lambda done, total: update(done),
            )  # fmt: skip
        update(plan.recipe.budget)
    return path


def _original(study: Study, plan: Plan, directory: Path, progress: Progress) -> Path:
    path = directory / ORIGINAL
    if not path.exists():
        with progress.task("Original demonstrations", plan.recipe.budget) as update:
            gather_again(
                path, study.policy_spec.arguments["checkpoint"], most=plan.recipe.budget, workers=_workers(study),
                on_progress=lambda done, total: update(done),
            )  # fmt: skip
            update(plan.recipe.budget)
    check_original(path, study.env_spec)
    return path


def _export(study: Study, plan: Plan, directory: Path, form: Format, progress: Progress) -> Exported:
    if form not in FORMATS:
        raise StudyError(f"There is no format '{form}'; known are {', '.join(FORMATS)}.")
    path, spool = directory / FORMATS[form], directory / "recordings"
    if path.exists():
        return Exported(path, {"demonstrations": plan.recipe.budget}, directory)
    with progress.task("Demonstrations", plan.recipe.budget) as update:
        recorded = recordings.record_targets(
            spool, plan.targets, study.env_spec, _expert(study), workers=_workers(study),
            on_progress=lambda done, total: update(done),
        )  # fmt: skip
        if form == "robomimic":
            counts = robomimic.write(path, recorded, study.env_spec, study.env.instruction)
        else:
            rate = int(study.env.metadata.get("render_fps") or 20)
            with folder(path) as draft:
                counts = lerobot.write(draft, recorded, study.env.instruction, rate=rate)
    recordings.forget(spool)
    return Exported(path, counts, directory)


def _compare(
    study: Study,
    after: PolicySpec,
    pool: list[Suspect],
    plan: Plan | None,
    directory: Path,
    comparing: Comparing,
    progress: Progress,
    data: tuple[Path | None, Path | None],
) -> Repair:
    shown = {t.variation: t.episodes for t in plan.targets} if plan is not None else {}
    variations: list[tuple[Variation, Literal["known", "unseen", "nominal"], int]] = [(NOMINAL, "nominal", 0)]
    variations += [(one.variation, one.group, shown.get(one.variation, 0)) for one in pool]
    first = study.config.rollouts.seed + REPAIR_SEED
    jobs = [
        Job(variation, first + i, "repair")
        for variation, group, _ in variations
        for i in range(comparing.nominal if group == "nominal" else comparing.episodes)
    ]
    with Ledger(study.directory / REPAIRS / "ledger", create=True) as ledger:
        before = _rolled(study, ledger, jobs, study.policy_spec, "Before", progress)
        mended = _rolled(study, ledger, jobs, after, "After", progress)
    groups, rows = compared(variations, before, mended)
    targets = plan.targets if plan is not None else ()
    found = Repair(
        created=datetime.now(UTC).isoformat(timespec="seconds"), study=study.name, instruction=study.env.instruction,
        before=_info(study.policy_spec), after=_info(after),
        settings=None if plan is None else plan.to_json()["recipe"],
        targets=[
            TargetEntry(
                variation=t.variation.to_json(), text=t.variation.text, group=t.suspect.group,
                failure=t.suspect.failure, weight=t.suspect.weight, episodes=t.episodes,
            )
            for t in targets
        ],
        targeted=_data(data[0]), original=_data(data[1]), seeds=(first, comparing.episodes), groups=groups, rows=rows,
        measures_before=measured(rows, "before"), measures_after=measured(rows, "after"), versions=versions(),
    )  # fmt: skip
    found.write(directory / RESULT)
    write_repair_page(found, directory / PAGE)
    return found


def _rolled(
    study: Study, ledger: Ledger, jobs: list[Job], spec: PolicySpec, name: str, progress: Progress
) -> list[Episode]:
    with progress.task(name, len(jobs)) as update:
        collect(
            ledger, jobs, study.env_spec, spec, workers=study.workers,
            on_episode=lambda episode, done, total: update(done),
        )  # fmt: skip
        update(len(jobs))
    wanted = {(job.variation, job.seed) for job in jobs}
    rolled = ledger.episodes(None, spec.fingerprint, study.identity["environment"], load="none")
    return [episode for episode in rolled if (episode.variation, episode.seed) in wanted]


def _info(spec: PolicySpec) -> PolicyInfo:
    return PolicyInfo(type=spec.type, fingerprint=spec.fingerprint, arguments=dict(spec.arguments))


def _data(path: Path | None) -> DataSet | None:
    if path is None:
        return None
    demos = Demonstrations.load(path)
    count = int(demos.episodes.max()) + 1
    return DataSet(file=str(path), demonstrations=count, steps=len(demos), bytes=path.stat().st_size)


def _card(study: Study, found: Repair, plan: Plan, directory: Path) -> None:
    recipe = plan.recipe
    targeted = found.targeted
    mixed = "none" if found.original is None else f"{recipe.share:.0%} of each batch from {found.original.file}"
    facts = [
        ("begun from", f"{study.policy_spec.arguments.get('checkpoint')} (fingerprint {found.before.fingerprint})"),
        ("demonstrations", f"{recipe.budget} under {len(plan.targets)} variations, mode {recipe.mode}"),
        ("rows", str(targeted.steps if targeted else 0)),
        ("original data", mixed),
        ("training", f"{recipe.steps} steps, learning rate {recipe.learning_rate:g}, seed {recipe.seed}"),
        ("measured on", f"reset seeds from {found.seeds[0]}; every variation in `../{RESULT}`"),
    ]
    command = (
        f"faultfield repair {study.directory} --budget-episodes {recipe.budget} --mode {recipe.mode} "
        f"--per-variation {recipe.least} --steps {recipe.steps} --learning-rate {recipe.learning_rate:g} "
        f"--share {recipe.share:g} --seed {recipe.seed}"
    )
    mending.write_card(directory / CHECKPOINT, f"{study.name}, mended", facts, statement(found), command)
