"""What a study's directory recorded, read without its policy: a comparison outlives the weights that it judges."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faultfield.diagnosis.mcnemar import Alternative
from faultfield.diagnosis.paired import Comparison, compare
from faultfield.errors import FaultfieldError, StudyError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.study.directory import STUDY_FILE


@dataclass(frozen=True)
class Recorded:
    """The episodes of a study's policy under test.

    Attributes:
        directory: Of the study.
        policy: Fingerprint of the policy.
        environment: Fingerprint of the environment.
        episodes: All of that policy in that environment, without their arrays.
    """

    directory: Path
    policy: str
    environment: str
    episodes: tuple[Episode, ...]

    @classmethod
    def read(cls, directory: str | Path, stages: Collection[str] = ()) -> "Recorded":
        """Read a study's directory; nothing in it changes, and neither policy nor environment is loaded.

        Args:
            directory: Of the study.
            stages: Only of these stages of the ledger; of all where there are none.

        Raises:
            StudyError: It is no study's directory, or has no such stage.
            LedgerError: It has no ledger, or a damaged one.
        """
        path = Path(directory)
        identity = _identity(path)
        with Ledger(path / "ledger") as ledger:
            found = ledger.episodes(policy=identity["policy"], environment=identity["environment"], load="none")
        here = list(dict.fromkeys(episode.stage for episode in found))
        for stage in stages:
            if stage not in here:
                known = ", ".join(here) or "none"
                raise StudyError(
                    f"The policy of {path} has no episodes of the stage '{stage}'; its stages are {known}."
                )
        chosen = tuple(episode for episode in found if not stages or episode.stage in stages)
        return cls(path, identity["policy"], identity["environment"], chosen)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"study": str(self.directory), "policy": self.policy, "episodes": len(self.episodes)}


def compare_studies(
    before: str | Path,
    after: str | Path,
    *,
    stages: Sequence[str] = (),
    alpha: float = 0.05,
    level: float = 0.95,
    alternative: Alternative = "two-sided",
) -> tuple[Recorded, Recorded, Comparison]:
    """Compare the policies of two studies, paired by variation and seed, from their ledgers alone.

    Args:
        before: Directory of a study.
        after: Directory of a study of the same environment, usually of another policy.
        stages: Only of these stages of the ledgers; of all where there are none.
        alpha: Level of significance of the whole comparison.
        level: Of the intervals.
        alternative: Of the tests.

    Returns:
        What was read of the one and of the other, and the comparison.

    Raises:
        StudyError: One is no study's directory, their environments differ, or nothing is paired.
        LedgerError: A ledger is missing or damaged.
        FaultfieldError: A level out of range.
    """
    first, second = Recorded.read(before, stages), Recorded.read(after, stages)
    if first.environment != second.environment:
        raise StudyError(
            f"{first.directory} and {second.directory} are studies of different environments ({first.environment} and "
            f"{second.environment}), whose episodes cannot be paired; both need the same environment: settings."
        )
    try:
        found = compare(first.episodes, second.episodes, alpha=alpha, level=level, alternative=alternative)
    except FaultfieldError as error:
        if {(e.variation, e.seed) for e in first.episodes} & {(e.variation, e.seed) for e in second.episodes}:
            raise
        raise StudyError(
            f"{first.directory} and {second.directory} share no variation with the same seed: nothing can be paired; "
            "roll out the same known: variations with the same rollouts: seed in both."
        ) from error
    return first, second, found


def _identity(path: Path) -> dict[str, str]:
    file = path / "identity.json"
    if not path.is_dir() or not (path / STUDY_FILE).is_file() or not file.is_file():
        raise StudyError(f"{path} is not a study's directory; give one that 'faultfield run' or 'collect' has made.")
    try:
        identity = json.loads(file.read_text(encoding="utf-8"))
        return {name: str(identity[name]) for name in ("policy", "environment")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{file} is damaged; restore it, or run the study again.") from error
