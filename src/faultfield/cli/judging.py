"""Which detector judges, and how: the options that `explain` and `detector eval` share, and what they load."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

import faultfield
from faultfield.cli.console import err
from faultfield.errors import CheckpointError, DetectorError

SHIPPED = Path("models/detector")
"""The detector that ships, below the repository, where none is named."""

_REPOSITORY = Path(faultfield.__file__).resolve().parents[2]
"""Where an editable installation was made from; of any other, some directory that has nothing to do with us."""

Model = Annotated[
    Path | None, typer.Option("--model", help="Directory of a trained detector; the one that ships by default.")
]
Rounds = Annotated[int, typer.Option(min=1, help="Most rounds in which it answers, told its own answers before.")]
Trajectories = Annotated[int, typer.Option("--samples", min=1, help="Answers side by side; the surest is kept.")]
Temperature = Annotated[
    float,
    typer.Option(
        min=0.0, help="Of the answers; 0 takes the likeliest words, and all samples agree; the paper's is 0.7."
    ),
]
BySight = Annotated[
    bool,
    typer.Option(
        "--by-sight/--by-head",
        help="Judge by what the trained eyes read (networks that learned to judge it), or by the head alone.",
    ),
]
BatchSize = Annotated[int, typer.Option("--batch", min=1, help="Episodes judged at once.")]
Seed = Annotated[int, typer.Option(min=0, help="Of the answers that are drawn.")]
Device = Annotated[str, typer.Option(help="Where the model computes: cpu, cuda, or auto, a GPU where there is one.")]
Dtype = Annotated[str, typer.Option(help="What it computes in: float32, bfloat16, or auto, bfloat16 on a GPU.")]


def tell_of_samples(given: Collection[str], temperature: float) -> None:
    """Say so where samples or a seed were asked for that change nothing, as nothing is drawn."""
    if temperature == 0 and (idle := sorted({"--samples", "--seed"} & set(given))):
        err.print(
            f"The likeliest words are taken: nothing depends on {' and '.join(idle)}; --temperature 0.7 draws answers.",
            style="yellow",
            soft_wrap=True,
        )


def load_detector(model: Path | None, device: str = "auto", dtype: str = "auto", **how: Any) -> Any:
    """The detector in a directory, or the one that ships.

    Args:
        model: The directory.
        device: Where it computes.
        dtype: In what.
        how: Settings of its `Refinement`.

    Raises:
        CheckpointError: There is none, or it is damaged.
        DetectorError: There is no such device here, or no such type, or it is a plainly fine-tuned model.
    """
    from faultfield.detector import checkpoint
    from faultfield.detector.refine import Refiner
    from faultfield.detector.trajectories import Refinement

    model = shipped() if model is None else model
    device, dtype = checkpoint.placed(device, dtype)
    found = checkpoint.load(model, dtype, device)
    if found.plain:
        raise DetectorError(
            f"'{model}' was fine-tuned plainly, and its head never learned to judge; 'faultfield detector eval "
            "--baseline fine-tuned' asks it as it was trained."
        )
    return Refiner(found, Refinement(**how))


def shipped() -> Path:
    """Where the detector that ships lies: below this directory, else in the repository that the package runs from.

    Raises:
        CheckpointError: It is in neither place.
    """
    places = [SHIPPED]
    if (_REPOSITORY / "pyproject.toml").is_file():
        places.append(_REPOSITORY / SHIPPED)
    for place in places:
        if place.is_dir():
            return place
    looked = " nor in ".join(f"'{place}'" for place in places)
    raise CheckpointError(
        f"There is no detector in {looked}; name the directory of one with --model, or run this in the repository."
    )
