"""The option by which a few labelled episodes say where a detector's verdicts on their task divide."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from faultfield.cli.console import Bars, err

Labelled = Annotated[
    Path | None,
    typer.Option(
        help="A LLaVA file of episodes of the same task with a verdict, ten or more: where they divide into failures "
        "and successes, the detector's verdicts do. Nothing is trained."
    ),
]


def calibrated(detector: Any, file: Path, instruction: str | None = None, cameras: Sequence[str] | None = None) -> Any:
    """The detector as labelled episodes set it; what came of them is told.

    Args:
        detector: A `Refiner`.
        file: With the episodes.
        instruction: What the robot was asked to do, over what the file says.
        cameras: By which they are judged; None takes all.

    Raises:
        DetectorError: The file is no good, or of a task has only failures or only successes.
    """
    from faultfield.detector import calibration
    from faultfield.detector.data import read_conversations
    from faultfield.rollouts.clip import CAMERAS

    read = read_conversations(file)
    samples = [each if instruction is None else replace(each, instruction=instruction) for each in read.items]
    with Bars().task("Labelled episodes", len(samples)) as update:
        found, told = calibration.calibrate(detector, samples, update, CAMERAS if cameras is None else cameras)
    for problem in (*read.problems, *told.problems):
        err.print(f"Left out: {problem.text}", style="yellow", markup=False, soft_wrap=True)
    for task, each in told.tasks.items():
        err.print(
            f"{task}: failed from log-odds {each.odds:+.1f} on: right on {each.after} of {each.episodes} labelled "
            f"episodes, on {each.before} without.",
            markup=False,
            soft_wrap=True,
        )
    return found


def tell_of_others(detector: Any, asked: Collection[str]) -> None:
    """Say so where no episode is of a task that labelled ones set."""
    from faultfield.faults.wording import bare

    if asked and not {bare(each) for each in asked} & set(detector.how.divides):
        err.print(
            "None of the episodes was asked what the labelled ones were, so these change nothing; --instruction says "
            "it of both.",
            style="yellow",
            soft_wrap=True,
        )
