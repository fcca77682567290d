"""Episodes of a study in the formats of other tools."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import Bars, err, print_json
from faultfield.cli.options import VARIATION, AsJson, Workers, mapping, processes, refuse


class Format(StrEnum):
    """What can be written."""

    robomimic = "robomimic"
    lerobot = "lerobot"
    llava = "llava"


class Media(StrEnum):
    """What a conversation shows."""

    image = "image"
    video = "video"


_OF_ONE = {Format.robomimic: ("--valid",), Format.llava: ("--media", "--verdicts", "--sparse")}
"""Options that one format has."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(export)


def export(
    context: typer.Context,
    study: Annotated[Path, typer.Argument(help="The directory of a study that was run.")],
    format: Annotated[
        Format, typer.Option(help="robomimic: one HDF5 file. lerobot: a LeRobotDataset v3. llava: conversations.")
    ],
    path: Annotated[Path, typer.Option("--out", help="The file (robomimic) or folder to write; it may not exist.")],
    successes: Annotated[bool, typer.Option("--successes", help="Only episodes that succeeded.")] = False,
    failures: Annotated[bool, typer.Option("--failures", help="Only episodes that failed.")] = False,
    variation: Annotated[
        list[str] | None,
        typer.Option(help="Only under this variation, as YAML: '{cube_color: red}'; '{}' is nominal. May be repeated."),
    ] = None,
    stage: Annotated[
        list[str] | None, typer.Option(help="Only of this stage (known, verify, check, hunt); may be repeated.")
    ] = None,
    role: Annotated[str, typer.Option(help="Who acts: policy, or the study's expert or blind control.")] = "policy",
    episodes: Annotated[int | None, typer.Option(min=1, help="At most so many, in the ledger's order.")] = None,
    valid: Annotated[
        float, typer.Option(min=0, max=0.9, help="Of robomimic: share of the demonstrations in mask/valid.")
    ] = 0.1,
    media: Annotated[Media, typer.Option(help="Of llava: a collage of moments, or a video.")] = Media.image,
    verdicts: Annotated[
        Path | None,
        typer.Option(help="Of llava: what `faultfield explain STUDY --json` printed; its reasons go beside failures."),
    ] = None,
    sparse: Annotated[
        bool,
        typer.Option(
            "--sparse",
            help="Of llava: no reasons, though `explain` left some, so that a detector is not taught its own words.",
        ),
    ] = False,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Write episodes for robomimic, LeRobot, or the fine-tuning of vision-language models.

    The ledger keeps outcomes, not steps: each episode is rolled out once more (same policy, variation and seed) and
    must come out the same. Killed and run again, it goes on where it was; what it writes appears when it is whole.
    """
    from faultfield.errors import StudyError
    from faultfield.study import Study
    from faultfield.study.export import Choice
    from faultfield.study.export import export as export_study

    if successes and failures:
        raise StudyError("--successes and --failures exclude each other; leave both out for all episodes.")
    if sparse and verdicts is not None:
        raise StudyError("--verdicts gives reasons and --sparse leaves them out; leave one of them out.")
    for own, names in _OF_ONE.items():
        if own != format:
            refuse(context, names, f"is of the format {own.value}; leave it out.")
    reasons = {} if sparse else None if verdicts is None else _reasons(verdicts)
    with Study.open(study) as opened:
        choice = Choice(
            outcome="success" if successes else "failure" if failures else None,
            variations=[opened.space.variation(mapping(text, VARIATION)) for text in variation or ()],
            stages=stage or (), role=role, most=episodes,
        )  # fmt: skip
        counts = export_study(
            opened, format.value, path, choice, Bars(), workers=processes(workers), valid=valid, media=media.value,
            reasons=reasons,
        )  # fmt: skip
    if as_json:
        print_json(counts)
        return
    told = ", ".join(f"{value} {name}" for name, value in counts.items() if isinstance(value, int))
    err.print(f"{told} in {path}", soft_wrap=True)


def _reasons(path: Path) -> dict[str, str]:
    """Why episodes failed, by name, from the verdicts that found them failed."""
    import json

    from faultfield.errors import StudyError

    try:
        told = json.loads(path.read_text(encoding="utf-8"))["verdicts"]
        return {str(each["id"]): str(each["reason"]) for each in told if each["failed"] and each["reason"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path} is no output of 'faultfield explain --json'.") from error
