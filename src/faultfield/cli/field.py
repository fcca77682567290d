"""Commands on the field's encoder."""

from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import Bars, err
from faultfield.cli.options import Workers, processes

app = typer.Typer(no_args_is_help=True, help="Make the encoder that a field stands on.")


@app.callback()
def encoder() -> None:
    """Commands on the field's encoder."""


@app.command()
def pretrain(
    path: Annotated[Path, typer.Option("--out", help="Directory of the encoder.")],
    scenes: Annotated[int, typer.Option(min=100, help="Scenes to render.")] = 12_000,
    steps: Annotated[int, typer.Option(min=1, help="Gradient steps.")] = 600,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    environment: Annotated[
        str, typer.Option(help="Environment, module:Class.")
    ] = "faultfield.envs.robosuite:Robosuite",
    workers: Workers = None,
) -> None:
    """Train the pocket CLIP on rendered scenes and their sentences; killed and run again, it goes on where it was."""
    from faultfield.field.pretraining import pretrain as pretrain_encoder
    from faultfield.rollouts.specs import EnvSpec

    with Bars().stages() as update:
        pretrain_encoder(EnvSpec(environment), path, scenes, steps, seed, processes(workers), on_progress=update)
    err.print(f"The encoder and its card lie in {path}")
