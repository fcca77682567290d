"""What a repair did and what came of it, as `repair.json`; described for script writers in `docs/repair.md`."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, JsonValue, ValidationError

from faultfield import files
from faultfield.diagnosis.context import PolicyInfo
from faultfield.diagnosis.entries import Entry, VariationValues
from faultfield.diagnosis.mcnemar import Pairs
from faultfield.errors import StudyError
from faultfield.repair.measures import distances
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome
from faultfield.variations import NOMINAL, Variation

FORMAT = "faultfield-repair"

GROUPS = ("all", "known", "unseen", "demonstrated", "not demonstrated", "elsewhere", "nominal")
"""All variations compared on but the last two; those known before and those ranked; those with demonstrations in this
repair and those without; one or two factors drawn from the whole space, which nobody diagnosed; and nothing changed."""

RowGroup = Literal["known", "unseen", "elsewhere", "nominal"]
"""What a single variation may belong to."""

APART: tuple[RowGroup, ...] = ("elsewhere", "nominal")
"""What is no part of "all": it tells what was forgotten."""


class Success(Entry):
    """Successes counted in real episodes, with the Wilson interval (95 %)."""

    episodes: int = Field(ge=1)
    """Episodes rolled out."""
    successes: int = Field(ge=0)
    """How many succeeded."""
    rate: float = Field(ge=0, le=1)
    """successes / episodes."""
    low: float = Field(ge=0, le=1)
    """Lower end of the interval."""
    high: float = Field(ge=0, le=1)
    """Upper end of the interval."""

    @classmethod
    def of(cls, successes: int, episodes: int) -> "Success":
        """From counts."""
        low, high = Outcome(NOMINAL, episodes, episodes - successes).interval()
        return cls(
            episodes=episodes, successes=successes, rate=successes / episodes,
            low=min(max(1 - high, 0.0), 1.0), high=min(max(1 - low, 0.0), 1.0),
        )  # fmt: skip


class Paired(Entry):
    """Before and after on the same variations and seeds."""

    before: Success
    """The policy as it was."""
    after: Success
    """The mended policy."""
    lost: int = Field(ge=0)
    """Episodes that succeeded before and fail now."""
    gained: int = Field(ge=0)
    """Episodes that failed before and succeed now."""
    difference: float = Field(ge=-1, le=1)
    """Success after minus success before."""
    low: float = Field(ge=-1, le=1)
    """Lower end of its interval (95 %, Newcombe 1998 for paired proportions)."""
    high: float = Field(ge=-1, le=1)
    """Upper end of that interval."""
    p: float = Field(ge=0, le=1)
    """Of McNemar's exact test, two-sided, not corrected for the number of tests."""


class Row(Paired):
    """One variation."""

    variation: VariationValues
    """Factor names to values; empty is nominal."""
    text: str
    """The variation in English."""
    key: str
    """Sixteen hexadecimal digits that depend on the values alone."""
    group: RowGroup
    """Rolled out before anything was learned, ranked by the study, never diagnosed, or nothing changed."""
    demonstrations: int = Field(ge=0)
    """How many the repair gathered under it."""


class GroupRow(Paired):
    """Several variations together."""

    name: str
    """One of `GROUPS`."""
    variations: int = Field(ge=1)
    """How many."""


class TargetEntry(Entry):
    """A variation that was chosen to be demonstrated."""

    variation: VariationValues
    """Factor names to values."""
    text: str
    """The variation in English."""
    group: Literal["known", "unseen"]
    """As in the rows."""
    failure: float = Field(ge=0, le=1)
    """Failure probability that it was chosen by."""
    weight: float = Field(ge=0)
    """How much it was said to matter."""
    episodes: int = Field(ge=1)
    """Demonstrations."""
    reason: str | None = None
    """Why the policy failed under it before, as a detector that watched it says; null where none did."""


class DataSet(Entry):
    """A file of demonstrations."""

    file: str
    """Where it lies."""
    demonstrations: int = Field(ge=1)
    """How many."""
    steps: int = Field(ge=1)
    """Rows in all."""
    bytes: int = Field(ge=0)
    """Size of the file."""


class Distances(Entry):
    """RoboMD's measures over all variations, each counted alike; see `faultfield.repair.measures`."""

    accuracy: float = Field(ge=0, le=1)
    """Mean success."""
    mean_square: float | None
    """From the ideal, percentage points²; null where nothing succeeds."""
    chi_square: float | None
    """From the ideal; null where nothing succeeds."""
    wasserstein: float | None
    """From the ideal; null where nothing succeeds."""


class Repair(Entry):
    """Everything that a repair did and measured."""

    format: Literal["faultfield-repair"] = "faultfield-repair"
    """Tells this file from any other JSON."""
    version: Literal[1] = 1
    """Of the schema."""
    created: str
    """When, ISO 8601."""
    study: str
    """Name of the study."""
    instruction: str
    """What is asked of the robot."""
    before: PolicyInfo
    """The policy as it was."""
    after: PolicyInfo
    """The mended policy."""
    settings: dict[str, JsonValue] | None
    """The recipe: budget, mode, least, seed, share, steps, learning_rate, weights, rounds, looks, broad, corrections,
    widen.
    Of a policy that was mended elsewhere those of `plan.OF_THE_CHOICE`. Null where nothing was planned here."""
    rounds_made: int | None = None
    """Fewer than `settings.rounds` where nothing failed any more; null where the policy was mended elsewhere."""
    targets: list[TargetEntry]
    """What was demonstrated; empty where nothing was planned here."""
    targeted: DataSet | None
    """The new demonstrations; null where the policy was mended elsewhere."""
    original: DataSet | None
    """What was mixed in; null without."""
    seeds: tuple[int, int]
    """First seed of the comparison and how many a variation."""
    groups: list[GroupRow]
    """All variations, and some of them, in the order of `GROUPS`; a group that is empty is left out."""
    rows: list[Row]
    """Every variation, and nominal first."""
    measures_before: Distances
    """Of the policy as it was."""
    measures_after: Distances
    """Of the mended policy."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Package names to versions."""

    def group(self, name: str) -> GroupRow | None:
        """The group of that name, where there is one."""
        return next((group for group in self.groups if group.name == name), None)

    def write(self, path: str | Path) -> None:
        """Write it as indented JSON, whole or not at all."""
        files.write_text(path, json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "Repair":
        """Read what `write` wrote.

        Raises:
            StudyError: There is no such file, or it is not a repair or damaged.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(content, dict) or content.get("format") != FORMAT:
                raise StudyError(f"{path} is not a repair: its 'format' should be '{FORMAT}'.")
            return cls.model_validate(content)
        except FileNotFoundError:
            raise StudyError(f"There is no repair at {path}; `faultfield repair` makes one.") from None
        except (OSError, ValueError, ValidationError) as error:
            raise StudyError(f"{path} is damaged; make it again: `faultfield repair`.") from error


Outcomes = Mapping[tuple[str, int], bool]


def compared(
    variations: Sequence[tuple[Variation, RowGroup, int]],
    before: Sequence[Episode],
    after: Sequence[Episode],
) -> tuple[list[GroupRow], list[Row]]:
    """Groups and rows of a comparison.

    Args:
        variations: Each with its group and how many demonstrations it got.
        before: Episodes of the policy as it was.
        after: Of the mended one, under the same variations and seeds.

    Raises:
        FaultfieldError: A variation has no pair of episodes.
    """
    first, second = ({(e.variation.key, e.seed): e.success for e in side} for side in (before, after))
    rows, counted = [], []
    for variation, group, demonstrations in variations:
        pairs = _pairs(variation, first, second)
        counted.append((group, demonstrations, pairs))
        rows.append(
            Row(
                **_told(pairs), variation=variation.to_json(), text=variation.text, key=variation.key, group=group,
                demonstrations=demonstrations,
            )
        )  # fmt: skip
    wanted: dict[str, Callable[[RowGroup, int], bool]] = {
        "all": lambda group, shown: group not in APART,
        "known": lambda group, shown: group == "known",
        "unseen": lambda group, shown: group == "unseen",
        "demonstrated": lambda group, shown: shown > 0,
        "not demonstrated": lambda group, shown: shown == 0 and group not in APART,
        "elsewhere": lambda group, shown: group == "elsewhere",
        "nominal": lambda group, shown: group == "nominal",
    }
    groups = []
    for name in GROUPS:
        members = [pairs for group, shown, pairs in counted if wanted[name](group, shown)]
        apart = any(shown for _, shown, _ in counted) or name != "not demonstrated"
        if members and apart:
            total = Pairs(*(sum(getattr(p, part) for p in members) for part in ("both", "lost", "gained", "neither")))
            groups.append(GroupRow(**_told(total), name=name, variations=len(members)))
    return groups, rows


def measured(rows: Sequence[Row], side: Literal["before", "after"]) -> Distances:
    """RoboMD's measures of one policy over the rows of "all"."""
    success = [getattr(row, side).rate for row in rows if row.group not in APART]
    return Distances(**vars(distances(success)))


def _pairs(variation: Variation, before: Outcomes, after: Outcomes) -> Pairs:
    seeds = sorted(seed for key, seed in before if key == variation.key and (key, seed) in after)
    both = [(before[variation.key, seed], after[variation.key, seed]) for seed in seeds]
    return Pairs(*(both.count(kind) for kind in ((True, True), (True, False), (False, True), (False, False))))


def _told(pairs: Pairs) -> dict[str, Any]:
    low, high = pairs.interval()
    return {
        "before": Success.of(pairs.both + pairs.lost, pairs.count).model_dump(),
        "after": Success.of(pairs.both + pairs.gained, pairs.count).model_dump(),
        "lost": pairs.lost, "gained": pairs.gained, "difference": pairs.difference, "low": low, "high": high,
        "p": min(pairs.p(), 1.0),
    }  # fmt: skip
