"""The stages of a study up to the diagnostic policy: roll out what is known, learn the field, search it.

Each takes the study and a way to show progress, leaves its result in the study's directory, and does nothing when
its last result was made from the same inputs.
"""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.controls import teachable
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.fields import FieldBank
from faultfield.envs.base import CanObserve
from faultfield.errors import LedgerError, StudyError
from faultfield.field.encoders import build_encoder
from faultfield.field.model import Field
from faultfield.field.views import Views
from faultfield.rollouts.collect import collect as run_jobs
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.states import StateBank
from faultfield.rollouts.worker import Job
from faultfield.search.diagnostic import train_diagnostic
from faultfield.search.policy import DiagnosticPolicy
from faultfield.study import controls
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.variations import NOMINAL, Variation

EVIDENCE = ("known", "check", "hunt")
"""Stages of the ledger that may be learned from: what was rolled out to learn, what the user added with --keep, and
what a hunt tried."""


STATES = "states.npz"
"""File of the states that the probe asks at."""

_FIELD, _DIAGNOSTIC = "field", "diagnostic"
_MADE = {"fit": (STATES, f"{_FIELD}/field.json"), "search": (f"{_DIAGNOSTIC}/policy.json",)}
"""What each stage leaves; deleted, it is made again."""


def has_views(study: Study) -> bool:
    """Whether variations never tried can be pictured: probe, field and diagnostic policy stand on that."""
    return isinstance(study.env, CanObserve)


def collect(study: Study, progress: Progress) -> None:
    """Roll out the nominal and the known variations, and the controls; only what the ledger lacks."""
    settings = study.config.rollouts
    seeds = range(settings.seed, settings.seed + settings.per_variation)
    jobs = _nominal_jobs(study)
    jobs += [Job(variation, seed, "known") for variation in study.known for seed in seeds]
    _run(study, study.ledger, "Known variations", jobs, study.env_spec, study.policy_spec, progress)
    for role in ("expert", "blind"):
        seeds = range(settings.seed, settings.seed + study.config.controls.per_variation)
        roll_out_control(study, study.ledger, role, [NOMINAL, *study.known], seeds, progress)


def collect_nominal(study: Study, progress: Progress) -> list[Episode]:
    """Roll out the nominal variation alone, as far as the ledger lacks it; its episodes with their trajectories.

    Raises:
        StudyError: The policy succeeds in none.
    """
    _run(study, study.ledger, "Nominal", _nominal_jobs(study), study.env_spec, study.policy_spec, progress)
    return _nominal_episodes(study)


def _nominal_episodes(study: Study) -> list[Episode]:
    """Those on the study's own seeds, whatever they were rolled out for: what was kept of a check counts as well."""
    who, where = study.identity["policy"], study.identity["environment"]
    keys = [(who, where, NOMINAL.key, job.seed) for job in _nominal_jobs(study)]
    rolled = [e for e in (study.ledger.episode(key, load="all") for key in keys) if e is not None]
    if rolled and not any(episode.success for episode in rolled):
        raise StudyError(
            f"The policy fails in all {len(rolled)} nominal episodes, so that no variation can be blamed for a failure;"
            " check its checkpoint, and the camera and the size of the environment's pictures."
        )
    return rolled


def roll_out(
    study: Study,
    ledger: Ledger,
    name: str,
    variations: Sequence[Variation],
    stage: str,
    seeds: range,
    progress: Progress,
) -> None:
    """Roll the policy under test out under each variation and seed; only what the ledger lacks.

    Args:
        study: Whose policy and environment.
        ledger: Where the episodes go.
        name: Of the task, for whoever watches.
        variations: Each is rolled out with every seed.
        stage: Under which the episodes are filed.
        seeds: Of the resets.
        progress: Shows how far it is.
    """
    jobs = [Job(variation, seed, stage) for variation in variations for seed in seeds]
    _run(study, ledger, name, jobs, study.env_spec, study.policy_spec, progress)


def roll_out_control(
    study: Study,
    ledger: Ledger,
    role: str,
    variations: Sequence[Variation],
    seeds: range,
    progress: Progress,
) -> bool:
    """Roll out the `expert` or `blind` control under each variation, where the study has one; says whether it has."""
    if controls.plugin(study, role) is None:
        return False
    jobs = [Job(variation, seed, role) for variation in variations for seed in seeds]
    name, who = f"The {role} as a control", controls.policy_spec(study, role)
    _run(study, ledger, name, jobs, controls.env_spec(study), who, progress)
    return True


def fit(study: Study, progress: Progress) -> None:
    """Choose the states that the probe asks at, and learn the field.

    Raises:
        LedgerError: Nothing was collected yet.
        StudyError: The environment cannot picture variations.
    """
    _check_views(study)
    episodes = evidence(study)
    stamp = fit_stamp(study, episodes)
    if study.is_done("fit", stamp, *_MADE["fit"]):
        return
    study.begin("fit")
    StateBank.choose(_nominal_episodes(study)).save(study.directory / STATES)
    with progress.task("Learning the field", 1) as update:
        make_bank(study, make_views(study)).field(episodes).save(study.directory / _FIELD)
        update(1)
    study.mark_done("fit", stamp)


def search(study: Study, progress: Progress) -> None:
    """Train the diagnostic policy in the virtual MDP on the field; no rollouts.

    Raises:
        LedgerError: Nothing was collected yet.
        StudyError: The field was not made of what is there now, or the environment cannot picture variations.
    """
    _check_views(study)
    episodes = evidence(study)
    stamp = search_stamp(study, episodes)
    if study.is_done("search", stamp, *_MADE["search"]):
        return
    _check_made(study, "fit", fit_stamp(study, episodes))
    study.begin("search")
    counts, field = Counts.of(episodes), load_field(study)
    known = embed(study, field, counts.variations)
    config = study.config.search
    with progress.task("Training the diagnostic policy", config.steps) as update:
        policy = train_diagnostic(
            known.astype(np.float32), counts.rates, config, study.config.rollouts.seed,
            lambda done, total, info: update(done), potential=field.potential(known),
        )  # fmt: skip
    policy.save(study.directory / _DIAGNOSTIC)
    study.mark_done("search", stamp)


def rolled_out(study: Study) -> list[Episode]:
    """The episodes of the policy under test that were rolled out to learn from, in the ledger's order.

    Raises:
        LedgerError: There are none yet.
    """
    policy = study.identity["policy"]
    episodes = [e for stage in EVIDENCE for e in study.ledger.episodes(stage=stage, policy=policy)]
    if not episodes:
        raise LedgerError(
            f"The ledger of {study.directory} is empty; run 'faultfield collect {study.directory}' first."
        )
    return episodes


def evidence(study: Study) -> list[Episode]:
    """What is learned from: `rolled_out` without the variations that the expert fails under too.

    It is judged by the episodes that the diagnosis shows of it.

    Raises:
        LedgerError: There are none yet.
    """
    return teachable(rolled_out(study), controls.usual_episodes(study, "expert"))


def fit_stamp(study: Study, episodes: Sequence[Episode]) -> str:
    """What the field is made from."""
    made_from = sorted((*e.key, e.success) for e in episodes)
    settings = study.config.field.model_dump()
    encoder = build_encoder(study.config.field.encoder).fingerprint
    return study.stamp("fit", episodes=made_from, field=settings, encoder=encoder, seed=study.config.rollouts.seed)


def search_stamp(study: Study, episodes: Sequence[Episode]) -> str:
    """What the diagnostic policy is made from."""
    return study.stamp("search", fit=fit_stamp(study, episodes), search=asdict(study.config.search))


def check_current(study: Study) -> None:
    """Make sure that field and diagnostic policy, if there can be any, were made from what is there now.

    Raises:
        LedgerError: Nothing was collected yet.
        StudyError: They were not, or not made at all.
    """
    episodes = evidence(study)
    if has_views(study):
        _check_made(study, "fit", fit_stamp(study, episodes))
        _check_made(study, "search", search_stamp(study, episodes))


def _check_made(study: Study, stage: str, stamp: str) -> None:
    if not study.is_done(stage, stamp, *_MADE[stage]):
        raise StudyError(
            f"{study.directory} has episodes or settings that its field or its diagnostic policy was not made "
            f"from; run 'faultfield {stage} {study.directory}' first, or 'faultfield run {study.directory}'."
        )


def _check_views(study: Study) -> None:
    if not has_views(study):
        raise StudyError(
            f"The environment '{study.env_spec.type}' has no snapshot() and observe(), so there is no field to learn "
            f"or to search; 'faultfield diagnose {study.directory}' ranks by the values of factors alone."
        )


def make_views(study: Study) -> Views:
    """What can be seen of variations without rolling them out.

    Raises:
        CheckpointError: The study was not fitted yet.
    """
    states = StateBank.load(study.directory / STATES) if has_views(study) else StateBank((), ())
    identity = "-".join(study.identity.values())
    return Views(study.env, states, study.policy, cache=study.directory / "responses.npz", identity=identity)


def make_bank(study: Study, views: Views) -> FieldBank:
    """Fits fields with the study's settings."""
    return FieldBank(views, study.config.field, study.config.rollouts.seed)


def load_field(study: Study) -> Field:
    """The field as the last `fit` left it.

    Raises:
        CheckpointError: There is none.
    """
    return Field.load(study.directory / _FIELD)


def load_diagnostic(study: Study) -> DiagnosticPolicy:
    """The diagnostic policy as the last `search` left it.

    Raises:
        CheckpointError: There is none.
    """
    return DiagnosticPolicy.load(study.directory / _DIAGNOSTIC)


def embed(study: Study, field: Field, variations: Sequence[Variation]) -> NDArray[np.float64]:
    """Embeddings of variations in the study's field, float64 (n, dim)."""
    return make_bank(study, make_views(study)).embed(field, variations)


def _nominal_jobs(study: Study) -> list[Job]:
    settings = study.config.rollouts
    seeds = range(settings.seed, settings.seed + settings.nominal)
    return [Job(NOMINAL, seed, "known", keep_trajectory=has_views(study)) for seed in seeds]


def _run(
    study: Study,
    ledger: Ledger,
    name: str,
    jobs: Sequence[Job],
    env_spec: EnvSpec,
    policy_spec: PolicySpec,
    progress: Progress,
) -> None:
    with progress.task(name, len(jobs)) as update:
        run_jobs(
            ledger, jobs, env_spec, policy_spec, workers=study.workers,
            on_episode=lambda episode, done, total: update(done),
        )  # fmt: skip
        update(len(jobs))
