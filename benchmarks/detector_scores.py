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


EXAMPLES = 3
"""Of each way in which an answer can change."""

WAYS = ("mended", "spoiled", "changed, wrong still")
"""How the answer that is kept can differ from the first: wrong before, wrong now, or wrong both times."""


def refined(samples: Sequence[Sample], detector: Path) -> dict[str, Any]:
    """What rounds do to answers by the head (the paper's Fig. 3b): how many change and how, with a few examples.

    A reason is right if it is in all of its slots.
    """
    how = Refinement(tolerance=-math.inf, rounds=5, agreeing=False, hunch=False)
    verdicts = evaluation.judge(Refiner(checkpoint.load(detector), how), samples).verdicts
    return changes(samples, verdicts)


def changes(samples: Sequence[Sample], verdicts: Mapping[str, Verdict]) -> dict[str, Any]:
    """What `refined` tells, of verdicts that are there."""
    out: dict[str, Any] = {"episodes": len(samples)}
    for what in ("detection", "reason"):
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        for sample in samples:
            verdict = verdicts[sample.id]
            first = Verdict.of(verdict.rounds[:1], 0)
            if _said(first, what) == _said(verdict, what):
                continue
            before, after = (_right(sample, each, what) for each in (first, verdict))
            if not (before and after):
                found[WAYS[0 if after else 1 if before else 2]].append(_history(sample, verdict))
        out[what] = {
            "right at first": sum(_right(each, Verdict.of(verdicts[each.id].rounds[:1], 0), what) for each in samples),
            **{way: {"count": len(told), "examples": told[:EXAMPLES]} for way, told in found.items()},
        }
    return out


def _said(verdict: Verdict, what: str) -> object:
    return verdict.failed if what == "detection" else verdict.reason


def _right(sample: Sample, verdict: Verdict, what: str) -> bool:
    score = evaluation.score([sample], {sample.id: verdict})
    return (score.accuracy if what == "detection" else score.reason).value > 1 - 1e-9


def _history(sample: Sample, verdict: Verdict) -> dict[str, Any]:
    """An episode, what is true of it, and what each round's surest answer said."""
    return {
        "id": sample.id,
        "instruction": sample.instruction,
        "failed": sample.failed,
        "truth": sample.reason,
        "rounds": [
            {"failure_probability": round(each.failure_probability, 4), "reason": each.reason}
            for each in verdict.rounds
        ],
        "kept": verdict.reason,
    }
