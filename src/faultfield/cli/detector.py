"""Commands on the detector: make its data."""

from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import Bars, err, out, print_json
from faultfield.cli.options import AsJson, Workers, processes

app = typer.Typer(
    no_args_is_help=True, help="Make the detector: episodes that fail for a known reason, training, scores."
)


@app.callback()
def detector() -> None:
    """Commands on the detector."""


@app.command()
def generate(
    directory: Annotated[Path, typer.Option("--out", help="Directory of the data set.")],
    tasks: Annotated[str, typer.Option(help="Tasks to train on, with commas; or module:function.")] = "Lift,Stack",
    episodes: Annotated[int, typer.Option(min=0, help="Episodes to train on, over all tasks.")] = 1000,
    dense: Annotated[
        int | None, typer.Option(min=0, help="How many of these have a reason; a fifth of them if not said.")
    ] = None,
    unseen: Annotated[str, typer.Option(help="Tasks of the split test-unseen, with commas.")] = "",
    transfer: Annotated[str, typer.Option(help="Tasks of another workspace, with commas.")] = "",
    transfer_dense: Annotated[int, typer.Option(min=0, help="Dense episodes of these to train on.")] = 0,
    test: Annotated[int, typer.Option(min=0, help="Episodes of each test split.")] = 100,
    sight: Annotated[
        int, typer.Option(min=0, help="Episodes of the unseen tasks whose scenes alone are told, never the verdict.")
    ] = 0,
    cell: Annotated[int, typer.Option(min=8, help="Side of a collage's cell, pixels.")] = 84,
    columns: Annotated[
        str, typer.Option(help="Moments in a collage, evenly over the episode; or 'phases': the end of each phase.")
    ] = "8",
    video: Annotated[bool, typer.Option("--video", help="Write the front camera as a video too.")] = False,
    fps: Annotated[float, typer.Option(help="Frames a second of the video.")] = 5.0,
    video_size: Annotated[int, typer.Option(min=8, help="Side of the video, pixels.")] = 224,
    vary: Annotated[
        float, typer.Option(min=0, max=1, help="Share of scenes in which one thing looks otherwise.")
    ] = 0.0,
    front_only: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the training collages of the front camera alone.")
    ] = 0.0,
    near: Annotated[float, typer.Option(min=0, max=1, help="Share of successes with a slight fault.")] = 0.2,
    kinds: Annotated[
        str, typer.Option(help="Kinds of fault, with commas: no_grasp,slip,translation_x, …; all if not said.")
    ] = "",
    phases: Annotated[
        str, typer.Option(help="Phases of the expert in which they begin, with commas; all if not said.")
    ] = "",
    strength: Annotated[float, typer.Option(help="Factor of how strong faults are that are meant to fail.")] = 1.0,
    phrasings: Annotated[int, typer.Option(min=1, help="Of how many wordings of a reason one is drawn.")] = 4,
    ledger: Annotated[
        Path | None, typer.Option(help="Directory of a ledger to add the episodes of the samples made now to.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Inject faults into scripted experts: collages, videos and conversations for the detector.

    Killed at any moment and run again, it goes on where it was and ends with the same files.
    """
    from faultfield.errors import FaultError
    from faultfield.faults.generate import generate as generate_data
    from faultfield.faults.recipe import Recipe

    if columns != "phases" and not columns.isdecimal():
        raise FaultError(f"The columns are a number or 'phases', not '{columns}'.")
    recipe = Recipe(
        tasks=_names(tasks),
        episodes=episodes,
        dense=episodes // 5 if dense is None else dense,
        unseen=_names(unseen),
        transfer=_names(transfer),
        transfer_dense=transfer_dense,
        test=test,
        sight=sight,
        cell=cell,
        columns="phases" if columns == "phases" else int(columns),
        video=video,
        fps=fps,
        video_size=video_size,
        vary=vary,
        front_only=front_only,
        near=near,
        kinds=_names(kinds),
        phases=_names(phases),
        strength=strength,
        phrasings=phrasings,
        seed=seed,
    )
    with Bars().stages() as update:
        info = generate_data(
            recipe, directory, workers=processes(workers), ledger=ledger,
            on_progress=lambda done, total: update("Samples", done, total),
        )  # fmt: skip
    if as_json:
        print_json(info)
        return
    for split, counts in info["splits"].items():
        out.print(f"{split:<16}{counts['samples']:>6} samples, {counts['failed']} failed")
    err.print(f"The data set lies in {directory}")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())
