"""The parts of a diagnosis that say what was tested, and with what."""

from pydantic import Field, JsonValue

from faultfield.diagnosis.entries import Entry, Rate
from faultfield.variations import Categorical, Color, Continuous, Factor


class StudyInfo(Entry):
    """A study by name, and how to make it again."""

    name: str
    """Its name, for the title of the report."""
    hash: str
    """Of the settings that decide the result."""
    command: str = ""
    """The command that makes it again."""


class PolicyInfo(Entry):
    """What acted: a policy by its class, weights and settings."""

    type: str
    """`module:attribute`."""
    fingerprint: str
    """Changes with its name, arguments, weights and source."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """What it was built from."""


class FactorInfo(Entry):
    """One thing that the environment can vary."""

    name: str
    """Identifier."""
    kind: str
    """`categorical`, `color`, `continuous`, or the class of a factor of the user's own."""
    unit: str = ""
    """Of its numbers; empty where there is none."""
    visible: bool = True
    """False where no camera can see it."""
    low: float | None = None
    """Least value, of a continuous factor."""
    high: float | None = None
    """Greatest value, of a continuous factor."""
    choices: list[str] | None = None
    """Values, of a categorical factor."""
    nominal: float | list[float] | None = None
    """The value that changes nothing, where it is known as numbers."""

    @classmethod
    def of(cls, factor: Factor) -> "FactorInfo":
        """Describe a factor of a variation space."""
        if isinstance(factor, Continuous):
            nominal = list(factor.nominal) if isinstance(factor.nominal, tuple) else float(factor.nominal)
            return cls(
                name=factor.name, kind="continuous", unit=factor.unit, visible=factor.visible,
                low=factor.low, high=factor.high, nominal=nominal,
            )  # fmt: skip
        if isinstance(factor, Color):
            return cls(name=factor.name, kind="color", visible=factor.visible, nominal=list(factor.nominal))
        if isinstance(factor, Categorical):
            return cls(name=factor.name, kind="categorical", visible=factor.visible, choices=list(factor.choices))
        return cls(name=factor.name, kind=type(factor).__name__, unit=factor.unit, visible=factor.visible)


class EnvironmentInfo(Entry):
    """Where the policy was tested."""

    type: str
    """`module:attribute`."""
    fingerprint: str
    """Changes with its name and arguments."""
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    """What it was built from."""
    instruction: str = ""
    """What is asked of the robot."""
    factors: list[FactorInfo] = Field(default_factory=list)
    """What it can vary."""


class RolloutInfo(Entry):
    """The real episodes of one stage."""

    stage: str
    """`known` (nominal among them), `check`, `hunt`, `expert`, `blind` or `verify`."""
    variations: int = Field(ge=0)
    """How many variations were rolled out."""
    per_variation: int = Field(ge=0)
    """Episodes of each, at least."""
    episodes: int = Field(default=0, ge=0)
    """Episodes in all; 0 in a diagnosis from before this was told."""
    seeds: list[int] = Field(default_factory=list)
    """All seeds; the same for each variation, but of a hunt, and where its finds were confirmed."""


class DetectorInfo(Entry):
    """How far a detector that watched the policy's episodes agreed with the simulator's own success check."""

    fingerprints: list[str]
    """Of the detector and its settings; of several where each judged some episodes last."""
    episodes: int = Field(ge=0)
    """Episodes that it judged."""
    agreed: int = Field(ge=0)
    """How many of them it judged as the simulator did."""
    rate: float = Field(ge=0, le=1)
    """agreed / episodes."""
    low: float = Field(ge=0, le=1)
    """Lower end of the Wilson interval (95 %)."""
    high: float = Field(ge=0, le=1)
    """Upper end of the Wilson interval (95 %)."""
    failures: int = Field(ge=0)
    """How many of the episodes failed by the simulator's own check."""
    found: int = Field(ge=0)
    """How many of these failures it called failures."""
    alarms: int = Field(ge=0)
    """How many successes it called failures."""

    @classmethod
    def counted(cls, fingerprints: list[str], episodes: int, failures: int, found: int, alarms: int) -> "DetectorInfo":
        """From counts; `episodes` is at least 1."""
        agreed = found + episodes - failures - alarms
        # The interval of a share is the same whatever the share is of.
        share = Rate.of(agreed, episodes)
        return cls(
            fingerprints=fingerprints, episodes=episodes, agreed=agreed, rate=share.rate, low=share.low,
            high=share.high, failures=failures, found=found, alarms=alarms,
        )  # fmt: skip


class ProbeInfo(Entry):
    """What the probe looked at."""

    moments: int = Field(ge=0)
    """Stored states at which the policy was asked."""
    by_phase: dict[str, int] = Field(default_factory=dict)
    """Phase of the task to number of states."""
