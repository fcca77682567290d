"""The command that spends a budget of real rollouts on finding different failures."""

from typing import Annotated

import typer

from faultfield.cli.console import Bars, out, print_json
from faultfield.cli.options import AsJson, Workers
from faultfield.cli.study import Out, StudyPath


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(hunt)


def hunt(
    study: StudyPath,
    budget: Annotated[int, typer.Option(min=1, help="Real rollouts of the policy.")],
    strategy: Annotated[
        str,
        typer.Option(
            help="hunt (ours), random, sobol, grid, map-elites, level-set, forest, diagnostic, or module:Class."
        ),
    ] = "hunt",
    batch: Annotated[int, typer.Option(min=1, help="Rollouts between two updates.")] = 4,
    failures: Annotated[int, typer.Option(min=1, help="Failed episodes that a verified failure rests on.")] = 2,
    patience: Annotated[int, typer.Option(min=1, help="Successes ahead of failures at which to look elsewhere.")] = 1,
    order: Annotated[
        int | None,
        typer.Option(min=1, help="Factors that a proposal changes at most; by default three, of grid two."),
    ] = None,
    estimator: Annotated[
        str | None, typer.Option(help="For hunt: probe, field, gp, density, values, … or module:Class.")
    ] = None,
    with_probe: Annotated[
        bool, typer.Option("--with-probe", help="Give other strategies the probe's features.")
    ] = False,
    confirm: Annotated[
        int,
        typer.Option(
            min=0,
            max=500,
            help="Fresh episodes of each failure found, beyond the budget: its rate when it was found is "
            "too high, as it was rolled out until it had failed often enough.",
        ),
    ] = 0,
    out_dir: Out = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Propose, roll out, learn, and search again, until the budget is spent; print the verified failures.

    Killed and run again it goes on where it was; with a larger budget it continues.
    """
    from faultfield.study import Study
    from faultfield.study.hunt import hunt as hunt_study

    with Study.open(study, out_dir, workers) as opened:
        found = hunt_study(
            opened, budget=budget, progress=Bars(), strategy=strategy, batch=batch, failures=failures,
            patience=patience, estimator=estimator, with_probe=with_probe, confirm=confirm, order=order,
        )  # fmt: skip
    content = found.to_json()
    if as_json:
        print_json(content)
        return
    nominal = content["nominal"]
    out.print(
        f"{content['distinct']} distinct verified failures in {content['rollouts']} rollouts of "
        f"{content['variations']} variations; nominal {nominal['failures']}/{nominal['episodes']} failed, at most "
        f"{nominal['high']:.2f}",
        soft_wrap=True,
    )
    for row in content["found"]:
        note = "  (the expert fails too)" if row["infeasible"] else ""
        if fresh := row.get("confirmed"):
            note += (
                f"  (afresh {fresh['failures']}/{fresh['episodes']} failed [{fresh['low']:.2f}, {fresh['high']:.2f}])"
            )
        out.print(f"{row['failures']:>3}/{row['episodes']} failed  {row['text']}{note}", soft_wrap=True)
