"""What a detector said of a study's episodes, counted by variation against the simulator, for diagnosis and report."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faultfield.diagnosis.result import DetectorInfo, Diagnosis, Verdicts
from faultfield.faults.claims import SUCCESS, Claim, parse
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.judgements import Judgement
from faultfield.study.directory import Study

Judged = tuple[Episode, Judgement]


@dataclass(frozen=True)
class Heard:
    """A study's verdicts.

    Attributes:
        detector: How far they agree with the simulator; None where there are none.
        verdicts: By variation key.
        shown: File of what the detector was shown of the episode whose reason is told, by variation key.
    """

    detector: DetectorInfo | None = None
    verdicts: dict[str, Verdicts] = field(default_factory=dict)
    shown: dict[str, Path] = field(default_factory=dict)

    def told_in(self, diagnosis: Diagnosis) -> Diagnosis:
        """The diagnosis with these verdicts in it, and no others."""
        known = [e.model_copy(update={"verdicts": self.verdicts.get(e.key)}) for e in diagnosis.known]
        ranking = [e.model_copy(update={"verdicts": self.verdicts.get(e.key)}) for e in diagnosis.ranking]
        return diagnosis.model_copy(update={"known": known, "ranking": ranking, "detector": self.detector})


def heard(study: Study) -> Heard:
    """The newest verdict on every episode of the policy under test.

    Raises:
        LedgerError: The ledger cannot be used.
    """
    judgements = study.ledger.judgements()
    if not judgements:
        return Heard()
    episodes = study.ledger.episodes(policy=study.identity["policy"], load="none")
    judged = [(episode, judgements[episode.key]) for episode in episodes if episode.key in judgements]
    if not judged:
        return Heard()
    groups: dict[str, list[Judged]] = defaultdict(list)
    for episode, judgement in judged:
        groups[episode.variation.key].append((episode, judgement))
    chosen = {key: _telling(group) for key, group in groups.items()}
    fingerprints = list(dict.fromkeys(judgement.detector for _, judgement in judged))
    return Heard(
        DetectorInfo.counted(fingerprints, **_counts(judged)),
        {key: _verdicts(group, chosen[key]) for key, group in groups.items()},
        {key: alike[0][1].shown for key, alike in chosen.items() if alike and alike[0][1].shown is not None},
    )


def _verdicts(judged: Sequence[Judged], alike: Sequence[Judged]) -> Verdicts:
    counts = _counts(judged)
    told = Verdicts(
        judged=counts["episodes"], failures=counts["failures"], found=counts["found"], alarms=counts["alarms"]
    )
    if not alike:
        return told
    episode, judgement = alike[0]
    said = judgement.verdict
    return told.model_copy(
        update={
            "reason": said.reason,
            "alike": len(alike),
            "failure_probability": said.failure_probability,
            "seed": episode.seed,
        }
    )


def _counts(judged: Sequence[Judged]) -> dict[str, int]:
    said = [(not episode.success, judgement.verdict.failed) for episode, judgement in judged]
    return {
        "episodes": len(said),
        "failures": sum(failed for failed, _ in said),
        "found": sum(failed and called for failed, called in said),
        "alarms": sum(called and not failed for failed, called in said),
    }


def _telling(judged: Sequence[Judged]) -> list[Judged]:
    """The failures that were found with the commonest claim, the surest first; of claims as common, the surer.

    A reason that names no fault explains none: it is told only where no other is.
    """
    groups: dict[Claim | str, list[Judged]] = defaultdict(list)
    for episode, judgement in judged:
        if not episode.success and judgement.verdict.failed:
            reason = judgement.verdict.reason
            claim = parse(reason)
            # Words that claim nothing that we can read are alike only if they are the same.
            groups[reason if claim == Claim() else claim].append((episode, judgement))
    for group in groups.values():
        group.sort(key=lambda each: -each[1].verdict.failure_probability)
    return max(groups.values(), key=_weight, default=[])


def _weight(alike: Sequence[Judged]) -> tuple[bool, int, float]:
    """Of reasons that claim the same: whether they name a fault, how many they are, how sure the surest is."""
    surest = alike[0][1].verdict
    return parse(surest.reason).kind not in (None, SUCCESS), len(alike), surest.failure_probability
