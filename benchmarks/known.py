"""Success under each known variation: the policy, the expert and the blind policy, on the same fresh seeds.

    python benchmarks/known.py runs/lift-demo --episodes 30 --seed 3000000 --out docs/results/lift-known

Writes `<out>.json` and a table `<out>.md`. Killed and run again, it goes on where it was.
"""

import argparse
from pathlib import Path
from typing import Any

from faultfield.cli.console import Bars
from faultfield.study import Study
from faultfield.study.ask import roll_out
from faultfield.variations import NOMINAL
from pages import facts, run, write
from studied import task_of

ROLES = ("policy", "expert", "blind")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--episodes", type=int, default=30)
    parser.add_argument("--seed", type=int, default=3_000_000)
    parser.add_argument("--roles", nargs="+", choices=ROLES, default=ROLES)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    counted: dict[str, list[dict[str, Any]]] = {}
    with Study.open(arguments.study, workers=arguments.workers) as study:
        asked = [NOMINAL, *study.known]
        for role in arguments.roles:
            counted[role] = roll_out(
                study, asked, episodes=arguments.episodes, seed=arguments.seed, keep=False, role=role, progress=Bars()
            )
    what = f"{arguments.episodes} episodes each, seeds from {arguments.seed}"
    found = facts(
        study=study.name, policy=study.identity["policy"], task=task_of(study.env_spec), what=what, counted=counted
    )
    write(arguments.out, found, table(counted, what))


def table(counted: dict[str, list[dict[str, Any]]], what: str) -> list[str]:
    """Success of each role with its Wilson interval (95 %), as Markdown."""
    head = f"| variation | {' | '.join(counted)} |"
    lines = [f"Successes, Wilson 95 %; {what}.", "", head, "|---|" + "---|" * len(counted)]
    for row in zip(*counted.values(), strict=True):
        cells = [
            f"{r['episodes'] - r['failures']}/{r['episodes']} [{1 - r['high']:.2f}, {1 - r['low']:.2f}]" for r in row
        ]
        lines.append(f"| {row[0]['text']} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    run(main, "known.py")
