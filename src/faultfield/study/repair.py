"""The mend of a study's policy: targeted demonstrations, fine-tuning, and the same episodes before and after."""

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.errors import StudyError
from faultfield.exports import lerobot, robomimic
from faultfield.policies.bc import CONFIG
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.demos import check_corrects
from faultfield.repair import mending, recordings
from faultfield.repair.original import check_mended, check_original, learned_from, recipes_of
from faultfield.repair.plan import PLAN_FILE, Plan, Recipe, read_json
from faultfield.repair.regather import gather_again
from faultfield.repair.result import Repair
from faultfield.repair.targets import ANYWHERE, Suspect, choose, suspects
from faultfield.report.repair import statement
from faultfield.study.before_after import REPAIRS, RESULT, Comparing, before_and_after, diagnosis_of
from faultfield.study.directory import Study
from faultfield.study.export import rate_of
from faultfield.study.progress import Progress
from faultfield.study.rounds import CHECKPOINT, PICTURED, expert_of, mend_in_rounds, pictures, workers_of

ORIGINAL = "original.npz"

FORMATS = {"robomimic": "demonstrations.hdf5", "lerobot": "demonstrations-lerobot"}
"""What a policy that is mended elsewhere is given, and under which name."""


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
    form: str = "robomimic",
) -> Repair | Exported:
    """Mend the policy of a diagnosed study, and compare it before and after.

    What is made lies in `out`: the plan, the demonstrations, the checkpoint with its card, `repair.json` and
    `repair.html`; the episodes of the comparison in a ledger that all repairs of a study share. Killed at any moment
    and called again with the same arguments, it goes on. A policy that cannot be trained here, being none of ours or
    robomimic's and its class without `mend`, gets its demonstrations in a format of its own trainer, and no more.

    Args:
        study: Whose policy and environment; with a diagnosis.
        recipe: How to mend.
        progress: Shows how far it is.
        out: Directory of the repair; by default `repairs/<mode>-<budget>` in the study's.
        original: Demonstrations that the policy was trained on; made again by its own recipe where None.
        comparing: How much is rolled out.
        form: One of `FORMATS`, for a policy that is mended elsewhere.

    Raises:
        StudyError: The study was not diagnosed, nothing is to be repaired, the budget is too small, there is no such
            mode, or `out` holds another repair.
        PolicyError: Nobody can demonstrate the task, or correct the policy, or the original demonstrations are of
            another task.
    """
    if form not in FORMATS:
        raise StudyError(f"There is no format '{form}'; known are {', '.join(FORMATS)}.")
    plan, pool = plan_of(study, recipe, None if original is None else Path(original))
    directory = place(study, recipe) if out is None else Path(out)
    mend = mending.mender_of(study.policy_spec)
    if mend is None and recipe.rounds > 1:
        raise StudyError("A policy that is mended elsewhere cannot be looked at between rounds; leave --rounds at 1.")
    if mend is None and recipe.mode == ANYWHERE:
        raise StudyError(f"The mode '{ANYWHERE}' has no targets to demonstrate for a trainer elsewhere; take 'random'.")
    if recipe.corrections and study.policy_spec.type != mending.VISUAL_BC:
        raise StudyError("Only a VisualBC policy's own mistakes can be corrected in demonstrations; no --corrections.")
    if recipe.widen > 1 and study.policy_spec.type != mending.VISUAL_BC:
        raise StudyError("Only a VisualBC policy's eye can be made wider here; no --widen.")
    if recipe.corrections:
        check_corrects(expert_of(study).type)
    if original is not None and not recipe.share:
        raise StudyError("With --share 0 nothing of --original is learned from; leave one of the two out.")
    if mend is not None and original is None and recipe.share and "checkpoint" not in study.policy_spec.arguments:
        raise StudyError("The policy does not say what it learned from; give --original FILE, or --share 0.")
    if mend is not None and original is not None:
        check_original(Path(original), study.env_spec)
        plan = replace(plan, original=_digest(Path(original)))
    elif mend is not None and recipe.share and not (directory / ORIGINAL).exists():
        # What cannot be gathered again is told before anything is written.
        recipes_of(study.policy_spec.arguments["checkpoint"])
    plan.settle(directory)
    if mend is None:
        return _export(study, plan, directory, form, progress)
    mixed = None if recipe.share == 0 else Path(original) if original else _original(study, directory, progress)
    made = mend_in_rounds(study, plan, pool, directory, mend, mixed, progress)
    found = before_and_after(
        study, made.policy, pool, replace(plan, targets=made.targets), directory, comparing or Comparing(), progress,
        (made.demonstrations, mixed), made.rounds,
    )  # fmt: skip
    _card(study, found, plan, directory, original)
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
    if "checkpoint" in spec.arguments:
        check_mended(spec.arguments["checkpoint"], study.env_spec, study.policy_spec.arguments.get("checkpoint"))
    default = place(study, recipe) if recipe is not None else study.directory / REPAIRS / "after"
    directory = default if out is None else Path(out)
    pool = suspects(diagnosis_of(study), study.space)
    plan = Plan.read(directory, study.space) if (directory / PLAN_FILE).exists() else None
    if plan is None and recipe is not None:
        raise StudyError(
            f"There is no repair of mode {recipe.mode}, budget {recipe.budget} and seed {recipe.seed} in {directory}; "
            "give the --mode, --seed and --out that it was made with, or leave --budget-episodes out to compare any "
            "two policies."
        )
    if plan is not None and recipe is not None:
        own = plan.recipe
        if (own.mode, own.budget, own.seed) != (recipe.mode, recipe.budget, recipe.seed):
            raise StudyError(
                f"{directory} holds the repair of mode {own.mode}, budget {own.budget}, seed {own.seed}, not of "
                f"{recipe.mode}, {recipe.budget}, {recipe.seed}; give these, or its own directory as --out."
            )
    if plan is not None and (plan.policy, plan.environment) != (
        study.identity["policy"],
        study.identity["environment"],
    ):
        raise StudyError(f"{directory} holds a repair of another policy or environment; give another --out.")
    if (directory / CHECKPOINT).exists():
        raise StudyError(f"{directory} holds a policy that was mended here; give --after another --out.")
    if plan is not None:
        # What was demonstrated is compared, whether today's diagnosis ranks it or not.
        listed = {each.variation for each in pool}
        pool += [target.suspect for target in plan.targets if target.variation not in listed]
    return before_and_after(study, spec, pool, plan, directory, comparing or Comparing(), progress)


def plan_of(study: Study, recipe: Recipe, original: Path | None = None) -> tuple[Plan, list[Suspect]]:
    """What a repair would do, and every variation that it would be compared on.

    Args:
        study: With a diagnosis.
        recipe: How to mend.
        original: As `repair` has it.

    Raises:
        StudyError: As `choose` raises.
        PolicyError: Nobody is known who could demonstrate the task, or `original` is missing or damaged.
    """
    diagnosis = diagnosis_of(study)
    pool = suspects(diagnosis, study.space, recipe.weights)
    first = recipe.part(0)
    if recipe.rounds > 1:
        # What later rounds show is among this: a budget that does not suffice is told before anything is gathered.
        last = recipe.part(recipe.rounds - 1)
        choose(pool, last.mode, last.budget, study.space, last.seed, last.least)
    seen = pictures(study, first, original)
    targets = choose(pool, first.mode, first.budget, study.space, first.seed, first.least, pictured=seen)
    identity, expert = study.identity, expert_of(study).fingerprint
    plan = Plan(
        recipe, identity["policy"], identity["environment"], diagnosis.fingerprint, tuple(targets), expert=expert
    )
    return plan, pool


def place(study: Study, recipe: Recipe) -> Path:
    """Where a repair lies by default."""
    seed = f"-seed-{recipe.seed}" if recipe.seed else ""
    return study.directory / REPAIRS / f"{recipe.mode}-{recipe.budget}{seed}"


def _original(study: Study, directory: Path, progress: Progress) -> Path:
    path = directory / ORIGINAL
    # What a policy was mended with stays as it is, though it may be a part: an older repair took no more.
    if not (path.exists() and (directory / CHECKPOINT / CONFIG).exists()):
        checkpoint = study.policy_spec.arguments["checkpoint"]
        count = sum(int(each["episodes"]) for each in recipes_of(checkpoint))
        with progress.task("Original demonstrations", count) as update:
            gather_again(
                path, checkpoint, workers=workers_of(study), on_progress=lambda done, total: update(done),
            )  # fmt: skip
            update(count)
    check_original(path, study.env_spec)
    return path


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]


def _export(study: Study, plan: Plan, directory: Path, form: str, progress: Progress) -> Exported:
    path, spool, note = directory / FORMATS[form], directory / "recordings", directory / f"{form}.json"
    if path.exists():
        recordings.forget(spool)
        # A kill between the two left the one without the other, as versions did that kept no counts.
        told = read_json(note) if note.exists() else {"demonstrations": plan.recipe.budget}
        return Exported(path, told, directory)
    with progress.task("Demonstrations", plan.recipe.budget) as update:
        recorded = recordings.record_targets(
            spool, plan.targets, study.env_spec, expert_of(study), seed=plan.recipe.seed, workers=workers_of(study),
            on_progress=lambda done, total: update(done),
        )  # fmt: skip
        if form == "robomimic":
            # All are to be learned from: the policy is checked by rollouts, not on a tenth of what was paid for.
            counts = robomimic.write(path, recorded, study.env_spec, study.env.instruction, valid=0.0)
        else:
            robot = study.env_spec.arguments.get("robot")
            with files.folder(path) as draft:
                counts = lerobot.write(draft, recorded, study.env.instruction, rate=rate_of(study.env), robot=robot)
    files.write_text(note, json.dumps(counts, indent=2) + "\n")
    recordings.forget(spool)
    return Exported(path, counts, directory)


def _card(study: Study, found: Repair, plan: Plan, directory: Path, original: str | Path | None) -> None:
    recipe = plan.recipe
    targeted = found.targeted
    under = f"{len(found.targets)} variations" if found.targets else "random variations of the whole space"
    mixed = "none"
    if found.original is not None:
        mixed = f"{recipe.share:.0%} of each batch from {found.original.file}"
        if learned_from(study.policy_spec, Demonstrations.load(Path(found.original.file))) is False:
            mixed += ", which are like those that it learned from and not the same"
        if any(directory.glob(f"**/{PICTURED}")):
            mixed += f"; these as the targets look, too ({PICTURED})"
    done = found.rounds_made or recipe.rounds
    rounds = f"rounds {done}" if done == recipe.rounds else f"rounds {done} of {recipe.rounds}, as nothing failed then"
    steps = sum(mending.steps_of(study.policy_spec, recipe.part(number)) for number in range(done))
    means = f"mode {recipe.mode}, {rounds}, at most {recipe.looks} further looks each"
    if recipe.broad:
        means += f", {recipe.broad:.0%} of them of the whole space"
    if recipe.corrections:
        means += ", begun by the policy itself"
    if recipe.widen > 1:
        means += f", its eye {recipe.widen} times as wide"
    facts = [
        ("begun from", f"{study.policy_spec.arguments.get('checkpoint')} (fingerprint {found.before.fingerprint})"),
        ("demonstrations", f"{targeted.demonstrations if targeted else 0} under {under}, {means}"),
        ("rows", str(targeted.steps if targeted else 0)),
        ("original data", mixed),
        ("training", f"{steps} steps, learning rate {recipe.learning_rate:g}, seed {recipe.seed}"),
        ("measured on", f"reset seeds from {found.seeds[0]}, each variation on its own; all in `../{RESULT}`"),
    ]
    words = [
        "faultfield", "repair", str(study.directory), "--budget-episodes", str(recipe.budget), "--mode", recipe.mode,
        "--per-variation", str(recipe.least), "--steps", str(recipe.steps), "--learning-rate",
        f"{recipe.learning_rate:g}", "--share", f"{recipe.share:g}", "--rounds", str(recipe.rounds), "--looks",
        str(recipe.looks), *(["--broad", f"{recipe.broad:g}"] if recipe.broad else []),
        *(["--corrections"] if recipe.corrections else []),
        *(["--widen", str(recipe.widen)] if recipe.widen > 1 else []), "--seed", str(recipe.seed),
        *(["--weights", json.dumps(dict(recipe.weights))] if recipe.weights else []),
        *(["--original", str(original)] if original is not None else []),
        *(["--out", str(directory)] if directory != place(study, recipe) else []),
    ]  # fmt: skip
    command = shlex.join(words)
    mending.write_card(directory / CHECKPOINT, f"{study.name}, mended", facts, statement(found), command)
