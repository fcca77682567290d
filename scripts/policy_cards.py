"""What is written about the shipped policies: a card each, and a page of all."""
# ruff: noqa: E501 - the rows of a card's table are single lines

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faultfield.envs.metaworld import Metaworld
from faultfield.envs.robosuite import Robosuite
from faultfield.policies.teachers import ROBOSUITE, camera_of, teacher
from policy_recipes import EPISODES, EVALUATED, RECIPES, Recipe, commands

BAR = 0.7
"""A policy that succeeds less often is reported and left out of claims."""

NETWORKS = {
    None: "three convolutions, spatial softmax (48 maps), two hidden layers of 256; 0.12 M weights, 0.5 MB",
    "bc-rnn": "robomimic's BC-RNN: `PocketCore` (three convolutions, spatial softmax), LSTM of 2 × 128, windows of 10 steps",
    "bc-transformer": "robomimic's BC-Transformer: `PocketCore` (three convolutions, spatial softmax), 2 layers of 128, 10 frames",
    "bcq": "robomimic's BCQ: `PocketCore` (three convolutions, spatial softmax), VAE and two critics of 2 × 256",
}
"""By robomimic's algorithm; None is `VisualBC`."""

TRAININGS = {
    None: "behaviour cloning, {steps} steps of 64 rows, AdamW 1e-3 with a cosine, seed 0; colour jitter; the eye guided by where everything was",
    "bc-rnn": "robomimic's own code, {steps} batches of 8 windows, Adam 1e-3 in steps, seed 0; colour jitter",
    "bc-transformer": "robomimic's own code, {steps} batches of 8 windows, Adam 1e-3 in steps, seed 0; colour jitter",
    "bcq": "robomimic's own code, {steps} batches of 32 rows, Adam 1e-3 in steps, seed 0; colour jitter",
}


def rate(facts: Mapping[str, Any]) -> str:
    """Successes with their interval."""
    return f"**{facts['successes']} of {facts['episodes']}** (Wilson 95 %: {facts['low']:.3f}–{facts['high']:.3f})"


def card(name: str, recipe: Recipe, facts: Mapping[str, Any]) -> str:
    """The model's README."""
    task, simulator = recipe.settings["task"], "robosuite" if recipe.environment == ROBOSUITE else "metaworld"
    numbers = (
        "nine numbers of proprioception" if simulator == "robosuite" else "where the hand is and how far it is open"
    )
    expert = (recipe.expert or teacher(recipe.environment, recipe.settings).type).rsplit(":", 1)[1]
    good = facts["successes"] / facts["episodes"] >= BAR
    varied = (
        f" {recipe.varied['share']:.0%} of them under a random variation of up to {recipe.varied['most']} factors over"
        " their whole ranges; where the expert failed, another was drawn;"
        if recipe.varied
        else ""
    )
    if recipe.looks:
        varied += f" each pictured as {recipe.looks} further looks as well, drawn from the whole space;"
    verdict = (
        "For trying and measuring diagnosis."
        if good
        else f"**Under {BAR:.0%}: too weak for claims.** It ships so that what it does can be looked at."
    )
    resumed = facts.get("resumed", ())
    training = TRAININGS[recipe.algorithm].format(steps=facts["steps"])
    if recipe.strong:
        training = training.replace(
            "colour jitter", "strong colour jitter, seven pictures of ten moved by up to four pixels"
        )
    training += f"; its eye began as that of `{recipe.eye}`" if recipe.eye else ""
    spent = ", ".join(
        f"{stage} {minutes:g}{' (its last part; it was interrupted)' if stage in resumed else ''}"
        for stage, minutes in facts["cpu_minutes"].items()
    )
    return f"""# {name}

A visual policy for {simulator}'s {task}, made to be diagnosed. Asked: "{_instruction(recipe)}"

| | |
|---|---|
| sees | one picture (`observation.images.{camera_of(recipe.environment, recipe.settings)}`, 84×84) and {numbers}; never where the objects truly are |
| answers | one action; the gripper is −1 or 1 |
| network | {NETWORKS[recipe.algorithm]} |
| data | {facts["demonstrations"]} demonstrations ({facts["rows"]} {"pictures" if recipe.looks else "steps"}) of `{expert}`, seed 0;{varied} noise 0.3 on what is executed and none on the labels, half of them begun with a random push |
| training | {training} |

## Remake it

```sh
{chr(10).join(commands(name, recipe))}
```

Or `python scripts/policies.py {name}`. CPU-minutes on a busy machine: {spent}.

## Measured

Nominal, {EPISODES} fresh episodes (reset seeds {EVALUATED}–{EVALUATED + EPISODES - 1}; demonstrations only use seeds from 2^30 up), by the last command:
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
        "`python scripts/policies.py NAME`, which runs the commands below; CPU-minutes are those of a busy machine, with > where it was interrupted.",
        f"A policy under {BAR:.0%} is left out of claims.",
        "",
        "| policy | task | of | demonstrations (steps) | training steps | CPU-minutes | successes |",
        "|---|---|---|---|---|---|---|",
    ]
    for known, recipe in RECIPES.items():
        if known in table:
            row = table[known]
            kind = "VisualBC" if recipe.algorithm is None else f"robomimic, {recipe.algorithm}"
            over = ">" if row.get("resumed") else ""
            lines.append(
                f"| [{known}](../../models/{known}/README.md) | {recipe.settings['task']} | {kind} | {row['demonstrations']} "
                f"({row['rows']}) | {row['steps']} | {over}{sum(row['cpu_minutes'].values()):.0f} | {rate(row)} |"
            )
    missing = [known for known in RECIPES if known not in table]
    if missing:
        lines += ["", f"Not made yet: {', '.join(missing)}."]
    lines += ["", "The Lift policies `lift-bc` and `lift-bc-plain` are on [their own page](lift.md).", "", "```sh"]
    lines += [command for known, recipe in RECIPES.items() for command in commands(known, recipe)]
    return "\n".join([*lines, "```", ""])
