"""The parts of a diagnosis that count and rank: rates, known variations, ranked ones."""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from faultfield.rollouts.outcomes import Outcome
from faultfield.variations import NOMINAL, Variation

VariationValues = dict[str, str | float | list[float]]
"""Factor names to plain values, as `Variation.to_json` gives them."""


class Entry(BaseModel):
    """Unknown entries, NaN and infinity are refused; the string under an entry is its description in the schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True)


class Rate(Entry):
    """Failures counted in real episodes, with the Wilson interval (95 %) of the failure rate."""

    episodes: int = Field(ge=0)
    """Episodes rolled out."""
    failures: int = Field(ge=0)
    """How many of them failed."""
    rate: float = Field(ge=0, le=1)
    """failures / episodes; 0 where there are none."""
    low: float = Field(ge=0, le=1)
    """Lower end of the Wilson interval (95 %)."""
    high: float = Field(ge=0, le=1)
    """Upper end of the Wilson interval (95 %)."""

    @classmethod
    def of(cls, failures: int, episodes: int) -> "Rate":
        """The rate and its Wilson interval; without episodes 0, from 0 to 1."""
        return Rate.model_validate(_counted(failures, episodes))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.failures > self.episodes:
            raise ValueError(f"{self.failures} failures in {self.episodes} episodes")
        return self


class Verdicts(Entry):
    """What a detector that watched a variation's episodes said of them: its own words, not the simulator's."""

    judged: int = Field(ge=0)
    """Episodes of the policy that it watched."""
    failures: int = Field(ge=0)
    """How many of them failed by the simulator's own check."""
    found: int = Field(ge=0)
    """How many of these failures it called failures."""
    alarms: int = Field(ge=0)
    """How many successes it called failures."""
    reason: str | None = None
    """Its reason: of the failures that it found the commonest claim of a fault (else of any), in its surest words."""
    alike: int = Field(default=0, ge=0)
    """How many of the failures that it found have a reason with the same claim."""
    failure_probability: float | None = Field(default=None, ge=0, le=1)
    """How likely it held failure in the episode with that reason."""
    seed: int | None = None
    """Seed of that episode."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.alike <= self.found <= self.failures <= self.judged or self.found + self.alarms > self.judged:
            raise ValueError(f"{self.found} found of {self.failures} failures in {self.judged} episodes")
        return self


class Known(Rate):
    """A variation that was rolled out before anything was learned; its counts are the policy's."""

    variation: VariationValues
    """Factor names to values."""
    text: str
    """The variation in English."""
    key: str
    """Sixteen hexadecimal digits that depend on the values alone."""
    failure_probability: float | None = Field(default=None, ge=0, le=1)
    """What the chosen estimator said of it, fitted without it."""
    expert_episodes: int | None = Field(default=None, ge=0)
    """Episodes of the scripted expert under the same seeds; null without that control."""
    expert_failures: int | None = Field(default=None, ge=0)
    """How many of the expert's failed."""
    blind_episodes: int | None = Field(default=None, ge=0)
    """Episodes of the policy that sees nothing, the floor; null without that control."""
    blind_failures: int | None = Field(default=None, ge=0)
    """How many of the blind policy's failed."""
    infeasible: bool = False
    """The expert fails too: no weakness of the policy."""
    sought: bool = False
    """Sought by a hunt, which stops once enough failed, or checked and kept: not one that the study names."""
    verdicts: Verdicts | None = None
    """What a detector said of its episodes; null where none watched them."""

    @classmethod
    def counted(
        cls,
        variation: Variation,
        failures: int,
        episodes: int,
        *,
        expert: tuple[int, int] | None = None,
        blind: tuple[int, int] | None = None,
        infeasible: bool = False,
        sought: bool = False,
        failure_probability: float | None = None,
    ) -> "Known":
        """An entry from counts.

        Args:
            variation: What was rolled out.
            failures: Failures of the policy.
            episodes: Episodes of the policy.
            expert: (failures, episodes) of the expert.
            blind: (failures, episodes) of the blind policy.
            infeasible: Whether the expert fails too.
            sought: Whether a hunt sought it, or a check that was kept.
            failure_probability: The estimator's held-out answer.
        """
        entry = _named(variation) | _counted(failures, episodes) | _control("expert", expert) | _control("blind", blind)
        judged = {"infeasible": infeasible, "sought": sought, "failure_probability": failure_probability}
        return cls.model_validate(entry | judged)


class Verified(Rate):
    """Fresh episodes of a ranked variation, rolled out after it was ranked; its counts are the policy's."""

    expert_episodes: int | None = Field(default=None, ge=0)
    """Episodes of the scripted expert under the same seeds; null without that control."""
    expert_failures: int | None = Field(default=None, ge=0)
    """How many of the expert's failed."""

    @classmethod
    def counted(cls, failures: int, episodes: int, expert: tuple[int, int] | None = None) -> "Verified":
        """From counts; `expert` is (failures, episodes)."""
        return cls.model_validate(_counted(failures, episodes) | _control("expert", expert))


class Ranked(Entry):
    """A variation that nothing was learned from, with what is expected of it."""

    rank: int | None = Field(default=None, ge=1)
    """1 is the worst; null where it is infeasible and so no weakness."""
    variation: VariationValues
    """Factor names to values."""
    text: str
    """The variation in English."""
    key: str
    """Sixteen hexadecimal digits that depend on the values alone."""
    factors: list[str]
    """The factors that it changes."""
    failure_probability: float = Field(ge=0, le=1)
    """Expected share of episodes that fail."""
    low: float = Field(ge=0, le=1)
    """Lower end of the interval (90 %) of the failure rate of fresh episodes."""
    high: float = Field(ge=0, le=1)
    """Upper end of that interval."""
    support: float = Field(ge=0, le=1)
    """How near it lies to what is known: 1 on a known variation, towards 0 far away."""
    visible: bool = True
    """False where it changes something that no picture shows, which is estimated apart or only guessed."""
    infeasible: bool | None = None
    """Whether the expert fails too; null where that was not tried."""
    verified: Verified | None = None
    """What fresh episodes showed; null where none were rolled out."""
    density: float | None = None
    """Log-likelihood ratio of the diagnostic policy against nominal (RoboMD, 3.4): it goes where this is high."""
    note: str = ""
    """Anything to be said beside it, in a sentence."""
    verdicts: Verdicts | None = None
    """What a detector said of its episodes; null where none watched them."""

    @classmethod
    def estimated(
        cls,
        variation: Variation,
        failure_probability: float,
        low: float,
        high: float,
        support: float,
        *,
        visible: bool = True,
        infeasible: bool | None = None,
        verified: Verified | None = None,
        density: float | None = None,
        note: str = "",
    ) -> "Ranked":
        """An entry from one row of `Estimates`; numbers a hair outside 0–1 are cut. `ranked` gives it its rank."""
        numbers = {"failure_probability": failure_probability, "low": low, "high": high, "support": support}
        entry = _named(variation) | {name: min(max(float(number), 0.0), 1.0) for name, number in numbers.items()}
        entry |= {"factors": list(variation), "visible": visible, "infeasible": infeasible}
        return cls.model_validate(entry | {"verified": verified, "density": density, "note": note})


def ranked(entries: Iterable[Ranked]) -> list[Ranked]:
    """Sort by failure probability, highest first (ties: better supported first, then by key), and number from 1.

    Infeasible entries keep their place in the order but get no number.
    """
    ordered = sorted(entries, key=lambda entry: (-entry.failure_probability, -entry.support, entry.key))
    result, rank = [], 0
    for entry in ordered:
        rank += not entry.infeasible
        result.append(entry.model_copy(update={"rank": None if entry.infeasible else rank}))
    return result


def _named(variation: Variation) -> dict[str, object]:
    return {"variation": variation.to_json(), "text": variation.text, "key": variation.key}


def _control(name: str, counts: tuple[int, int] | None) -> dict[str, object]:
    return {f"{name}_failures": counts and int(counts[0]), f"{name}_episodes": counts and int(counts[1])}


def _counted(failures: int, episodes: int) -> dict[str, object]:
    if episodes == 0:
        return {"episodes": 0, "failures": 0, "rate": 0.0, "low": 0.0, "high": 1.0}
    outcome = Outcome(NOMINAL, episodes=int(episodes), failures=int(failures))
    low, high = outcome.interval()
    counts: dict[str, object] = {"episodes": outcome.episodes, "failures": outcome.failures, "rate": outcome.rate}
    return counts | {"low": max(low, 0.0), "high": min(high, 1.0)}
