"""Options that are more than a word or a number."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from faultfield.errors import FaultfieldError

Workers = Annotated[int | None, typer.Option(min=1, help="Worker processes; by default one a core.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]

_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)[eE][-+]?[0-9]+")

VARIATION = "A variation is a YAML mapping such as '{table_color: red}'"


def mapping(text: str, rule: str) -> dict[str, Any]:
    """An option that is a YAML mapping.

    Args:
        text: As it was typed.
        rule: What it should have been, such as "A variation is a YAML mapping such as '{cube_color: red}'".

    Raises:
        FaultfieldError: It is none.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Of YAML 1.2 in this: `1e-4` is a number, where 1.1 wants 1.0e-4 and takes the former for a word."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    try:
        values = yaml.load(text, Loader)
    except yaml.YAMLError:
        values = None
    if not isinstance(values, dict):
        raise FaultfieldError(f"{rule}, not {text!r}.")
    return values


def typed(context: typer.Context) -> set[str]:
    """Options that were typed, by their names, whatever their value: a default may be typed too."""
    sources = {option.opts[0]: context.get_parameter_source(str(option.name)) for option in context.command.params}
    # By its name: newer typers have a click of their own, whose sources are others.
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}


def processes(workers: int | None) -> int:
    """So many worker processes as were asked for; one a core where nobody said."""
    from faultfield.rollouts.pool import cores

    return workers or cores()


def refuse(context: typer.Context, needless: Iterable[str], why: str) -> None:
    """Refuse options that were typed though they mean nothing beside the others: none is ignored without a word.

    Args:
        context: Of the command.
        needless: Their names.
        why: The rest of the sentence that begins with the name, such as "is of the format lerobot; leave it out."

    Raises:
        FaultfieldError: One was typed.
    """
    if found := typed(context) & {*needless}:
        raise FaultfieldError(f"{min(found)} {why}")
