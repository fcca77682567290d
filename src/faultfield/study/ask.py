"""Anybody's question to a study: what would happen under these variations, and what does happen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faultfield.errors import StudyError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.outcomes import outcomes
from faultfield.rollouts.scenes import BEYOND
from faultfield.study import controls, stages
from faultfield.study.config import read_variations
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.study.ranking import chosen_estimator, make_estimator
from faultfield.study.seeds import ASKED_SEED, VERIFY_SEED
from faultfield.variations import Variation


def predict(
    study: Study, variations: Path | Sequence[Variation], *, estimator: str | None = None
) -> list[dict[str, Any]]:
    """Failure probability, interval and support of each variation, in their order; no rollouts.

    Args:
        study: A study that was diagnosed, or at least fitted when `estimator` is named.
        variations: A YAML file, or variations.
        estimator: By name or `module:Class`; by default what the diagnosis chose.

    Raises:
        StudyError: The study was not diagnosed, or the file is wrong.
        VariationError: An unknown factor or a value out of range.
        LedgerError: There are no episodes.
    """
    asked = read_variations(variations, study.space) if isinstance(variations, Path) else list(variations)
    name = estimator or chosen_estimator(study)
    model = make_estimator(study, name, stages.make_views(study)).fit(stages.evidence(study))
    estimates = model.estimate(asked)
    return [
        {
            "variation": variation.to_json(),
            "text": variation.text,
            "failure_probability": float(estimates.mean[i]),
            "low": float(estimates.low[i]),
            "high": float(estimates.high[i]),
            "support": float(estimates.support[i]),
        }
        for i, variation in enumerate(asked)
    ]


def roll_out(
    study: Study,
    variations: Path | Sequence[Variation],
    *,
    episodes: int,
    seed: int | None = None,
    keep: bool,
    role: str,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Roll each variation out and count.

    Args:
        study: Whose policy and environment.
        variations: A YAML file, or variations.
        episodes: Of each variation.
        seed: Episode i is reset with `seed + i`; by default the study's + `ASKED_SEED`.
        keep: Add the policy's episodes to the study's ledger, from which the next `fit` and `predict` learn.
        role: `policy`, `expert` or `blind`.
        progress: Shows how far it is.

    Raises:
        StudyError: The study has no such control, the file is wrong, or what is judged on would be learned from.
        VariationError: An unknown factor or a value out of range.
        PolicyError, EnvError: The policy or the environment broke.
    """
    asked = read_variations(variations, study.space) if isinstance(variations, Path) else list(variations)
    if role not in ("policy", "expert", "blind"):
        raise StudyError(f"The role must be policy, expert or blind, not '{role}'.")
    if role != "policy":
        controls.policy_spec(study, role)
    if keep and role != "policy":
        raise StudyError("Only the policy's own episodes can be kept; leave --keep out.")
    first = study.config.rollouts.seed
    begun = first + ASKED_SEED if seed is None else seed
    seeds = range(begun, begun + episodes)
    if keep and not (seeds.stop <= first + VERIFY_SEED or first + ASKED_SEED <= begun < seeds.stop <= first + BEYOND):
        raise StudyError(
            f"What is kept is learned from, which scenes of verifications, hunts and repairs are not for: take seeds "
            f"from {first + ASKED_SEED} to {first + BEYOND - 1}, or below {first + VERIFY_SEED}."
        )
    unique = list(dict.fromkeys(asked))
    # What is not kept for learning has a ledger of its own, so that a long check goes on after a kill too.
    ledger = study.ledger if keep else Ledger(study.directory / "checks", create=True)
    if role == "policy":
        stages.roll_out(study, ledger, "Rolling out", unique, "check", seeds, progress)
        rolled = ledger.episodes(None, study.identity["policy"], study.identity["environment"], load="none")
    else:
        stages.roll_out_control(study, ledger, role, unique, seeds, progress)
        rolled = controls.episodes(study, role, ledger)
    found = _counted([e for e in rolled if e.variation in unique and e.seed in seeds])
    return [{"variation": v.to_json(), "text": v.text, **found[v.key]} for v in asked]


def _counted(episodes: Sequence[Episode]) -> dict[str, dict[str, Any]]:
    rows = {}
    for outcome in outcomes(episodes):
        low, high = outcome.interval()
        rows[outcome.variation.key] = {
            "episodes": outcome.episodes, "failures": outcome.failures, "failure_rate": outcome.rate, "low": low,
            "high": high,
        }  # fmt: skip
    return rows
