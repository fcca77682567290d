"""Make the shipped policies: demonstrations, training, 100 fresh episodes, card, and the table of all.

python scripts/policies.py [NAME ...] [--work runs/policies] [--models models] [--results docs/results]
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faultfield.policies.demonstrations import Demonstrations
from policy_cards import card, tabulate
from policy_recipes import MODELS, RECIPES, WORK, Recipe

ADDED = "\n## Also measured\n"
"""What a card says from here on was written by hand and is kept."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the policies that are named, or all; what was made stays."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(RECIPES))
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--results", type=Path, default=Path("docs/results"))
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(RECIPES):
        parser.error(f"there is no recipe for {', '.join(sorted(unknown))}; there is {', '.join(RECIPES)}.")
    options.work.mkdir(parents=True, exist_ok=True)
    for name in options.names or RECIPES:
        make(name, RECIPES[name], options.work, options.models / name, options.results)


def make(name: str, recipe: Recipe, work: Path, model: Path, results: Path) -> None:
    """Make one policy, or what is missing of it: a killed one goes on.

    What it had spent when it was killed is not known any more; `resumed` in the facts names the stages that it hit.
    """
    demos, draft = recipe.file(name, work), work / name
    note = work / f"{name}.json"
    facts: dict[str, Any] = json.loads(note.read_text()) if note.exists() else {"cpu_minutes": {}}
    attempts, partial = demos.with_suffix(".npz.attempts"), draft / "training.partial"
    stages = (
        ("demonstrations", recipe.demos(demos), demos.exists(), attempts),
        ("training", recipe.train(demos, draft), (draft / "config.json").exists(), partial),
        ("evaluation", [*recipe.measure(draft), "--json"], "successes" in facts, None),
    )
    for stage, command, done, begun in stages:
        if done:
            continue
        if begun is not None and begun.exists():
            facts["resumed"] = sorted({*facts.get("resumed", []), stage})
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = subprocess.run([sys.executable, "-m", "faultfield", *command], check=True, stdout=subprocess.PIPE)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        facts["cpu_minutes"][stage] = round(facts["cpu_minutes"].get(stage, 0.0) + seconds / 60, 1)
        if stage == "evaluation":
            facts |= json.loads(found.stdout)
        note.write_text(json.dumps(facts, indent=1) + "\n")
    model.mkdir(parents=True, exist_ok=True)
    for file in (recipe.weights, "config.json"):
        shutil.copy(draft / file, model / file)
    facts |= {
        "rows": len(Demonstrations.load(demos)),
        "demonstrations": recipe.demonstrations,
        "steps": recipe.steps,
        "date": time.strftime("%Y-%m-%d"),
    }
    readme = model / "README.md"
    _, mark, kept = readme.read_text().partition(ADDED) if readme.exists() else ("", "", "")
    readme.write_text(card(name, recipe, facts) + mark + kept)
    tabulate(name, facts, results)


if __name__ == "__main__":
    main()
