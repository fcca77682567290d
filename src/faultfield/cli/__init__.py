"""The command line: parses, calls, prints. One command a stage."""

import io
import sys
import warnings
from contextlib import nullcontext
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from faultfield import __version__
from faultfield.cli import (
    compare,
    detector,
    detector_eval,
    detector_train,
    examples,
    explain,
    export,
    field,
    hunt,
    policy,
    repair,
    study,
    threads,
)
from faultfield.cli.console import err, out, results_alone
from faultfield.errors import FaultfieldError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["--help", "-h"]},
    help="Find where a manipulation policy will fail, why, and how to mend it.\n\n"
    "Begin with `faultfield run studies/lift-demo.yaml --out runs/lift-demo`, then ask `faultfield predict` about any "
    "variation, and check it with `faultfield rollout`.",
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        out.print(f"faultfield {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version, and no more.")
    ] = False,
) -> None:
    pass


study.register(app)
compare.register(app)
export.register(app)
hunt.register(app)
repair.register(app)
app.add_typer(policy.app, name="policy")
app.add_typer(field.app, name="field")
app.add_typer(detector.app, name="detector")
detector_train.register(detector.app)
detector_eval.register(detector.app)
explain.register(app)
examples.teach(app)


_STOPPED = 130
"""What typer makes of Ctrl-C."""


def main() -> None:
    """The `faultfield` command: a user's error is one sentence and exit code 2, Ctrl-C is 130."""
    threads.one_each()
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        # A name that the terminal has no letters for is spelt out, as standard error does.
        sys.stdout.reconfigure(errors="backslashreplace")
    # What libraries have to say to their own developers; `python -W default -m faultfield` shows it.
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    try:
        with results_alone() if "--json" in sys.argv else nullcontext():
            code = app(standalone_mode=False) or 0
        if code == _STOPPED:
            err.print("Stopped. Run the same command again: where its --help says so, it goes on where it was.")
        sys.exit(code)
    except TyperException as error:
        _refuse(error)
    except FaultfieldError as error:
        err.print(f"faultfield: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except OSError as error:
        # A path that cannot be read or written: the user's, as everything of our own has its own errors.
        place = f"'{error.filename}': " if error.filename else ""
        err.print(f"faultfield: {place}{error.strerror or error}.", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
    except typer.Abort:
        sys.exit(1)


def _refuse(error: TyperException) -> NoReturn:
    """One sentence about what was typed wrong, and where help is; who typed nothing has been shown the help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ != "NoArgsIsHelpError":
        told = error.format_message().rstrip(".")
        hint = f"; see '{context.command_path} --help'" if context is not None else ""
        err.print(f"faultfield: {told}{hint}.", style="red", markup=False, soft_wrap=True)
    sys.exit(error.exit_code)
