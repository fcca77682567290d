"""An example of every command, at the end of its help."""

from collections.abc import Iterator

import typer
from typer.models import CommandInfo

EXAMPLES = {
    "run": ("studies/lift-demo.yaml --out runs/lift-demo", "studies/lift-demo.yaml --policy my-checkpoint/"),
    "collect": ("studies/lift-demo.yaml --workers 4",),
    "fit": ("studies/lift-demo.yaml",),
    "search": ("studies/lift-demo.yaml",),
    "diagnose": ("studies/lift-demo.yaml --json",),
    "report": ("studies/lift-demo.yaml",),
    "predict": ("runs/lift-demo --variations asked.yaml --json",),
    "rollout": ("runs/lift-demo --variations asked.yaml --episodes 30",),
    "compare": ("runs/before runs/after --fail-on-regression --junit compare.xml",),
    "export": (
        "runs/lift-demo --format lerobot --out failures/ --failures",
        "runs/lift-demo --format llava --out episodes/ --media video",
    ),
    "hunt": (
        "studies/lift-demo.yaml --budget 200 --confirm 10",
        "studies/lift-demo.yaml --budget 200 --strategy level-set --with-probe",
    ),
    "repair": (
        "runs/lift-demo --budget-episodes 200 --steps 12000 --looks 8",
        "runs/my-study --budget-episodes 60 --after new.pth",
    ),
    "explain": ("episode.mp4 --instruction 'Lift the cube.'", "runs/lift-demo --failed-only --limit 100 --json"),
    "policy demos": ("--out demos.npz --episodes 300 --env-args '{task: Stack, placement: 0.1}'",),
    "policy train": ("--demos demos.npz --out policy/ --steps 6000 --guided",),
    "policy robomimic": ("--demos demos.npz --out bc-rnn/ --algorithm bc-rnn",),
    "policy eval": ("policy/ --episodes 100",),
    "field pretrain": ("--out encoder/ --scenes 12000",),
    "detector generate": ("--tasks Lift,Stack --episodes 1200 --dense 400 --unseen PickPlaceCan --out runs/faults",),
    "detector train": (
        "--data runs/faults --out detector/ --sight runs/faults",
        "--data mine.json --model Qwen/Qwen2.5-VL-7B-Instruct --paper --settings '{lora: {rank: 16}}' --out mine/",
    ),
    "detector eval": (
        "--data runs/faults/test-unseen.json --answers answers.jsonl --json",
        "--data runs/faults/test-seen.json --baseline endpoint --url http://localhost:8000/v1 --name my-model",
    ),
}
"""What stands behind `faultfield COMMAND`, one line an example."""


def teach(app: typer.Typer) -> None:
    """Put the examples at the end of each command's help."""
    for name, command in commands(app):
        lines = "\n\n".join(f"`faultfield {name} {example}`" for example in EXAMPLES.get(name, ()))
        command.epilog = f"For instance\n\n{lines}" if lines else None


def commands(app: typer.Typer, before: str = "") -> Iterator[tuple[str, CommandInfo]]:
    """All commands of a program, by the words that call them."""
    for command in app.registered_commands:
        own = command.name or getattr(command.callback, "__name__", "")
        yield f"{before}{own}", command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, f"{before}{group.name} ")
