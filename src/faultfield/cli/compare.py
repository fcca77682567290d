"""The regression gate: did a policy get worse?"""

from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import err, out, print_json
from faultfield.cli.options import AsJson


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(compare)


def compare(
    before: Annotated[Path, typer.Argument(metavar="STUDY_BEFORE", help="Directory of the study to be held against.")],
    after: Annotated[Path, typer.Argument(metavar="STUDY_AFTER", help="Directory of the study to be judged.")],
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit with code 1 where success dropped significantly.")
    ] = False,
    alpha: Annotated[
        float, typer.Option(help="Chance of any false alarm in the whole comparison (Holm's correction).")
    ] = 0.05,
    one_sided: Annotated[
        bool, typer.Option("--one-sided", help="Test for a drop alone: twice as sensitive, and blind to gains.")
    ] = False,
    stage: Annotated[
        list[str] | None,
        typer.Option(help="Only episodes of this stage (known, verify, check, hunt); may be repeated. By default all."),
    ] = None,
    level: Annotated[float, typer.Option(help="Of the intervals of the change in success.")] = 0.95,
    junit: Annotated[
        Path | None, typer.Option(help="Write JUnit XML for a build server: a test case a variation.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare two studies' policies on the same variations and seeds, and tell a regression from bad luck.

    Episodes are paired by variation and seed from the two ledgers; nothing is rolled out, and no policy is loaded.
    Each variation, and all together, is tested by McNemar's exact test with Holm's correction.

    Exit codes: 0; 1 with `--fail-on-regression` where something got significantly worse; 2 for bad input.
    """
    from faultfield.report.comparison import print_comparison, write_junit
    from faultfield.study.recorded import compare_studies

    first, second, found = compare_studies(
        before, after, stages=stage or (), alpha=alpha, level=level,
        alternative="drop" if one_sided else "two-sided",
    )  # fmt: skip
    if junit is not None:
        write_junit(found, junit, suite=f"faultfield compare {after.resolve().name}")
    if as_json:
        print_json(
            {"before": first.to_json(), "after": second.to_json(), "environment": first.environment, **found.to_json()}
        )
    else:
        print_comparison(found, out)
        if first.policy == second.policy:
            err.print("Both studies are of the same policy.", style="yellow")
    if fail_on_regression and found.regressions:
        raise typer.Exit(1)
