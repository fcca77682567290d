"""What a study found, as `diagnosis.json`: the one file that the report, scripts and later stages read.

Everything is plain JSON. Times stay out of it except `created`, which no hash covers: the same study made twice gives
the same `fingerprint`. The file is described for script writers in `docs/diagnosis-json.md`.
"""

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from faultfield import files
from faultfield.diagnosis.context import (
    DetectorInfo,
    EnvironmentInfo,
    FactorInfo,
    PolicyInfo,
    ProbeInfo,
    RolloutInfo,
    StudyInfo,
)
from faultfield.diagnosis.entries import Entry, Known, Ranked, Rate, Verdicts, Verified, ranked
from faultfield.diagnosis.landscape import FieldInfo, FieldMap, FieldQuality, MapGrid, MapPoint, Similarity
from faultfield.errors import StudyError

__all__ = [
    "BlindFloor",
    "DetectorInfo",
    "Diagnosis",
    "EnvironmentInfo",
    "FactorInfo",
    "FieldInfo",
    "FieldMap",
    "FieldQuality",
    "Known",
    "MapGrid",
    "MapPoint",
    "Measures",
    "PolicyInfo",
    "ProbeInfo",
    "Ranked",
    "Rate",
    "RolloutInfo",
    "Score",
    "Selection",
    "Similarity",
    "StudyInfo",
    "Verdicts",
    "Verified",
    "ranked",
]

FORMAT = "faultfield-diagnosis"
"""What the `format` entry of every diagnosis says."""

VERSION = 1
"""Of the schema; raised whenever an entry changes its meaning or goes away."""


class Score(Entry):
    """How one estimator did on known variations held out of its fit."""

    estimator: str
    """Its name."""
    metrics: dict[str, float | None]
    """Metric names to values; null where a metric is not defined."""


class Selection(Entry):
    """Which estimator ranked, and why."""

    estimator: str
    """Its name."""
    reason: str
    """Why it was chosen, in a sentence."""
    metric: str = ""
    """The metric that decided."""
    scores: list[Score] = Field(default_factory=list)
    """Cross-validated over the known variations, every estimator that was tried."""


class Measures(Entry):
    """The severity measures of RoboMD, Table 4, over the feasible variations that the study names as known."""

    entropy: float = Field(ge=0)
    """How evenly failures spread over variations, in nats: 0 is one single failure mode."""
    nfm: int = Field(ge=0)
    """Number of failure modes."""
    fsi: float = Field(ge=0)
    """Failure severity index: failure rates, each weighted by itself over the highest."""
    threshold: float | None = None
    """What share of failures a failure mode exceeds."""


class BlindFloor(Entry):
    """What can be done without looking: the policy beside one that sees nothing, under the same known variations."""

    variations: int = Field(ge=1)
    """How many were compared, those that the study names as known."""
    policy: float = Field(ge=0, le=1)
    """Failure rate of the policy, each variation counted alike."""
    blind: float = Field(ge=0, le=1)
    """Failure rate of the one that sees nothing."""
    low: float = Field(ge=-1, le=1)
    """Lower end of the interval (95 %) of blind − policy, by bootstrap over variations; above 0, seeing helps."""
    high: float = Field(ge=-1, le=1)
    """Its upper end."""


class Diagnosis(Entry):
    """Everything that a study found.

    Example:
        >>> entry = Ranked.estimated(Variation({"light": 0.4}, "Dim the light."), 0.8, 0.6, 0.9, 0.5)
        >>> ranked([entry])[0].rank
        1
    """

    format: Literal["faultfield-diagnosis"] = "faultfield-diagnosis"
    """Tells this file from any other JSON."""
    version: Literal[1] = 1
    """Of the schema."""
    created: str | None = None
    """When, ISO 8601; the only entry that may differ between two runs of one study."""
    study: StudyInfo
    """Which study."""
    policy: PolicyInfo
    """The policy under test."""
    environment: EnvironmentInfo
    """Where it was tested."""
    versions: dict[str, str] = Field(default_factory=dict)
    """Package names to versions."""
    seed: int = 0
    """The study's seed, from which all others follow."""
    rollouts: list[RolloutInfo] = Field(default_factory=list)
    """Real episodes, stage by stage."""
    nominal: Rate
    """The policy with nothing changed."""
    known: list[Known] = Field(default_factory=list)
    """Variations that were rolled out before anything was learned."""
    ranking: list[Ranked] = Field(default_factory=list)
    """Variations that nothing was learned from, by failure probability, highest first."""
    selection: Selection | None = None
    """Which estimator ranked, and why."""
    measures: Measures | None = None
    """Entropy, number of failure modes, failure severity index."""
    floor: BlindFloor | None = None
    """What a policy that sees nothing does under the same variations; null without that control."""
    field: FieldInfo | None = None
    """The learned embedding."""
    map: FieldMap | None = None
    """The field in two dimensions."""
    probe: ProbeInfo | None = None
    """What the probe looked at."""
    detector: DetectorInfo | None = None
    """How far a detector's verdicts agree with the simulator; null where none watched the episodes."""
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """The study file, as it was understood."""
    caveats: list[str] = Field(default_factory=list)
    """What a reader must bear in mind, a sentence each."""

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits over what was found, whenever it was made and however the directory is called.

        What a detector said is no part of it: that comes later, and changes nothing of what was found. Nor are the
        versions of packages, the number of workers and how they run.
        """
        content = self.model_dump(
            mode="json",
            exclude={
                "created": True,
                "versions": True,
                "study": True,
                "detector": True,
                "known": {"__all__": {"verdicts", "sought"}},
                "ranking": {"__all__": {"verdicts"}},
            },
        )
        rollouts = content["settings"].get("rollouts")
        if isinstance(rollouts, dict):
            for name in ("workers", "backend"):
                rollouts.pop(name, None)
        payload = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(payload.encode()).hexdigest()[:16]

    def write(self, path: str | Path) -> None:
        """Write it as indented JSON, whole or not at all."""
        files.write_text(path, json.dumps(self.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "Diagnosis":
        """Read what `write` wrote.

        Raises:
            StudyError: There is no such file, it is not a diagnosis, it is damaged, or of another version.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StudyError(f"There is no diagnosis at {path}; `faultfield diagnose` makes one.") from None
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
            raise StudyError(
                f"{path} cannot be read as JSON ({error}); make it again: `faultfield diagnose`."
            ) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise StudyError(f"{path} is not a diagnosis: its 'format' should be '{FORMAT}'.")
        if content.get("version") != VERSION:
            raise StudyError(
                f"{path} has schema version {content.get('version')!r}, this Faultfield reads {VERSION}; "
                "make it again: `faultfield diagnose`."
            )
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise StudyError(
                f"{path} is damaged at {where} ({first['msg'].lower()}); make it again: `faultfield diagnose`."
            ) from error
