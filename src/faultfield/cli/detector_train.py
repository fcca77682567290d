"""The command that trains a detector."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import Bars, err
from faultfield.cli.options import mapping
from faultfield.cli.threads import all_cores
from faultfield.errors import DetectorError

_PAPER_CELL = 320
"""Height and width of the paper's videos, pixels (B.1)."""

_RULE = "The {} must be a YAML mapping such as '{{seed: 0}}'"


def register(app: typer.Typer) -> None:
    """Add the command to the detector's."""
    app.command()(train)


def train(
    data: Annotated[
        list[Path], typer.Option("--data", help="Data directories of `faultfield detector generate`, or LLaVA files.")
    ],
    path: Annotated[Path, typer.Option("--out", help="Directory of the detector.")],
    model: Annotated[
        str,
        typer.Option(help="To begin with: a detector's directory, a Qwen2.5-VL (folder or hub name), or 'pocket'."),
    ] = "pocket",
    split: Annotated[
        list[str] | None, typer.Option(help="Splits of a data directory; train-sparse and train-dense by default.")
    ] = None,
    method: Annotated[str, typer.Option(help="armor, sft-d or sft-s+d.")] = "armor",
    paper: Annotated[bool, typer.Option("--paper", help="Train as the paper does (Table 5), not the pocket.")] = False,
    settings: Annotated[
        str, typer.Option(help="Settings over these as YAML, for instance '{lr: 1.0e-4, rounds: 2, lora: {rank: 8}}'.")
    ] = "{}",
    view: Annotated[
        str,
        typer.Option(
            help="What a fresh model is shown, as YAML, for instance '{kind: video, frames: 8}'; "
            "with --paper a video's pictures have 320 pixels."
        ),
    ] = "{}",
    sight: Annotated[
        Path | None,
        typer.Option(
            help="What teaches it to see first: a data directory (the vision tower by simulator states, then the "
            "language by captions), an .npz of pictures and states; or a detector whose tower and readout are taken."
        ),
    ] = None,
    sight_settings: Annotated[str, typer.Option(help="Settings of that as YAML, for instance '{epochs: 5}'.")] = "{}",
    store: Annotated[
        str | None,
        typer.Option(help="Type of the weights on disk: float32, float16 or bfloat16; as they are if not said."),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Megabytes of main memory in which a process keeps what a frozen tower made of the pictures; by "
            "default a quarter of what is free, shared among the processes. It changes nothing but the time.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order and draws.")] = 0,
) -> None:
    """Train a detector; killed and run again, it goes on where it was."""
    from faultfield.detector import checkpoint
    from faultfield.detector.data import check_splits, looked_at, read_labelled
    from faultfield.detector.training import captioning, run
    from faultfield.detector.training.config import TrainingConfig
    from faultfield.detector.training.eyes import open_eyes
    from faultfield.detector.training.origin import check, origin_of
    from faultfield.detector.training.sight import SightConfig
    from faultfield.detector.views import Viewer

    shown = mapping(view, _RULE.format("view"))
    own = checkpoint.viewer_of(model)
    if own is not None and shown:
        raise DetectorError(f"The detector '{model}' is shown what it was trained on; leave --view out.")
    videos = (own or Viewer.from_json(shown)).kind == "video"
    if paper and videos:
        shown = {"cell": _PAPER_CELL, **shown}
    base = TrainingConfig.paper(videos) if paper else TrainingConfig()
    if model == "pocket" and sight is None:
        # Eyes that nothing else teaches have to learn here.
        base = replace(base, freeze_vision=False)
    config = base.updated({"method": method, "seed": seed, **mapping(settings, _RULE.format("settings"))})
    eyes = SightConfig.updated({"seed": seed, **mapping(sight_settings, _RULE.format("settings of sight"))})
    checkpoint.check_type(store)
    if split is not None:
        check_splits(data, split)
    read = read_labelled(data) if split is None else read_labelled(data, split)
    with Bars().task("Pictures", len(read.items)) as seen:
        read = looked_at(read, seen)
    for problem in read.problems:
        err.print(f"Left out: {problem.text}", style="yellow", markup=False, soft_wrap=True)
    if not read.items:
        raise DetectorError("Not one sample can be trained on.")
    done, room = (path / run.ABOUT).is_file(), None if keep is None else keep * 10**6
    with all_cores(), Bars().stages() as update:
        accelerator = run.make_accelerator(config)
        # Of several processes one tells.
        tell = update if accelerator.is_main_process else None
        told = captioning.sentences(sight, eyes.rename)
        # What learns to see learns with all its weights.
        dtype = "float32" if sight is not None else run.loaded_as(config)
        start = run.begin(model, read.items, shown, seed, told, dtype)
        origin = origin_of(model, sight, eyes)
        if sight is not None and not done:
            check(path / run.WORK, origin)
            open_eyes(start, sight, eyes, accelerator, Path(f"{path}.sight"), tell, room)
        about = run.train(
            start, read.items, config, path, accelerator=accelerator, store=store, on_progress=tell, origin=origin,
            room=room,
        )  # fmt: skip
    if not accelerator.is_main_process:
        return
    last = about["last"] or {}
    losses = f"; the last step's losses are {last['detection']:.3f} and {last['reason']:.3f}" if last else ""
    already = "Already trained: " if done else ""
    steps = f"{about['steps']} steps on {about['samples']} samples ({about['dense']} dense)"
    err.print(f"{already}{steps}{losses}. It lies in {path}", soft_wrap=True)
