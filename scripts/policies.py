"""Make the shipped VisualBC policies: demonstrations, training, 100 fresh episodes, card, and the table of all.

python scripts/policies.py [NAME ...] [--work runs/policies] [--models models] [--results docs/results]
"""
# ruff: noqa: E501 - the rows of a card's table are single lines

import argparse
import dataclasses
import json
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield.envs.metaworld import Metaworld
from faultfield.envs.robosuite import Robosuite
from faultfield.policies.teachers import METAWORLD, RANDOMISED, ROBOSUITE, camera_of, teacher

EVALUATED = 3_000_000
"""The reset seed of the first of the fresh episodes; demonstrations only use seeds from 2^30 up."""

EPISODES = 100
ADDED = "\n## Also measured\n"
"""What a card says from here on was written by hand and is kept."""

BAR = 0.7
"""A policy that succeeds less often is reported and left out of claims."""


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a policy is made.

    Attributes:
        environment: In which it is measured, `module:Class`.
        settings: Of the environment.
        demonstrations: How many.
        steps: Of training.
        varied: Settings of `Randomised`, where it demonstrates under variations; nominally where there are none.
    """

    environment: str
    settings: Mapping[str, Any]
    demonstrations: int
    steps: int
    varied: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def demos(self, path: Path) -> list[str]:
        """The command that gathers demonstrations."""
        environment, settings = self.environment, dict(self.settings)
        if self.varied:
            environment, settings = RANDOMISED, {"type": environment, **settings, **self.varied}
        where = [] if environment == ROBOSUITE else ["--environment", environment]
        return ["policy", "demos", "--out", str(path), "--episodes", str(self.demonstrations), *where,
                "--env-args", json.dumps(settings)]  # fmt: skip

    def train(self, demos: Path, out: Path) -> list[str]:
        """The command that trains."""
        return ["policy", "train", "--demos", str(demos), "--out", str(out), "--steps", str(self.steps), "--guided"]

    def measure(self, checkpoint: Path) -> list[str]:
        """The command that counts successes."""
        where = [] if self.environment == ROBOSUITE else ["--environment", self.environment]
        return ["policy", "eval", str(checkpoint), "--episodes", str(EPISODES), "--seed", str(EVALUATED), *where,
                "--env-args", json.dumps(self.settings)]  # fmt: skip


def _metaworld(task: str, demonstrations: int, steps: int) -> Recipe:
    return Recipe(METAWORLD, {"task": task}, demonstrations, steps)


RECIPES = {
    "lift-hard": Recipe(ROBOSUITE, {"task": "Lift", "placement": 0.1}, 300, 6000, {"share": 0.8, "most": 2}),
    "metaworld-drawer-open-bc": _metaworld("drawer-open-v3", 60, 2500),
    "metaworld-push-bc": _metaworld("push-v3", 250, 8000),
    "can-bc": Recipe(ROBOSUITE, {"task": "PickPlaceCan", "placement": 0.1}, 100, 5000),
    "stack-bc": Recipe(ROBOSUITE, {"task": "Stack", "placement": 0.1}, 200, 6000),
    "metaworld-pick-place-bc": _metaworld("pick-place-v3", 300, 8000),
    "square-bc": Recipe(ROBOSUITE, {"task": "NutAssemblySquare", "placement": 0.1}, 200, 8000),
}
"""The likeliest to succeed first."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the policies that are named, or all; what was made stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--work", type=Path, default=Path("runs/policies"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--results", type=Path, default=Path("docs/results"))
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(RECIPES):
        parser.error(f"there is no recipe for {', '.join(sorted(unknown))}; there is {', '.join(RECIPES)}.")
    options.work.mkdir(parents=True, exist_ok=True)
    for name in options.names or RECIPES:
        make(name, RECIPES[name], options.work, options.models / name, options.results)


def make(name: str, recipe: Recipe, work: Path, model: Path, results: Path) -> None:
    """Make one policy, or what is missing of it: a killed one goes on, but what it had spent by then is not counted."""
    demos, draft = work / f"{name}.npz", work / name
    note = work / f"{name}.json"
    facts: dict[str, Any] = json.loads(note.read_text()) if note.exists() else {"cpu_minutes": {}}
    stages = (
        ("demonstrations", recipe.demos(demos), demos.exists()),
        ("training", recipe.train(demos, draft), (draft / "config.json").exists()),
        ("evaluation", [*recipe.measure(draft), "--json"], "successes" in facts),
    )
    for stage, command, done in stages:
        if done:
            continue
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = subprocess.run([sys.executable, "-m", "faultfield", *command], check=True, stdout=subprocess.PIPE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        facts["cpu_minutes"][stage] = round(facts["cpu_minutes"].get(stage, 0.0) + seconds / 60, 1)
        if stage == "evaluation":
            facts |= json.loads(found.stdout)
        note.write_text(json.dumps(facts, indent=1) + "\n")
    model.mkdir(parents=True, exist_ok=True)
    for file in ("model.safetensors", "config.json"):
        shutil.copy(draft / file, model / file)
    training = json.loads((model / "config.json").read_text())["training"]
    facts |= {
        "rows": training["rows"],
        "demonstrations": recipe.demonstrations,
        "steps": recipe.steps,
        "date": time.strftime("%Y-%m-%d"),
    }
    readme = model / "README.md"
    added = readme.read_text().partition(ADDED)[1:] if readme.exists() else ("", "")
    readme.write_text("".join((card(name, recipe, facts), *added)))
    tabulate(name, facts, results)


def written(command: Sequence[str]) -> str:
    """A command as one would type it."""
    return f"faultfield {shlex.join(command)}"


def commands(name: str, recipe: Recipe) -> list[str]:
    """What makes and measures the policy, one command a line."""
    demos, model = Path(f"runs/policies/{name}.npz"), Path(f"models/{name}")
    return [written(c) for c in (recipe.demos(demos), recipe.train(demos, model), recipe.measure(model))]


def rate(facts: Mapping[str, Any]) -> str:
    """Successes with their interval."""
    return f"**{facts['successes']} of {facts['episodes']}** (Wilson 95 %: {facts['low']:.3f}–{facts['high']:.3f})"


def card(name: str, recipe: Recipe, facts: Mapping[str, Any]) -> str:
    """The model's README."""
    task, simulator = recipe.settings["task"], "robosuite" if recipe.environment == ROBOSUITE else "metaworld"
    numbers = (
        "nine numbers of proprioception" if simulator == "robosuite" else "where the hand is and how far it is open"
    )
    what = _instruction(recipe)
    expert = teacher(recipe.environment, recipe.settings).type.rsplit(":", 1)[1]
    good = facts["successes"] / facts["episodes"] >= BAR
    varied = (
        f" {recipe.varied['share']:.0%} of them under a random variation of up to {recipe.varied['most']} factors over"
        " their whole ranges; where the expert failed, another was drawn;"
        if recipe.varied
        else ""
    )
    verdict = (
        "For trying and measuring diagnosis."
        if good
        else f"**Under {BAR:.0%}: too weak for claims.** It ships so that what it does can be looked at."
    )
    made = facts["cpu_minutes"]
    spent = ", ".join(f"{stage} {minutes:g}" for stage, minutes in made.items())
    return f"""# {name}

A visual policy for {simulator}'s {task}, made to be diagnosed. Asked: "{what}"

| | |
|---|---|
| sees | one picture (`observation.images.{camera_of(recipe.environment, recipe.settings)}`, 84×84) and {numbers}; never where the objects truly are |
| answers | one action; the gripper is −1 or 1 |
| network | three convolutions, spatial softmax (48 maps), two hidden layers of 256; 0.12 M weights, 0.5 MB |
| data | {facts["demonstrations"]} demonstrations ({facts["rows"]} steps) of `{expert}`, seed 0;{varied} noise 0.3 on what is executed and none on the labels, half of them begun with a random push |
| training | behaviour cloning, {facts["steps"]} steps of 64 rows, AdamW 1e-3 with a cosine, seed 0; colour jitter; the eye guided by where everything was |

## Remake it

```sh
{chr(10).join(commands(name, recipe))}
```

Or `python scripts/policies.py {name}`. CPU-minutes on a busy machine: {spent}.

## Measured

Nominal, 100 fresh episodes (reset seeds {EVALUATED}–{EVALUATED + EPISODES - 1}; demonstrations only use seeds from 2^30 up), by the last command:
{rate(facts)}.

## Use and limits

{verdict} It has only ever seen simulation, one task and one camera. Where a variation makes the task impossible it fails as anybody
would: compare with the scripted expert.
"""


def _instruction(recipe: Recipe) -> str:
    make = Robosuite if recipe.environment == ROBOSUITE else Metaworld
    env = make(images=False, **recipe.settings)
    try:
        return env.instruction
    finally:
        env.close()


def tabulate(name: str, facts: Mapping[str, Any], results: Path) -> None:
    """Put the policy's row into `policies.json` and write the page anew."""
    stored = results / "policies.json"
    table = json.loads(stored.read_text()) if stored.exists() else {}
    table[name] = dict(facts)
    stored.write_text(json.dumps(dict(sorted(table.items())), indent=1) + "\n")
    (results / "policies.md").write_text(page(table))


def page(table: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of all policies, from their rows by name."""
    lines = [
        "# The shipped policies",
        "",
        f"Nominal success over {EPISODES} fresh episodes each (reset seeds {EVALUATED} and up), Wilson 95 %. Made and measured by",
        "`python scripts/policies.py NAME`, which runs the commands below; CPU-minutes are those of a busy machine.",
        f"A policy under {BAR:.0%} is left out of claims.",
        "",
        "| policy | task | demonstrations (steps) | training steps | CPU-minutes | successes |",
        "|---|---|---|---|---|---|",
    ]
    for known, recipe in RECIPES.items():
        if known in table:
            row = table[known]
            lines.append(
                f"| [{known}](../../models/{known}/README.md) | {recipe.settings['task']} | {row['demonstrations']} "
                f"({row['rows']}) | {row['steps']} | {sum(row['cpu_minutes'].values()):.0f} | {rate(row)} |"
            )
    missing = [known for known in RECIPES if known not in table]
    if missing:
        lines += ["", f"Not made yet: {', '.join(missing)}."]
    lines += ["", "The Lift policies `lift-bc` and `lift-bc-plain` are on [their own page](lift.md).", "", "```sh"]
    lines += [command for known, recipe in RECIPES.items() for command in commands(known, recipe)]
    return "\n".join([*lines, "```", ""])


if __name__ == "__main__":
    main()
