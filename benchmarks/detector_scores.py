"""What is told of a detector's verdicts: scores by task, by kind of fault, by episode and by round."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield.detector import checkpoint, evaluation
from faultfield.detector.data import Sample
from faultfield.detector.refine import Refiner
from faultfield.detector.trajectories import Refinement
from faultfield.faults.claims import parse
from faultfield.rollouts.verdict import Verdict

INFERENCE_SEEDS = 4
"""Of the rounds' table, as in the paper."""


def by_task(samples: Sequence[Sample], verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """Scores of all samples, and of each task's."""
    groups = {"all": list(samples)}
    for sample in samples:
        groups.setdefault(sample.task, []).append(sample)
    return {name: evaluation.score(group, verdicts).as_json() for name, group in groups.items()}


def by_kind(samples: Sequence[Sample], verdicts: Mapping[str, Verdict]) -> dict[str, dict[str, float]]:
    """Of the failures of each kind that reasons tell of: how many, and the mean score of the reasons given."""
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        kind = parse(sample.reason).kind if sample.failed and sample.reason else None
        if kind is not None:
            groups.setdefault(kind, []).append(sample)
    return {
        kind: {"count": len(group), "reason": evaluation.score(group, verdicts).reason.value}
        for kind, group in sorted(groups.items())
    }


def by_episode(samples: Sequence[Sample], verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    """Of every sample in order, whether its detection is right, and the score of its reason; blanks between."""
    scores = [evaluation.score([sample], verdicts) for sample in samples]
    return {
        "right": " ".join(f"{each.accuracy.value:.0f}" for each in scores),
        "reason": " ".join(f"{each.reason.value:.3g}" for each in scores),
    }


def rounds(samples: Sequence[Sample], detector: Path) -> list[dict[str, Any]]:
    """The best answer after each round by the head, and the entropies of its surest, with several inference seeds.

    Eyes that judge say the same in every round: what rounds are worth shows where they do not.
    """
    model, out = checkpoint.load(detector), []
    for seed in range(INFERENCE_SEEDS):
        how = Refinement(tolerance=-math.inf, seed=seed, rounds=5, agreeing=False, hunch=False)
        verdicts = evaluation.judge(Refiner(model, how), samples).verdicts
        for number in range(how.rounds):
            upto = {key: _after(verdict, number, how) for key, verdict in verdicts.items()}
            scores = evaluation.score(samples, upto).as_json()
            entropies = {
                name: sum(getattr(each.rounds[number], name) for each in verdicts.values()) / len(verdicts)
                for name in ("detection_entropy", "reason_entropy")
            }
            out.append({"seed": seed, "round": number, **scores, **entropies})
    return out


def _after(verdict: Verdict, number: int, how: Refinement) -> Verdict:
    """What would have been answered had round `number` been the last."""
    seen = verdict.rounds[: number + 1]
    best = min(range(len(seen)), key=lambda k: seen[k].detection_entropy + how.weight * seen[k].reason_entropy)
    return Verdict.of(seen, best)
