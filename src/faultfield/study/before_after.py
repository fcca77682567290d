"""Both policies of a repair under the same variations and seeds."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from faultfield.diagnosis.context import PolicyInfo
from faultfield.errors import StudyError
from faultfield.policies.demonstrations import Demonstrations
from faultfield.repair.plan import Plan
from faultfield.repair.result import DataSet, Repair, TargetEntry, compared, measured
from faultfield.repair.targets import Group, Suspect
from faultfield.report.repair import write_repair_page
from faultfield.rollouts.collect import collect
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.specs import PolicySpec
from faultfield.rollouts.worker import Job
from faultfield.study.assemble import versions
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.variations import NOMINAL, Variation

REPAIR_SEED = 300_000
"""Added to the study's seed: a comparison sees no scene that anything was learned from, verified or hunted on."""

CHECK_SEED, CHECKED = REPAIR_SEED + 50_000, 3
"""Added to the study's seed for what is rolled out between two rounds of a repair, and how many episodes of each
variation that is: no scene of the comparison is among them."""

_PLACES, _STRIDE = 490, 100
"""How many sets of scenes there are, and how far apart: below what is looked at between rounds."""

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
    """

    episodes: int = 10
    nominal: int = 50
    scenes: int = REPAIR_SEED
    variations: tuple[Variation, ...] | None = None

    def __post_init__(self) -> None:
        if self.scenes < REPAIR_SEED:
            raise StudyError(
                f"The scenes of a comparison are counted from {REPAIR_SEED} up, not from {self.scenes}: those below "
                "are what the study learned from, verified or hunted on."
            )
        reach = (_PLACES - 1) * _STRIDE + max(self.episodes, self.nominal)
        if CHECK_SEED - reach < self.scenes < CHECK_SEED + CHECKED:
            raise StudyError(f"The scenes from {CHECK_SEED} are looked at between the rounds of a repair; take others.")
        if min(self.episodes, self.nominal) < 1:
            raise StudyError("A comparison takes at least one episode a variation and one nominal.")
        if self.variations is not None and all(variation.is_nominal for variation in self.variations):
            raise StudyError("There is no variation to compare under but the nominal one.")

    def seeds(self, variation: Variation, first: int) -> range:
        """Reset seeds of both policies under a variation, which depend on nothing else.

        Args:
            variation: Any.
            first: Of the whole comparison.
        """
        count = self.nominal if variation.is_nominal else self.episodes
        place = 0 if variation.is_nominal else 1 + zlib.crc32(variation.key.encode()) % (_PLACES - 1)
        return range(first + place * _STRIDE, first + place * _STRIDE + count)

    def groups(self, pool: Sequence[Suspect]) -> dict[Variation, Group]:
        """The group of each variation compared on; one that was not diagnosed was never rolled out before."""
        diagnosed: dict[Variation, Group] = {one.variation: one.group for one in pool}
        if self.variations is None:
            return diagnosed
        return {one: diagnosed.get(one, "unseen") for one in self.variations if not one.is_nominal}


def before_and_after(
    study: Study,
    after: PolicySpec,
    pool: list[Suspect],
    plan: Plan | None,
    directory: Path,
    comparing: Comparing,
    progress: Progress,
    data: tuple[Path | None, Path | None],
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
        data: Files of the new and of the original demonstrations, where there are any.
    """
    shown = {t.variation: t.episodes for t in plan.targets} if plan is not None else {}
    variations: list[tuple[Variation, Literal["known", "unseen", "nominal"], int]] = [(NOMINAL, "nominal", 0)]
    variations += [(each, group, shown.get(each, 0)) for each, group in comparing.groups(pool).items()]
    first = study.config.rollouts.seed + comparing.scenes
    jobs = [Job(each, seed, "repair") for each, *_ in variations for seed in comparing.seeds(each, first)]
    with Ledger(study.directory / REPAIRS / "ledger", create=True) as ledger:
        before = rolled(study, ledger, jobs, study.policy_spec, "Before", progress)
        mended = rolled(study, ledger, jobs, after, "After", progress)
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


def _info(spec: PolicySpec) -> PolicyInfo:
    return PolicyInfo(type=spec.type, fingerprint=spec.fingerprint, arguments=dict(spec.arguments))


def _data(path: Path | None) -> DataSet | None:
    if path is None:
        return None
    demos = Demonstrations.load(path)
    return DataSet(file=str(path), demonstrations=demos.count, steps=len(demos), bytes=path.stat().st_size)
