"""The examples at the end of each command's help can be typed."""

import shlex

import pytest
import typer
from typer.exceptions import TyperException

from faultfield.cli import app
from faultfield.cli.examples import EXAMPLES, commands

LINES = [(name, line) for name, lines in EXAMPLES.items() for line in lines]


def test_every_command_has_one() -> None:
    assert {name for name, _ in commands(app)} == set(EXAMPLES)


@pytest.mark.parametrize(("name", "line"), LINES)
def test_an_example_can_be_parsed(name: str, line: str) -> None:
    command = typer.main.get_command(app)
    for word in name.split():
        command = command.commands[word]  # type: ignore[attr-defined]
    with command.make_context(name, shlex.split(line)) as context:
        assert context.params


def test_an_option_that_there_is_not_would_be_told() -> None:
    command = typer.main.get_command(app).commands["hunt"]  # type: ignore[attr-defined]
    with pytest.raises(TyperException, match="No such option"):
        command.make_context("hunt", ["studies/lift-demo.yaml", "--budget", "3", "--wishes", "4"])
