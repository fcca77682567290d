"""What a study file says, checked: unknown keys are refused with the nearest known one."""

import dataclasses
import difflib
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from faultfield.errors import StudyError
from faultfield.field.config import FieldConfig
from faultfield.policies.checkpoints import named
from faultfield.search.config import SearchConfig
from faultfield.study.seeds import SEEDS
from faultfield.variations import NOMINAL, Variation, VariationSpace

Listing = dict[str, Any] | list[dict[str, Any]]
"""Either factor name → values (a list, or `{low, high, count}`), each alone; or a list of whole variations."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PluginConfig(BaseModel):
    """A class or function by name, and what it is called with."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str

    @property
    def arguments(self) -> dict[str, Any]:
        """Everything beside `type`."""
        return dict(self.model_extra or {})


class RolloutsConfig(_Strict):
    """How known variations are rolled out.

    Attributes:
        per_variation: Episodes for each known variation.
        nominal: Episodes under nominal conditions; their successes give the probe its states.
        seed: Episode i of every variation is reset with `seed + i`, so variations are compared on the same scenes.
        workers: Processes; `auto` is one a core.
        backend: `process` on this machine, or `ray` on the cluster that `RAY_ADDRESS` names.
    """

    per_variation: int = Field(10, ge=1)
    nominal: int = Field(20, ge=1)
    seed: int = Field(0, ge=0, lt=SEEDS)
    workers: int | Literal["auto"] = "auto"
    backend: Literal["process", "ray"] = "process"


class ControlsConfig(_Strict):
    """Two policies that belong to every diagnosis: an expert (is the variation feasible?) and a blind one (the floor).

    Attributes:
        expert, blind: Policies; leave one out and its control is left out.
        per_variation: Episodes each, with the same seeds as the policy's.
        environment: Settings changed for them, for instance `images: false` where they need no pictures.
    """

    expert: PluginConfig | None = None
    blind: PluginConfig | None = None
    per_variation: int = Field(5, ge=1, le=1000)
    environment: dict[str, Any] = Field(default_factory=dict)


class DiagnosisConfig(_Strict):
    """How candidates are ranked and which of them are rolled out for real.

    Attributes:
        estimator: `auto` (best by cross-validation over variations), a name (`probe`, `field`, `density`, …), or
            `module:Class`.
        compare: Estimators that `auto` compares.
        folds: Of the cross-validation.
        pairs: How many combinations of two single-factor variations, known or unseen, are ranked as well (at random).
        sampled: How many variations of one or two factors, spread over the whole space, are ranked as well.
        verify: How many of the worst feasible candidates are rolled out.
        spread: How many more, evenly over the rest of the ranking, so that low predictions are tested too.
        episodes: For each verified variation.
    """

    estimator: str = "auto"
    compare: list[str] = Field(["probe", "field", "gp", "values"], min_length=1)
    folds: int = Field(5, ge=2)
    pairs: int = Field(0, ge=0)
    sampled: int = Field(0, ge=0, le=10_000)
    verify: int = Field(10, ge=0)
    spread: int = Field(6, ge=0)
    episodes: int = Field(10, ge=1)


class StudyConfig(_Strict):
    """A study file."""

    policy: PluginConfig
    environment: PluginConfig
    known: Listing
    unseen: Listing
    rollouts: RolloutsConfig = RolloutsConfig()  # type: ignore[call-arg]
    controls: ControlsConfig = ControlsConfig()  # type: ignore[call-arg]
    field: FieldConfig = FieldConfig()
    search: SearchConfig = SearchConfig()
    diagnosis: DiagnosisConfig = DiagnosisConfig()  # type: ignore[call-arg]

    @field_validator("search", mode="before")
    @classmethod
    def _search(cls, raw: Any) -> Any:
        """`strategy` is the study's word for the search's algorithm; a plain dataclass needs its keys checked here."""
        if not isinstance(raw, dict):
            return raw
        if {"strategy", "algorithm"} <= raw.keys():
            raise StudyError("The study has both search.strategy and search.algorithm, which mean the same; leave one.")
        settings = {"algorithm" if key == "strategy" else key: value for key, value in raw.items()}
        known = [item.name for item in dataclasses.fields(SearchConfig)]
        for key in settings:
            if key not in known:
                raise StudyError(f"The study has an unknown key 'search.{key}'{_nearest(key, known)}.")
        return settings

    @classmethod
    def parse(cls, text: str, where: str) -> "StudyConfig":
        """The study that `text` (YAML) says; `where` names it in errors.

        Raises:
            StudyError: Not YAML, a missing or unknown key, a value out of range.
        """
        try:
            raw = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise StudyError(f"The study {where} is not YAML: {' '.join(str(error).split())}.") from error
        if not isinstance(raw, dict):
            raise StudyError(f"The study {where} must be a mapping with policy, environment, known and unseen.")
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise StudyError(f"The study {where} is wrong: {_first_problem(error, cls)}.") from error

    @classmethod
    def read(cls, path: Path) -> "StudyConfig":
        """The study in a file.

        Raises:
            StudyError: There is no such file, or it is wrong.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise StudyError(f"The study file {path} cannot be read: {error}.") from error
        return cls.parse(text, str(path))

    def of_policy(self, policy: str) -> "StudyConfig":
        """The same study of another policy: a checkpoint's path, or `module:Class`."""
        name, arguments = named(policy)
        return self.model_copy(update={"policy": PluginConfig(type=name, **arguments)})

    def to_yaml(self) -> str:
        """The whole study with every default spelled out."""
        return str(yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def variations_of(listing: Listing, space: VariationSpace) -> list[Variation]:
    """The variations that a listing means, in its order, each once; the nominal one is not among them.

    A range may step on the value that changes nothing: that is no variation, and part of none.

    Raises:
        VariationError: An unknown factor or a value out of range.
        StudyError: A range without low and high.
    """
    mappings: Sequence[Mapping[str, Any]]
    if isinstance(listing, list):
        mappings = listing
    else:
        mappings = [{name: value} for name, values in listing.items() for value in _values(name, values)]
    found = dict.fromkeys(space.changed(space.variation(mapping)) for mapping in mappings)
    found.pop(NOMINAL, None)
    return list(found)


def read_variations(path: Path, space: VariationSpace) -> list[Variation]:
    """The variations in a YAML file: a list of mappings, each perhaps with several factors; empty is nominal.

    A value that changes nothing is left out.

    Raises:
        StudyError: The file cannot be read or is no such list.
        VariationError: An unknown factor or a value out of range.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(f"The file of variations {path} cannot be read: {' '.join(str(error).split())}.") from error
    if not isinstance(raw, list) or not raw or not all(isinstance(item, dict) for item in raw):
        raise StudyError(f"The file {path} must be a YAML list of mappings such as {{table_color: red}}.")
    return [space.changed(space.variation(item)) for item in raw]


def _values(name: str, values: Any) -> list[Any]:
    if isinstance(values, list):
        return values
    if (
        isinstance(values, dict)
        and {"low", "high"} <= set(values) <= {"low", "high", "count"}
        and all(isinstance(each, int | float) for each in values.values())
        and isinstance(values.get("count", 5), int)
        and values.get("count", 5) > 0
    ):
        count = values.get("count", 5)
        step = (values["high"] - values["low"]) / max(count - 1, 1)
        return [round(values["low"] + step * i, 6) for i in range(count)]
    raise StudyError(
        f"The values of '{name}' must be a list or {{low, high, count}} of numbers, count a whole one from 1 up, not "
        f"{values!r}."
    )


def _first_problem(error: ValidationError, model: type[BaseModel]) -> str:
    problem = error.errors()[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = _keys_beside(model, problem["loc"])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        return f"unknown key '{place}'" + (
            f"; did you mean '{near[0]}'?" if near else f"; known are {', '.join(known)}"
        )
    if problem["type"] == "missing":
        return f"the key '{place}' is missing"
    return f"'{place}': {problem['msg']}"


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean '{near[0]}'" if near else f"; known are {', '.join(known)}"


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    current: Any = model
    for part in location[:-1]:
        fields = getattr(current, "model_fields", {})
        if part not in fields:
            break
        annotation = fields[part].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        current = next((o for o in options if hasattr(o, "model_fields")), current)
    return list(itertools.chain(getattr(current, "model_fields", {})))
