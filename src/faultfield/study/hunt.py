"""A budget of real rollouts, spent on finding different failures: propose, roll out, learn, search again."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from faultfield.diagnosis.controls import Feasibility, feasibility, teachable
from faultfield.errors import StudyError
from faultfield.rollouts.collect import collect as run_jobs
from faultfield.rollouts.episode import Episode, Key
from faultfield.rollouts.intervals import wilson
from faultfield.rollouts.outcomes import Outcome, outcomes
from faultfield.rollouts.scenes import MOST, own_scenes
from faultfield.rollouts.worker import Job
from faultfield.search.campaign import Campaign, Find, Trial
from faultfield.search.verification import Verification
from faultfield.study import controls, stages
from faultfield.study.beginnings import begun_with
from faultfield.study.directory import Study
from faultfield.study.progress import Progress, Silent
from faultfield.study.seeds import HUNT_SEED
from faultfield.study.strategies import OURS, Wanted
from faultfield.variations import Variation
from faultfield.variations.cells import cell_of


@dataclass(frozen=True)
class Hunted:
    """What a hunt found.

    Attributes:
        strategy: By name.
        nominal: Failures and episodes under nominal conditions.
        bound: Upper Wilson bound (95 %) of the nominal failure rate.
        rollouts: How many were spent.
        tried: Under how many variations.
        finds: Verified failures, in the order in which they were verified.
        cells: The cell of each.
        feasible: What the expert could do under each.
        confirmed: Of each find, what further episodes on other scenes gave; empty where none were asked for.
    """

    strategy: str
    nominal: tuple[int, int]
    bound: float
    rollouts: int
    tried: int
    finds: list[Find]
    cells: list[str]
    feasible: list[Feasibility]
    confirmed: list[Outcome] = field(default_factory=list)

    @property
    def distinct(self) -> int:
        """Cells with a verified failure that the expert does not share."""
        return len({cell for cell, f in zip(self.cells, self.feasible, strict=True) if not f.infeasible})

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        rows = []
        for find, cell, judged in zip(self.finds, self.cells, self.feasible, strict=True):
            low, high = wilson(find.failures, find.episodes)
            rows.append({
                "variation": find.variation.to_json(), "text": find.variation.text, "cell": cell,
                "failures": find.failures, "episodes": find.episodes, "low": low, "high": high,
                "rollouts": find.rollouts, "infeasible": judged.infeasible,
            })  # fmt: skip
        for row, fresh in zip(rows, self.confirmed, strict=False):
            low, high = fresh.interval()
            row["confirmed"] = {"failures": fresh.failures, "episodes": fresh.episodes, "low": low, "high": high}
        failures, episodes = self.nominal
        return {
            "strategy": self.strategy, "rollouts": self.rollouts, "variations": self.tried, "distinct": self.distinct,
            "nominal": {"failures": failures, "episodes": episodes, "high": self.bound}, "found": rows,
        }  # fmt: skip


def hunt(
    study: Study,
    *,
    budget: int,
    progress: Progress,
    strategy: str = OURS,
    batch: int = 4,
    failures: int = 2,
    patience: int = 1,
    estimator: str | None = None,
    with_probe: bool = False,
    confirm: int = 0,
    order: int | None = None,
) -> Hunted:
    """Spend `budget` real rollouts on finding failures, as many different ones as possible.

    The nominal variation is rolled out first where the ledger lacks it; that, and what the study rolled out before,
    costs nothing here. Nor does the expert, which is rolled out under each failure as soon as it is verified: one that
    it shares is no weakness, and the strategy is told to look elsewhere. Episodes go to the ledger under the stage
    `hunt`. Killed and called again with the same settings, the hunt is played again from the ledger up to where it
    stopped; with a larger budget it goes on.

    What a find counts is too high, and its interval too narrow: it was rolled out until it had failed often enough.
    `confirm` rolls each find out again on scenes that it has not met, a number fixed beforehand, beyond the budget.

    Args:
        study: Whose policy and environment.
        budget: Rollouts of the policy.
        progress: Shows how far it is.
        strategy: By name, or `module:Class`.
        batch: Rollouts between two updates.
        failures: Failed episodes that a verified failure rests on, as in `Verification`.
        patience: Successes ahead of failures at which a variation is left.
        estimator: For `hunt`; by default the study's, and the probe where the study leaves the choice.
        with_probe: Give the probe's features to a strategy that takes any.
        order: How many factors a proposal changes at most; by default what the strategy takes, three of ours.
        confirm: Further episodes of each find; stage `verify`, so that nothing is learned from them.

    Raises:
        StudyError: The budget is smaller than one variation, there is no such strategy, or it asks for a variation
            outside the space.
    """
    # What is plainly wrong is told before the first rollout.
    if not 0 <= confirm <= MOST // 2:
        raise StudyError(f"What is found is confirmed by 0 to {MOST // 2} episodes, not {confirm}.")
    Verification(0.0, failures, patience).check_budget(budget)
    wanted = Wanted(strategy, failures, estimator, with_probe, order)
    wanted.try_out(study)
    nominal = stages.collect_nominal(study, progress)
    failed = sum(not episode.success for episode in nominal)
    rule = Verification(wilson(failed, len(nominal))[1], failures, patience)
    known = [e for stage in ("known", "check") for e in study.ledger.episodes(stage, study.identity["policy"])]
    settings = {**asdict(wanted), "batch": batch, "patience": patience, **wanted.begun_from(study)}
    first = begun_with(study, settings, known, lambda: teachable(known, _elsewhere(study)))
    chosen = replace(wanted, failures=rule.least).build(study, nominal, first)
    campaign = Campaign(chosen, rule, budget, batch)
    feasible = _play(study, campaign, progress)
    finds = campaign.finds
    confirmed = _confirmed(study, [find.variation for find in finds], confirm, progress)
    return Hunted(
        strategy, (failed, len(nominal)), rule.bound, campaign.spent, len(campaign.counts), finds,
        [cell_of(find.variation, study.space) for find in finds], feasible, confirmed,
    )  # fmt: skip


def _elsewhere(study: Study) -> list[Episode]:
    """The expert's episodes, without those by which a hunt's finds are judged."""
    return [e for e in controls.episodes(study, "expert") if e.seed not in _judged_on(study, e.variation)]


def _play(study: Study, campaign: Campaign, progress: Progress) -> list[Feasibility]:
    """Roll out what is asked for, and say of each find, as soon as it is one, what the expert can do under it."""
    feasible: list[Feasibility] = []
    first = study.config.rollouts.seed + HUNT_SEED
    identity = study.identity["policy"], study.identity["environment"]
    found: dict[Key, Episode] = {e.key: e for e in study.ledger.episodes(None, *identity) if e.seed >= first}

    def seed(trial: Trial) -> int:
        return own_scenes(trial.variation, first, trial.index + 1)[-1]

    def key(trial: Trial) -> Key:
        return (*identity, trial.variation.key, seed(trial))

    with progress.task("Hunting", campaign.budget) as update:
        while trials := campaign.next():
            jobs = [Job(t.variation, seed(t), "hunt") for t in trials if key(t) not in found]

            before = campaign.spent + len(trials) - len(jobs)

            def keep(episode: Episode, done: int, total: int, before: int = before) -> None:
                found[episode.key] = episode
                update(before + done)

            run_jobs(study.ledger, jobs, study.env_spec, study.policy_spec, workers=study.workers, on_episode=keep)
            for trial in trials:
                # Another hunt of the same study may have rolled it out meanwhile.
                if key(trial) not in found and (other := study.ledger.episode(key(trial))) is not None:
                    found[other.key] = other
            campaign.tell([found[key(trial)] for trial in trials])
            judged = _feasible(study, campaign.finds[len(feasible) :])
            campaign.strategy.disregard([each.variation for each in judged if each.infeasible])
            feasible += judged
            update(campaign.spent)
        update(campaign.budget)
    return feasible


def _feasible(study: Study, finds: Sequence[Find]) -> list[Feasibility]:
    """What the expert can do where the policy fails; without an expert, nothing is known."""
    variations = [find.variation for find in finds]
    seeds = {v: _judged_on(study, v) for v in variations}
    for each in variations:
        # Its few episodes between two batches are part of the hunt's own bar.
        stages.roll_out_control(study, study.ledger, "expert", [each], seeds[each], Silent())
    tried = [e for e in controls.episodes(study, "expert") if e.seed in seeds.get(e.variation, ())]
    return feasibility(variations, outcomes(tried))


def _confirmed(study: Study, finds: Sequence[Variation], episodes: int, progress: Progress) -> list[Outcome]:
    """Outcomes of the finds on scenes that no hunt comes to: a variation is left after far fewer."""
    if not episodes or not finds:
        return []
    first, half = study.config.rollouts.seed + HUNT_SEED, MOST // 2
    seeds = {each: own_scenes(each, first, half + episodes)[half:] for each in finds}
    jobs = [Job(each, seed, "verify") for each in finds for seed in seeds[each]]
    with progress.task("Confirming", len(jobs)) as update:
        run_jobs(
            study.ledger, jobs, study.env_spec, study.policy_spec, workers=study.workers,
            on_episode=lambda episode, done, total: update(done),
        )  # fmt: skip
        update(len(jobs))
    rolled = study.ledger.episodes(None, study.identity["policy"], study.identity["environment"], load="none")
    found = {o.variation: o for o in outcomes([e for e in rolled if e.seed in seeds.get(e.variation, ())])}
    return [found[each] for each in finds]


def _judged_on(study: Study, variation: Variation) -> range:
    """Scenes on which the expert shows what can be done under a find."""
    return own_scenes(variation, study.config.rollouts.seed + HUNT_SEED, study.config.controls.per_variation)
