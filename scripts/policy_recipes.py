"""How each shipped policy is made: by which commands, and from what."""

import dataclasses
import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield.policies.teachers import METAWORLD, RANDOMISED, ROBOSUITE

EVALUATED = 3_000_000
"""The reset seed of the first of the fresh episodes; demonstrations only use seeds from 2^30 up."""

EPISODES = 100

LIFT_EXPERT = "faultfield.policies.experts:LiftExpert"
"""Who taught the shipped Lift policies; today's expert waits for its fingers."""

WORK = Path("runs/policies")
MODELS = Path("models")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a policy is made.

    Attributes:
        environment: In which it is measured, `module:Class`.
        settings: Of the environment.
        demonstrations: How many.
        steps: Of training.
        varied: Settings of `Randomised`, where it demonstrates under variations; nominally where there are none.
        looks: As how many further looks each demonstration is pictured.
        strong: Whether pictures are jittered strongly and moved about in training.
        algorithm: Of robomimic's; where it is None, the policy is a `VisualBC`.
        data: Name of the demonstrations, where several policies learn from the same; else they are named as the policy.
        eye: Name of the shipped `VisualBC` policy with whose eye one of robomimic's begins.
        expert: Who demonstrates; ours for the task where None.
    """

    environment: str
    settings: Mapping[str, Any]
    demonstrations: int
    steps: int
    varied: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    looks: int = 0
    strong: bool = False
    algorithm: str | None = None
    data: str | None = None
    eye: str | None = None
    expert: str | None = None

    def file(self, name: str, work: Path) -> Path:
        """Where the demonstrations of the policy of this name lie."""
        return work / f"{self.data or name}.npz"

    def demos(self, path: Path) -> list[str]:
        """The command that gathers demonstrations."""
        environment, settings = self.environment, dict(self.settings)
        if self.varied:
            environment, settings = RANDOMISED, {"type": environment, **settings, **self.varied}
        where = [] if environment == ROBOSUITE else ["--environment", environment]
        looks = ["--looks", str(self.looks)] if self.looks else []
        who = ["--expert", self.expert] if self.expert else []
        return ["policy", "demos", "--out", str(path), "--episodes", str(self.demonstrations), *where,
                "--env-args", json.dumps(settings), *looks, *who]  # fmt: skip

    def train(self, demos: Path, out: Path) -> list[str]:
        """The command that trains."""
        data = ["--demos", str(demos), "--out", str(out), "--steps", str(self.steps)]
        if self.algorithm is None:
            return ["policy", "train", *data, "--guided", *(["--strong"] if self.strong else [])]
        eye = [] if self.eye is None else ["--eye", str(MODELS / self.eye)]
        return ["policy", "robomimic", *data, "--algorithm", self.algorithm, *eye]

    def measure(self, checkpoint: Path) -> list[str]:
        """The command that counts successes."""
        where = [] if self.environment == ROBOSUITE else ["--environment", self.environment]
        return ["policy", "eval", str(checkpoint), "--episodes", str(EPISODES), "--seed", str(EVALUATED), *where,
                "--env-args", json.dumps(self.settings)]  # fmt: skip

    @property
    def weights(self) -> str:
        """Name of the checkpoint's file of weights; `config.json` lies beside it."""
        return "model.safetensors" if self.algorithm is None else "model.pth"


def commands(name: str, recipe: Recipe) -> list[str]:
    """What makes and measures the policy, one command a line."""
    demos, model = recipe.file(name, WORK), WORK / name
    return [written(c) for c in (recipe.demos(demos), recipe.train(demos, model), recipe.measure(model))]


def written(command: Sequence[str]) -> str:
    """A command as one would type it."""
    return f"faultfield {shlex.join(command)}"


def _robosuite(task: str, demonstrations: int, steps: int, **more: Any) -> Recipe:
    return Recipe(ROBOSUITE, {"task": task, "placement": 0.1}, demonstrations, steps, **more)


def _metaworld(task: str, demonstrations: int, steps: int) -> Recipe:
    return Recipe(METAWORLD, {"task": task}, demonstrations, steps)


def _robomimic(task: str, data: str, eye: str, demonstrations: int, steps: Mapping[str, int]) -> dict[str, Recipe]:
    """One recipe of each of robomimic's algorithms, all on the same demonstrations."""
    return {
        f"{data.removesuffix('-bc')}-{algorithm}": _robosuite(
            task,
            demonstrations,
            count,
            algorithm=algorithm,
            data=data,
            eye=eye,
            expert=LIFT_EXPERT if task == "Lift" else None,
        )
        for algorithm, count in steps.items()
    }


RECIPES: Mapping[str, Recipe] = {
    "lift-hard": _robosuite("Lift", 300, 6000, varied={"share": 0.8, "most": 2}, expert=LIFT_EXPERT),
    "lift-robust": _robosuite(
        "Lift", 500, 14000, varied={"share": 0.9, "most": 3}, looks=4, strong=True, expert=LIFT_EXPERT
    ),
    **_robomimic("Lift", "lift", "lift-bc", 100, {"bc-rnn": 3000, "bc-transformer": 3000, "bcq": 4000}),
    "metaworld-drawer-open-bc": _metaworld("drawer-open-v3", 60, 2500),
    "metaworld-push-bc": _metaworld("push-v3", 250, 8000),
    "can-bc": _robosuite("PickPlaceCan", 100, 5000),
    **_robomimic("PickPlaceCan", "can-bc", "can-bc", 100, {"bc-rnn": 4000, "bc-transformer": 4000, "bcq": 6000}),
    "stack-bc": _robosuite("Stack", 200, 6000),
    "metaworld-pick-place-bc": _metaworld("pick-place-v3", 300, 8000),
    "square-bc": _robosuite("NutAssemblySquare", 200, 8000),
}
"""The likeliest to succeed first."""
