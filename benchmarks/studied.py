"""What a study said and counted: from its directory, or from the page that `task_page.py` made of it."""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from faultfield.diagnosis.entries import Known, Ranked, Rate
from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.rollouts.specs import EnvSpec
from faultfield.study import StudyConfig
from faultfield.variations import VariationSpace

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Studied:
    """A diagnosed study, as far as tables tell of it.

    Attributes:
        name: Of its directory.
        diagnosed: The day.
        task: The environment's, or its class where it has but one.
        policy: The checkpoint's name where there is one, else the class.
        fingerprint: The policy's.
        seed: The study's.
        estimator: That ranked.
        environment: Where.
        nominal: Successes with nothing changed.
        known: Variations rolled out before anything was learned.
        ranking: Variations ranked; of a page those that were verified, and the first ones.
        left_out: How many it had beside these, rolled out but no variations of today's space: they set something to
            what it is anyway, and so change nothing, or no more than another row does.
    """

    name: str
    diagnosed: str
    task: str
    policy: str
    fingerprint: str
    seed: int
    estimator: str
    environment: EnvSpec
    nominal: Rate
    known: tuple[Known, ...]
    ranking: tuple[Ranked, ...]
    left_out: int

    @classmethod
    def read(cls, path: Path) -> "Studied":
        """From a study's directory, or from a page's `.json`.

        Raises:
            FaultfieldError: There is no diagnosis, the file is no page, or the environment cannot be built.
        """
        return cls._of_page(path) if path.suffix == ".json" else cls.of(Diagnosis.read(path / "diagnosis.json"), path)

    @classmethod
    def of(cls, diagnosis: Diagnosis, directory: Path) -> "Studied":
        """From a diagnosis.

        Raises:
            FaultfieldError: The environment cannot be built.
        """
        successes = diagnosis.nominal.episodes - diagnosis.nominal.failures
        environment = EnvSpec(diagnosis.environment.type, diagnosis.environment.arguments)
        known, ranking, left_out = _standing(diagnosis.known, diagnosis.ranking, environment)
        return cls(
            name=directory.name, diagnosed=(diagnosis.created or "")[:10], task=task_of(environment),
            policy=_policy(diagnosis), fingerprint=diagnosis.policy.fingerprint, seed=diagnosis.seed,
            estimator="" if diagnosis.selection is None else diagnosis.selection.estimator, environment=environment,
            nominal=Rate.of(successes, diagnosis.nominal.episodes), known=known, ranking=ranking, left_out=left_out,
        )  # fmt: skip

    @classmethod
    def _of_page(cls, path: Path) -> "Studied":
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            environment = _environment(told)
            every = [Known.model_validate(row) for row in told["known"]]
            shown = [Ranked.model_validate(row) for row in told["ranking"]]
            known, ranking, left_out = _standing(every, shown, environment)
            return cls(
                name=told["study"], diagnosed=told.get("diagnosed") or told["date"], task=told["task"],
                policy=told["policy"], fingerprint=told["fingerprint"], seed=told["seed"],
                estimator=told["estimator"], environment=environment, nominal=Rate.model_validate(told["nominal"]),
                known=known, ranking=ranking, left_out=left_out + told.get("left_out", 0),
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise StudyError(f"{path} is no page of benchmarks/task_page.py: {error!r}.") from error


def _environment(told: Mapping[str, Any]) -> EnvSpec:
    """What the page says; one from before it was told, what the study's file says."""
    if "environment" in told:
        return EnvSpec(told["environment"]["type"], told["environment"]["arguments"])
    file = next((word for word in shlex.split(told["made"]) if word.endswith(".yaml")), "")
    if not file:
        raise StudyError(f"The page of {told['study']} does not say in which environment it was studied.")
    config = StudyConfig.read(REPOSITORY / file).environment
    return EnvSpec(config.type, config.arguments)


def _standing(
    every: Sequence[Known], shown: Sequence[Ranked], environment: EnvSpec
) -> tuple[tuple[Known, ...], tuple[Ranked, ...], int]:
    """The rows that are variations of today's space, and how many that were rolled out are not."""
    space = _space(environment.type, json.dumps(dict(environment.arguments), sort_keys=True))

    def stands(row: Known | Ranked) -> bool:
        variation = space.variation(row.variation)
        return space.changed(variation) == variation

    known, ranking = tuple(filter(stands, every)), tuple(filter(stands, shown))
    gone = len(every) - len(known) + sum(row.verified is not None and row not in ranking for row in shown)
    return known, ranking, gone


@cache
def _space(environment: str, arguments: str) -> VariationSpace:
    env = EnvSpec(environment, json.loads(arguments)).build()
    space = env.variation_space
    env.close()
    return space


def task_of(environment: EnvSpec) -> str:
    """The environment's task, or its class where it has but one."""
    return str(environment.arguments.get("task", environment.type.rsplit(":", 1)[-1]))


def _policy(diagnosis: Diagnosis) -> str:
    kind = diagnosis.policy.type.rsplit(":", 1)[-1]
    weights = diagnosis.policy.arguments.get("checkpoint")
    return f"{kind} {Path(str(weights)).name}" if weights else kind
