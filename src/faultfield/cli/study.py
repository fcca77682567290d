"""Commands on a study: its stages, and the two that let anybody check it."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import Bars, err, out, print_json
from faultfield.cli.options import AsJson, Workers

StudyPath = Annotated[Path, typer.Argument(help="A study file (.yaml), or the directory of a study already begun.")]
StudyDirectory = Annotated[
    Path, typer.Argument(help="Directory of a study that was run, or its file: NAME.yaml stands for runs/NAME.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help="Directory of the study; by default runs/STUDY (of another policy, `run --policy`, runs/STUDY-POLICY).",
    ),
]
Variations = Annotated[
    Path, typer.Option(help="YAML list of mappings such as {table_color: [0.2, 0.5, 0.1], light_intensity: 0.4}.")
]
PolicyName = Annotated[
    str | None,
    typer.Option(help="Study this policy in place of the file's: a checkpoint (VisualBC, robomimic), or module:Class."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program, in the order of the loop."""
    commands: tuple[Callable[..., None], ...] = (run, collect, fit, search, diagnose, report, predict, rollout)
    for command in commands:
        app.command()(command)


def run(
    study: StudyPath,
    out_dir: Out = None,
    policy: PolicyName = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """All stages: roll out, learn, search, diagnose, verify, report.

    Killed at any moment and run again, it goes on where it was and ends with the same result.
    """
    from faultfield.report.summary import print_worst
    from faultfield.study import Study, run_all

    with Study.open(study, out_dir, workers, policy) as opened:
        diagnosis = run_all(opened, Bars())
    if as_json:
        print_json(diagnosis.model_dump(mode="json"))
        return
    print_worst(diagnosis, out)
    out.print(f"Report: {opened.directory / 'report.html'}", soft_wrap=True)


def collect(study: StudyPath, out_dir: Out = None, workers: Workers = None) -> None:
    """Roll out the nominal and the known variations, and the expert and blind controls."""
    from faultfield.study import Study, stages

    with Study.open(study, out_dir, workers) as opened:
        stages.collect(opened, Bars())
    err.print(f"{len(opened.ledger)} episodes in {opened.directory / 'ledger'}")


def fit(study: StudyPath, out_dir: Out = None) -> None:
    """Learn the field from the collected episodes."""
    from faultfield.study import Study, stages

    with Study.open(study, out_dir) as opened:
        stages.fit(opened, Bars())
    err.print(f"The field lies in {opened.directory / 'field'}")


def search(study: StudyPath, out_dir: Out = None) -> None:
    """Train the diagnostic policy on the field, without rollouts."""
    from faultfield.study import Study, stages

    with Study.open(study, out_dir) as opened:
        stages.search(opened, Bars())
    err.print(f"The diagnostic policy lies in {opened.directory / 'diagnostic'}")


def diagnose(study: StudyPath, out_dir: Out = None, workers: Workers = None, as_json: AsJson = False) -> None:
    """Rank the variations never tried, and roll out the worst of them to check."""
    from faultfield.report.summary import print_worst
    from faultfield.study import Study
    from faultfield.study.diagnose import diagnose as diagnose_study

    with Study.open(study, out_dir, workers) as opened:
        diagnosis = diagnose_study(opened, Bars())
    if as_json:
        print_json(diagnosis.model_dump(mode="json"))
    else:
        print_worst(diagnosis, out)


def report(study: StudyPath, out_dir: Out = None) -> None:
    """Write the report of a diagnosed study as one HTML file."""
    from faultfield.study import Study
    from faultfield.study.diagnose import report as report_study

    with Study.open(study, out_dir) as opened:
        path = report_study(opened)
    out.print(str(path), soft_wrap=True)


def predict(
    study: StudyDirectory,
    variations: Variations,
    estimator: Annotated[
        str | None, typer.Option(help="probe, field, gp, values, density, … or module:Class; by default the study's.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Failure probability of any variations, without a rollout."""
    from faultfield.study import Study
    from faultfield.study.ask import predict as predict_study

    with Study.open(study) as opened:
        rows = predict_study(opened, variations, estimator=estimator)
    if as_json:
        print_json({"variations": rows})
        return
    for row in rows:
        out.print(
            f"{row['failure_probability']:.2f}  [{row['low']:.2f}, {row['high']:.2f}]  support {row['support']:.2f}  "
            f"{row['text']}",
            soft_wrap=True,
        )


def rollout(
    study: StudyDirectory,
    variations: Variations,
    episodes: Annotated[int, typer.Option(min=1, help="Episodes of each variation.")] = 10,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Episode i is reset with seed + i; by default from a million above the study's own."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Add them to the ledger, to be learned from.")] = False,
    role: Annotated[str, typer.Option(help="Who acts: policy, or the study's expert or blind control.")] = "policy",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Roll variations out for real, and count failures (Wilson 95 %)."""
    from faultfield.study import Study
    from faultfield.study.ask import roll_out

    with Study.open(study, workers=workers) as opened:
        rows = roll_out(opened, variations, episodes=episodes, seed=seed, keep=keep, role=role, progress=Bars())
    if as_json:
        print_json({"variations": rows})
        return
    for row in rows:
        out.print(
            f"{row['failures']:>3}/{row['episodes']} failed  [{row['low']:.2f}, {row['high']:.2f}]  {row['text']}",
            soft_wrap=True,
        )
