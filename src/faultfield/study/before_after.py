"""Both policies of a repair under the same variations and seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from faultfield.diagnosis.context import PolicyInfo
from faultfield.diagnosis.entries import Known, Ranked
from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.policies.demonstrations import Demonstrations
from faultfield.repair.plan import OF_THE_CHOICE, Plan
from faultfield.repair.result import APART, DataSet, Repair, RowGroup, TargetEntry, compared, measured
from faultfield.repair.targets import Suspect
from faultfield.report.repair import write_repair_page
from faultfield.rollouts.collect import collect
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.scenes import BEYOND, MOST, own_scenes
from faultfield.rollouts.specs import PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.search.sobol import SobolSearch
from faultfield.study.assemble import versions
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.study.seeds import CHECK_SEED, CHECKED, REPAIR_SEED, SEEDS
from faultfield.variations import NOMINAL, Variation, VariationSpace

REPAIRS = "repairs"
"""Folder of a study in which its repairs lie, with the ledger that they share."""

RESULT, PAGE = "repair.json", "repair.html"


@dataclass(frozen=True)
class Comparing:
    """How much is rolled out to compare.

    Attributes:
        episodes: For each variation, before and after.
        nominal: With nothing changed, before and after.
        scenes: Reset seeds of both policies, from the study's seed + this: others show whether what was chosen on some
            scenes holds. Each variation has scenes of its own: one that is hard for a policy decides nothing.
        variations: Under which both are compared; None for all of the diagnosis that the expert can solve.
        elsewhere: Variations of one or two factors, drawn from the whole space, that nobody diagnosed, one episode
            each: what a policy forgets, it forgets where nobody looked. Whether the expert can solve them is not known.
            Fewer where the space has no more.
    """

    episodes: int = 10
    nominal: int = 50
    scenes: int = REPAIR_SEED
    variations: tuple[Variation, ...] | None = None
    elsewhere: int = 100

    def __post_init__(self) -> None:
        if self.scenes < REPAIR_SEED:
            raise StudyError(
                f"The scenes of a comparison are counted from {REPAIR_SEED} up, not from {self.scenes}: those below "
                "are what the study learned from, verified or hunted on."
            )
        most = max(self.episodes, self.nominal)
        if CHECK_SEED - most < self.scenes < CHECK_SEED + CHECKED:
            raise StudyError(
                f"The scenes from {CHECK_SEED} are looked at between the rounds of a repair; count those of the "
                f"comparison from {REPAIR_SEED} to {CHECK_SEED - most}, or from {CHECK_SEED + CHECKED} up."
            )
        if most > MOST or self.scenes >= BEYOND - SEEDS:
            raise StudyError(
                f"A comparison has at most {MOST} scenes of a variation, not {most}, counted from below "
                f"{BEYOND - SEEDS}, not from {self.scenes}."
            )
        if min(self.episodes, self.nominal) < 1 or self.elsewhere < 0:
            raise StudyError(
                "A comparison takes at least one episode a variation and one nominal, and 0 or more variations from "
                "elsewhere."
            )
        if self.variations is not None and all(variation.is_nominal for variation in self.variations):
            raise StudyError("There is no variation to compare under but the nominal one.")

    def seeds(self, variation: Variation, group: RowGroup, first: int) -> range:
        """Reset seeds of both policies under a variation, whichever others there are.

        Args:
            variation: Any.
            group: That it belongs to, by which it has its number of episodes.
            first: Of the whole comparison.
        """
        count = {"nominal": self.nominal, "elsewhere": 1}.get(group, self.episodes)
        return own_scenes(variation, first, count)

    def groups(
        self, pool: Sequence[Suspect], tried: Mapping[Variation, RowGroup], space: VariationSpace, first: int
    ) -> dict[Variation, RowGroup]:
        """The group of each variation compared on, nominal first; one that was asked for and not diagnosed is unseen.

        Args:
            pool: What was diagnosed and the expert can solve.
            tried: All that was diagnosed, by its group.
            space: From which those elsewhere are drawn.
            first: Reset seed of the whole comparison: other scenes are of other variations elsewhere.
        """
        solvable: dict[Variation, RowGroup] = {one.variation: one.group for one in pool}
        asked = solvable if self.variations is None else self.variations
        told: dict[Variation, RowGroup] = {NOMINAL: "nominal"}
        told |= {one: solvable.get(one, tried.get(one, "unseen")) for one in asked if not one.is_nominal}
        taken = {*tried, *told}
        if self.elsewhere:
            drawn = SobolSearch(space, first, order=2).ask(self.elsewhere + len(taken))
            left = [one for one in dict.fromkeys(drawn) if one not in taken]
            told |= dict.fromkeys(left[: self.elsewhere], "elsewhere")
        return told


def before_and_after(
    study: Study,
    after: PolicySpec,
    pool: list[Suspect],
    plan: Plan | None,
    directory: Path,
    comparing: Comparing,
    progress: Progress,
    data: tuple[Path | None, Path | None] = (None, None),
    rounds: int | None = None,
) -> Repair:
    """Roll out both policies under the same variations and seeds, and write `repair.json` and `repair.html`.

    Args:
        study: Whose policy is the one before.
        after: The mended policy.
        pool: The variations that were diagnosed.
        plan: What was demonstrated; None where nothing was planned here.
        directory: Where the results are written.
        comparing: How much is rolled out.
        progress: Shows how far it is.
        data: Files of the new and of the original demonstrations, where it was mended here.
        rounds: In how many that was done; None where it was mended elsewhere, by means that nobody told.

    Raises:
        StudyError: Nothing was diagnosed that the expert can solve, and nothing else is to be compared on.
    """
    shown = {t.variation: t.episodes for t in plan.targets} if plan is not None else {}
    first = study.config.rollouts.seed + comparing.scenes
    diagnosis = diagnosis_of(study)
    told = comparing.groups(pool, _diagnosed(diagnosis, study.space), study.space, first)
    if not any(group not in APART for group in told.values()):
        raise StudyError(
            f"The diagnosis of {study.directory} has no variation that the expert can solve; say under which both "
            "policies are compared: --variations FILE."
        )
    variations = [(each, group, shown.get(each, 0)) for each, group in told.items()]
    jobs = [Job(each, seed, "repair") for each, group, _ in variations for seed in comparing.seeds(each, group, first)]
    with Ledger(study.directory / REPAIRS / "ledger", create=True) as ledger:
        before = rolled(study, ledger, jobs, study.policy_spec, "Before", progress)
        mended = rolled(study, ledger, jobs, after, "After", progress)
    groups, rows = compared(variations, before, mended)
    targets = plan.targets if plan is not None else ()
    settings = None if plan is None else plan.to_json()["recipe"]
    if settings is not None and rounds is None:
        settings = {name: settings[name] for name in OF_THE_CHOICE}
    said = _reasons(diagnosis, study.space)
    found = Repair(
        created=datetime.now(UTC).isoformat(timespec="seconds"), study=study.name, instruction=study.env.instruction,
        before=_info(study.policy_spec), after=_info(after),
        settings=settings, rounds_made=rounds,
        targets=[
            TargetEntry(
                variation=t.variation.to_json(), text=t.variation.text, group=t.suspect.group,
                failure=t.suspect.failure, weight=t.suspect.weight, episodes=t.episodes,
                reason=said.get(t.variation),
            )
            for t in targets
        ],
        targeted=_data(data[0]), original=_data(data[1]), seeds=(first, comparing.episodes), groups=groups, rows=rows,
        measures_before=measured(rows, "before"), measures_after=measured(rows, "after"), versions=versions(),
    )  # fmt: skip
    found.write(directory / RESULT)
    write_repair_page(found, directory / PAGE)
    return found


def rolled(
    study: Study, ledger: Ledger, jobs: list[Job], spec: PolicySpec, name: str, progress: Progress
) -> list[Episode]:
    """The episodes of these jobs by a policy, rolled out where the ledger of the repairs lacks them."""
    with progress.task(name, len(jobs)) as update:
        collect(
            ledger, jobs, study.env_spec, spec, workers=study.workers,
            on_episode=lambda episode, done, total: update(done),
        )  # fmt: skip
        update(len(jobs))
    wanted = {(job.variation, job.seed) for job in jobs}
    found = ledger.episodes(None, spec.fingerprint, study.identity["environment"], load="none")
    return [episode for episode in found if (episode.variation, episode.seed) in wanted]


def diagnosis_of(study: Study) -> Diagnosis:
    """What a study found.

    Raises:
        StudyError: It was not diagnosed.
    """
    file = study.directory / "diagnosis.json"
    if not file.exists():
        raise StudyError(f"{study.directory} was not diagnosed yet; run 'faultfield run {study.directory}' first.")
    return Diagnosis.read(file)


def _diagnosed(diagnosis: Diagnosis, space: VariationSpace) -> dict[Variation, RowGroup]:
    """The group of every variation of the diagnosis, whether the expert can solve it or not."""
    found: dict[Variation, RowGroup] = {space.variation(entry.variation): "unseen" for entry in diagnosis.ranking}
    return found | {space.variation(entry.variation): "known" for entry in diagnosis.known}


def _reasons(diagnosis: Diagnosis, space: VariationSpace) -> dict[Variation, str]:
    """What a detector said of the policy's failures, by variation."""
    entries: list[Known | Ranked] = [*diagnosis.known, *diagnosis.ranking]
    found = {}
    for entry in entries:
        if entry.verdicts is not None and entry.verdicts.reason:
            found[space.variation(entry.variation)] = entry.verdicts.reason
    return found


def _info(spec: PolicySpec) -> PolicyInfo:
    return PolicyInfo(type=spec.type, fingerprint=spec.fingerprint, arguments=dict(spec.arguments))


def _data(path: Path | None) -> DataSet | None:
    if path is None:
        return None
    demos = Demonstrations.load(path)
    return DataSet(file=str(path), demonstrations=demos.count, steps=len(demos), bytes=path.stat().st_size)
