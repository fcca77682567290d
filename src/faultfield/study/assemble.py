"""Everything that a study found, put into the one schema that the report and scripts read."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata

import numpy as np

from faultfield.diagnosis.context import EnvironmentInfo, FactorInfo, PolicyInfo, ProbeInfo, RolloutInfo, StudyInfo
from faultfield.diagnosis.controls import Feasibility, feasibility, floor
from faultfield.diagnosis.entries import Known, Ranked, Rate, Verified, ranked
from faultfield.diagnosis.measures import FAILING, entropy, failure_modes, severity
from faultfield.diagnosis.result import BlindFloor, Diagnosis, Measures, Score, Selection
from faultfield.rollouts.outcomes import Outcome, outcomes
from faultfield.rollouts.states import StateBank
from faultfield.study import controls, stages
from faultfield.study.directory import Study
from faultfield.study.landscape import field_info, field_map
from faultfield.study.ranking import Ranking

_PACKAGES = ("faultfield", "gymnasium", "mujoco", "numpy", "robosuite", "stable-baselines3", "torch")

FEW_KNOWN = 10
"""Known variations below which the intervals of predictions hold clearly less than they say (`Calibration`)."""

Counts = tuple[int, int]
"""(failures, episodes)."""


def assemble(
    study: Study, ranking: Ranking, verified: Mapping[str, Outcome], feasible: Mapping[str, Feasibility]
) -> Diagnosis:
    """The diagnosis of a study.

    Args:
        study: With its ledger, field and diagnostic policy.
        ranking: What was estimated.
        verified: Outcomes of the candidates that were rolled out, by variation key.
        feasible: What the expert could do under the candidates, by variation key.
    """
    episodes = stages.evidence(study)
    found = {o.variation.key: o for o in outcomes(stages.rolled_out(study))}
    nominal = found.pop(study.space.nominal.key)
    known = _known(study, list(found.values()), ranking)
    entries = _ranked(study, ranking, verified, feasible)
    variations = [o.variation for o in found.values()]
    pictured = stages.has_views(study)
    return Diagnosis(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        study=StudyInfo(
            name=study.name, hash=study.stamp("study", config=study.config.model_dump(mode="json")),
            command=shlex.join(["faultfield", "run", str(study.directory)]),
        ),
        policy=PolicyInfo(
            type=study.policy_spec.type, fingerprint=study.identity["policy"],
            arguments=dict(study.policy_spec.arguments),
        ),
        environment=EnvironmentInfo(
            type=study.env_spec.type, fingerprint=study.identity["environment"],
            arguments=dict(study.env_spec.arguments), instruction=study.env.instruction,
            factors=[FactorInfo.of(factor) for factor in study.space],
        ),
        versions=versions(),
        seed=study.config.rollouts.seed,
        rollouts=_rollouts(study),
        nominal=Rate.of(nominal.failures, nominal.episodes),
        known=known,
        ranking=entries,
        selection=Selection(
            estimator=ranking.estimator, reason=ranking.reason, metric="brier",
            scores=[Score(estimator=name, metrics=metrics) for name, metrics in ranking.scores.items()],
        ),
        # What was sought by a hunt, or checked and kept, tells nothing of how failures are spread.
        measures=_measures(each for each in known if not each.sought),
        floor=_floor(study, found.values()),
        field=field_info(study, episodes) if pictured else None,
        map=field_map(study, variations, [o.rate for o in found.values()], ranking) if pictured else None,
        probe=_probe(StateBank.load(study.directory / stages.STATES)) if pictured else None,
        settings=study.config.model_dump(mode="json"),
        caveats=_caveats(ranking, feasible, study, sum(each.sought for each in known)),
    )  # fmt: skip


def _known(study: Study, found: Sequence[Outcome], ranking: Ranking) -> list[Known]:
    expert, blind = _control(study, "expert"), _control(study, "blind")
    judged = {f.variation.key: f for f in feasibility([o.variation for o in found], list(expert.values()))}
    named = set(study.known)
    return [
        Known.counted(
            o.variation, o.failures, o.episodes,
            expert=_counts(expert.get(o.variation.key)), blind=_counts(blind.get(o.variation.key)),
            infeasible=bool(judged[o.variation.key].infeasible), sought=o.variation not in named,
            failure_probability=ranking.held_out.get(o.variation.key),
        )
        for o in found
    ]  # fmt: skip


def _ranked(
    study: Study, ranking: Ranking, verified: Mapping[str, Outcome], feasible: Mapping[str, Feasibility]
) -> list[Ranked]:
    entries = []
    density: Sequence[float | None] = ranking.density or [None] * len(ranking.candidates)
    for i, variation in enumerate(ranking.candidates):
        estimates, judged, outcome = ranking.estimates, feasible[variation.key], verified.get(variation.key)
        expert = _counts(judged.expert)
        hidden = [name for name in variation if not study.space.factor(name).visible]
        entries.append(
            Ranked.estimated(
                variation, estimates.mean[i], estimates.low[i], estimates.high[i], estimates.support[i],
                visible=not hidden, infeasible=judged.infeasible, density=density[i],
                verified=None if outcome is None else Verified.counted(outcome.failures, outcome.episodes, expert),
                note=_note(hidden, judged),
            )
        )  # fmt: skip
    return ranked(entries)


def _note(hidden: Sequence[str], judged: Feasibility) -> str:
    if judged.infeasible and judged.expert is not None:
        failed = f"{judged.expert.failures} of {judged.expert.episodes}"
        return f"The expert fails too ({failed}): infeasible, no weakness of the policy."
    if hidden:
        return f"No picture shows {' and '.join(hidden)}: what that does is estimated apart, or only guessed."
    return ""


def _control(study: Study, role: str) -> dict[str, Outcome]:
    """Outcomes of a control under the known variations, by variation key."""
    tried = controls.usual_episodes(study, role)
    return {o.variation.key: o for o in outcomes(tried)} if tried else {}


def _counts(outcome: Outcome | None) -> Counts | None:
    return None if outcome is None else (outcome.failures, outcome.episodes)


def _measures(known: Iterable[Known]) -> Measures | None:
    rates = np.array([entry.rate for entry in known if not entry.infeasible])
    if not len(rates) or not rates.any():
        return None
    return Measures(entropy=entropy(rates), nfm=failure_modes(rates, FAILING), fsi=severity(rates), threshold=FAILING)


def _floor(study: Study, found: Iterable[Outcome]) -> BlindFloor | None:
    named = set(study.known)
    blind = _control(study, "blind").values()
    told = floor([o for o in found if o.variation in named], list(blind))
    return None if told is None else BlindFloor.model_validate(asdict(told))


def _rollouts(study: Study) -> list[RolloutInfo]:
    infos = []
    for stage in ("known", "check", "hunt", "expert", "blind", "verify"):
        if stage in ("expert", "blind"):
            rolled = controls.episodes(study, stage)
        else:
            rolled = study.ledger.episodes(stage, study.identity["policy"], load="none")
        if rolled:
            found = outcomes(rolled)
            infos.append(
                RolloutInfo(
                    stage=stage, variations=len(found), per_variation=min(o.episodes for o in found),
                    episodes=len(rolled), seeds=sorted({e.seed for e in rolled}),
                )
            )  # fmt: skip
    return infos


def _probe(states: StateBank) -> ProbeInfo:
    phases = [moment.phase for moment in states.moments]
    return ProbeInfo(moments=len(phases), by_phase={phase: phases.count(phase) for phase in dict.fromkeys(phases)})


def versions() -> dict[str, str]:
    """The versions of the packages that results depend on, as far as they are installed."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _caveats(ranking: Ranking, feasible: Mapping[str, Feasibility], study: Study, sought: int) -> list[str]:
    lines = []
    if sought:
        lines.append(
            f"{sought} of the known variations were sought by a hunt, or checked and kept. A hunt leaves one once it "
            "has failed often enough, so its rate is too high and its interval too narrow: how many fail is counted "
            "without them, and 'faultfield rollout' gives a fresh rate."
        )
    hidden = sum(any(not study.space.factor(name).visible for name in v) for v in ranking.candidates)
    if hidden:
        lines.append(
            f"Of {len(ranking.candidates)} ranked variations, {hidden} change something that no picture shows (physics "
            "such as friction or mass). What that does is estimated apart from the rest by its values, or only guessed "
            "where few such variations were rolled out; roll them out before relying on them."
        )
    if not any(f.expert for f in feasible.values()):
        lines.append("No expert was run, so what nobody can do is not told apart from a weakness of the policy.")
    elif any(not f.certain for f in feasible.values()):
        episodes = study.config.controls.per_variation
        lines.append(f"Feasibility rests on {episodes} expert episodes a variation; near one half it is uncertain.")
    fresh = study.config.diagnosis.episodes
    lines.append(f"Intervals of predictions (90 %) are for the failure rate of {fresh} fresh episodes.")
    known = len(ranking.held_out)
    if known < FEW_KNOWN:
        lines.append(
            f"Predictions are calibrated on {known} known variations, which say little of how wrong they are: their "
            "intervals are too narrow. In simulations 79–90 % of the rates of ten fresh episodes lay inside with four "
            "known variations, 85–92 % with eight; of thirty fresh ones 69–84 % and 78–88 %."
        )
    return lines
