"""Let a detector watch a study's episodes; its verdicts go into the ledger, where the report finds them."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.detector.data import Sample
from faultfield.detector.evaluation import Detector, judge
from faultfield.detector.retake import Again, Shoot
from faultfield.detector.views import Viewer
from faultfield.errors import StudyError
from faultfield.faults import collage
from faultfield.faults.llava import Problem
from faultfield.faults.record import CanPicture
from faultfield.rollouts.clip import CAMERAS, Clip, episode_id
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.pool import JOBS_WORTH_A_WORKER, cores
from faultfield.rollouts.processes import Processes
from faultfield.rollouts.specs import EnvSpec
from faultfield.rollouts.verdict import Verdict
from faultfield.rollouts.worker import Setting
from faultfield.study import controls
from faultfield.study.directory import Study
from faultfield.study.export import rate_of
from faultfield.study.progress import Progress
from faultfield.variations import Variation

WORKER = "faultfield.detector.retake:Retaker"


@dataclass(frozen=True)
class Selection:
    """Which episodes are judged.

    Attributes:
        variations: Only under these, each by its factors' values; under all of them where it is empty.
        stages: Only of these stages of the ledger; where it is empty, all episodes of the policy under test.
        failed_only: Only those that the simulator counted as failures.
        limit: At most so many, from every variation by turns.
    """

    variations: tuple[Mapping[str, Any], ...] = ()
    stages: tuple[str, ...] = ()
    failed_only: bool = False
    limit: int | None = None


@dataclass(frozen=True)
class Explained:
    """What a detector said of a study's episodes.

    Attributes:
        verdicts: By the episode's name, in the ledger's order; those of earlier calls among them.
        added: How many of them are new.
        problems: Episodes that could not be judged, a sentence each.
    """

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    added: int = 0
    problems: tuple[Problem, ...] = ()


def explain(
    study: Study,
    detector: Detector,
    fingerprint: str,
    viewer: Viewer,
    progress: Progress,
    *,
    selection: Selection | None = None,
    instruction: str | None = None,
    batch: int = 8,
) -> Explained:
    """Judge a study's episodes, each once: what this detector has judged before is read from the ledger.

    Killed at any moment and called again, it goes on where it stopped, a batch at most being lost. Where the
    environment can picture its states, an episode is rolled out once more and shown as the detector was trained to see
    it; one that does not end as it did is left out. Elsewhere the stored video is shown; without one, the episode is
    rolled out once more as the policy's own camera saw it.

    Args:
        study: Whose ledger, policies and environment.
        detector: What judges.
        fingerprint: Of the detector and its settings.
        viewer: How the detector sees a clip.
        progress: Shows how far it is.
        selection: Which episodes; all of the policy under test by default.
        instruction: What the robot was asked to do, over what the environment says.
        batch: Episodes judged, and added to the ledger, at once.

    Raises:
        StudyError: No episode is like that.
        VariationError: An unknown factor or a value out of range.
        LedgerError: The ledger cannot be used.
    """
    chosen = select(study, selection or Selection())
    known = study.ledger.verdicts(fingerprint)
    lacking = [episode for episode in chosen if episode.key not in known]
    problems: list[Problem] = []
    added = 0
    if lacking:
        asked = study.env.instruction if instruction is None else instruction
        keys = {episode_id(episode): episode.key for episode in lacking}
        with progress.task("Episodes", len(chosen)) as update:
            update(len(chosen) - len(lacking))
            watched = _watch(study, lacking, viewer, asked)
            while shots := list(islice(watched, batch)):
                clips = [each for each in shots if isinstance(each, Clip)]
                problems += [each for each in shots if isinstance(each, Problem)]
                found = judge(detector, [Sample(clip.id, asked, given=clip) for clip in clips], batch)
                problems += found.problems
                shown = {keys[clip.id]: _picture(clip) for clip in clips if clip.id in found.verdicts}
                study.ledger.add_verdicts(
                    fingerprint, {keys[name]: verdict for name, verdict in found.verdicts.items()}, shown
                )
                added += len(found.verdicts)
                update(len(chosen) - len(lacking) + added + len(problems))
        known = study.ledger.verdicts(fingerprint)
    verdicts = {episode_id(episode): known[episode.key] for episode in chosen if episode.key in known}
    return Explained(verdicts, added, tuple(problems))


def select(study: Study, selection: Selection) -> list[Episode]:
    """The episodes of a study that are to be judged, in the ledger's order, without their pictures.

    Raises:
        StudyError: There is none.
        VariationError: An unknown factor or a value out of range.
    """
    policy = None if selection.stages else study.identity["policy"]
    variations = {study.space.variation(values) for values in selection.variations}
    found = [
        episode
        for episode in study.ledger.iterate(policy=policy, load="none")
        if (not selection.stages or episode.stage in selection.stages)
        and (not variations or episode.variation in variations)
        and not (selection.failed_only and episode.success)
    ]
    if not found:
        there = ", ".join(study.ledger.stages()) or "none"
        raise StudyError(
            f"The study '{study.directory}' has no episode of the kind asked for; its ledger has the stages {there}."
        )
    if selection.limit is None:
        return found
    groups: dict[Variation, list[Episode]] = defaultdict(list)
    for episode in found:
        groups[episode.variation].append(episode)
    turns = [episode for turn in zip_longest(*groups.values()) for episode in turn if episode is not None]
    wanted = {episode.key for episode in turns[: selection.limit]}
    return [episode for episode in found if episode.key in wanted]


def _picture(clip: Clip) -> NDArray[np.uint8]:
    """A collage for people, without rows and columns that would be empty."""
    few = clip.spread(collage.COLUMNS)
    return collage.make(few.frames, columns=len(few), cameras=[name for name in CAMERAS if name in few.frames])


def _watch(study: Study, episodes: Sequence[Episode], viewer: Viewer, instruction: str) -> Iterator[Clip | Problem]:
    """The episodes as the detector is shown them."""
    settings = _settings(study)
    pictured = isinstance(study.env, CanPicture)
    again: dict[tuple[str, str], list[Again]] = defaultdict(list)
    for episode in episodes:
        who = (episode.policy, episode.environment)
        if study.ledger.has(episode.key, video=True) and not (pictured and who in settings):
            stored = study.ledger.episode(episode.key, load="all")
            assert stored is not None
            yield Clip.of_episode(stored, instruction, rate=rate_of(study.env))
        elif who in settings:
            again[who].append(Again.of(episode))
        else:
            yield Problem(
                episode_id(episode),
                f"The episode {episode_id(episode)} has no video, and the study no longer names the policy and the "
                "environment that it is of.",
            )
    processes: Processes[Clip | Problem] = Processes(_workers(study, len(episodes)), WORKER)
    try:
        for who, jobs in again.items():
            yield from processes.run(jobs, Shoot.of(settings[who], instruction, viewer))
    finally:
        processes.close()


def _workers(study: Study, episodes: int) -> int:
    """Processes that roll out: as many as the study says, and no more than are worth their start."""
    most = cores() if study.count == "auto" else study.count
    return max(1, min(most, episodes // JOBS_WORTH_A_WORKER))


def _settings(study: Study) -> dict[tuple[str, str], Setting]:
    """Who acts where in a study, by the fingerprints of policy and environment: the policy under test, the controls."""
    found = [Setting.of(study.env_spec, study.policy_spec)]
    aside = EnvSpec(study.env_spec.type, {**study.env_spec.arguments, **study.config.controls.environment})
    for role in ("expert", "blind"):
        if controls.plugin(study, role) is not None:
            found.append(Setting.of(aside, controls.policy_spec(study, role)))
    return {(each.policy_id, each.env_id): each for each in found}
