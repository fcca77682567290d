"""What a repair has decided before it begins, kept so that a run that was killed goes on with the same."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.errors import StudyError
from faultfield.repair.targets import Suspect, Target
from faultfield.variations import VariationSpace

FORMAT = "faultfield-repair-plan-1"
PLAN_FILE = "plan.json"

ROUND_SEED = 10_000
"""Added to the seed from round to round."""

WIDEST = 4
"""How many times as wide an eye may become at most: what training costs grows faster than that."""

OF_THE_CHOICE = ("budget", "mode", "least", "seed", "weights")
"""Settings that decide what is demonstrated, and so hold for a policy that is mended elsewhere, too."""


@dataclass(frozen=True)
class Recipe:
    """How a policy is mended.

    Attributes:
        budget: Demonstrations in all.
        mode: How targets are chosen.
        least: Demonstrations that each target gets at least: the fewer, the more variations are shown.
        seed: Of the choice, the demonstrations and the training.
        share: Of each batch, how much comes from the original demonstrations, 0–1.
        steps: Batches of fine-tuning.
        learning_rate: At the start.
        weights: How much a factor matters, by name.
        rounds: The budget and the steps are spent in so many parts. After each but the last the mended policy is rolled
            out a little, and the next part goes where it still fails.
        looks: Under how many of the targets' looks (colours, light, camera) each demonstration is pictured as well,
            where the environment can picture a stored state.
        broad: Share of these looks that is drawn anywhere in the space and not from the targets, 0–1.
        corrections: Whether the policy itself begins each demonstration: the expert says at every step what it would
            do and takes over after some, so that what is shown begins where the policy goes wrong.
        widen: So many times the feature maps that it has get the eye of a `VisualBC` policy before its first round.
    """

    budget: int
    mode: str = "targeted"
    least: int = 1
    seed: int = 0
    share: float = 0.3
    steps: int = 3000
    learning_rate: float = 1e-3
    weights: Mapping[str, float] = field(default_factory=dict)
    rounds: int = 1
    looks: int = 4
    broad: float = 0.0
    corrections: bool = False
    widen: int = 1

    def __post_init__(self) -> None:
        if self.rounds < 1 or 1 < self.rounds > min(self.budget, self.steps):
            raise StudyError(
                f"A repair has at least one round, and a demonstration and a step for each: {self.rounds} rounds do "
                f"not fit a budget of {self.budget} and {self.steps} steps."
            )
        if self.rounds > 1 and self.budget // self.rounds < self.least:
            raise StudyError(
                f"A budget of {self.budget} in {self.rounds} rounds leaves a round fewer demonstrations than a "
                f"variation takes, {self.least}."
            )
        if self.looks < 0:
            raise StudyError(f"A demonstration is pictured under 0 or more further looks, not {self.looks}.")
        if not 1 <= self.widen <= WIDEST:
            raise StudyError(f"An eye is made 1 to {WIDEST} times as wide, not {self.widen}.")
        if not 0 <= self.broad <= 1:
            raise StudyError(f"The share of looks from anywhere in the space lies in 0–1, not {self.broad}.")
        if not 0 <= self.share < 1 or self.steps < 1 or not 0 < self.learning_rate < math.inf or self.seed < 0:
            raise StudyError(
                "A repair takes a share of original data from 0 to below 1, at least one step, a learning rate above 0 "
                f"and a seed from 0 up, not {self.share}, {self.steps}, {self.learning_rate} and {self.seed}."
            )

    def part(self, number: int) -> "Recipe":
        """The recipe of one round, counted from 0: its share of budget and steps; the first takes what is over."""
        budget = self.budget // self.rounds + (self.budget % self.rounds if number == 0 else 0)
        return replace(
            self, budget=budget, steps=self.steps // self.rounds, seed=self.seed + ROUND_SEED * number, rounds=1,
            widen=1 if number else self.widen,
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """What is demonstrated, and of whom it was decided.

    Attributes:
        recipe: The settings.
        policy, environment, diagnosis: Fingerprints.
        targets: What is demonstrated, and how often; of several rounds, in the first.
        original: Digest of the file of original demonstrations, where one was given.
        expert: Fingerprint of who demonstrates.
    """

    recipe: Recipe
    policy: str
    environment: str
    diagnosis: str
    targets: tuple[Target, ...]
    original: str | None = None
    expert: str | None = None

    def settle(self, directory: Path) -> None:
        """Write it into an empty directory; in one that has a plan, be sure that it is the same.

        Raises:
            StudyError: The directory holds another repair.
        """
        file, own = directory / PLAN_FILE, self.to_json()
        if not file.exists():
            files.write_text(file, json.dumps(own, indent=2, ensure_ascii=False) + "\n")
            return
        found, wanted = read_json(file), json.loads(json.dumps(own))
        if isinstance(found.get("recipe"), dict):
            # What older plans did not know they did not do.
            found["recipe"] = {"broad": 0.0, "corrections": False, "widen": 1, **found["recipe"]}
        if "expert" not in found:
            # A plan from before that was kept: its diagnosis was digested otherwise, and where targets were counted on
            # few episodes they may be others today, which is another repair.
            found, wanted = _essence(found, wanted), _essence(wanted, wanted)
        if found != wanted:
            was, now = found.get("recipe") or {}, own["recipe"]
            differ = [f"{name} {was.get(name)}, now {now[name]}" for name in now if was.get(name) != now[name]]
            what = "; ".join(differ) or "of another policy, expert, diagnosis or --original, or with other targets"
            raise StudyError(
                f"{directory} holds another repair ({what}); choose another --out, or delete the directory."
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "format": FORMAT, "recipe": asdict(self.recipe), "policy": self.policy, "environment": self.environment,
            "diagnosis": self.diagnosis, "original": self.original, "expert": self.expert,
            "targets": [
                {
                    "variation": t.variation.to_json(), "text": t.variation.text, "group": t.suspect.group,
                    "failure": t.suspect.failure, "weight": t.suspect.weight, "episodes": t.episodes,
                }
                for t in self.targets
            ],
        }  # fmt: skip

    @classmethod
    def read(cls, directory: Path, space: VariationSpace) -> "Plan":
        """Read what `settle` wrote.

        Raises:
            StudyError: There is none, or it is damaged.
        """
        file = directory / PLAN_FILE
        found = read_json(file)
        try:
            targets = tuple(
                Target(
                    Suspect(space.variation(t["variation"]), t["failure"], t["group"], t["weight"]), int(t["episodes"])
                )
                for t in found["targets"]
            )
            whose = {name: found[name] for name in ("policy", "environment", "diagnosis")}
            whose |= {name: found.get(name) for name in ("original", "expert")}
            return cls(Recipe(**found["recipe"]), **whose, targets=targets)
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(f"{file} is damaged; delete its directory and repair again.") from error


def _essence(plan: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What an older plan and today's have in common: settings, whose policy and where, and what is demonstrated."""
    targets = plan.get("targets")
    return {
        "recipe": plan.get("recipe"),
        "original": plan.get("original", wanted["original"]),
        "targets": [[t.get(name) for name in ("variation", "episodes")] for t in targets or () if isinstance(t, dict)],
        **{name: plan.get(name) for name in ("format", "policy", "environment")},
    }


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file of a repair.

    Raises:
        StudyError: It is missing or damaged.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    except FileNotFoundError:
        raise StudyError(f"There is no {file}; 'faultfield repair' makes one.") from None
    except (OSError, ValueError) as error:
        raise StudyError(f"{file} cannot be read ({error}); delete its directory and repair again.") from error
    raise StudyError(f"{file} is damaged; delete its directory and repair again.")
