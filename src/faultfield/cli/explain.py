"""Whether an episode failed, and why: the detector's verdict on videos, collages, conversation files and studies."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from faultfield.cli.console import Bars, err, out, print_json
from faultfield.cli.judging import (
    BatchSize,
    BySight,
    Device,
    Dtype,
    Model,
    Rounds,
    Seed,
    Temperature,
    Trajectories,
    load_detector,
    shipped,
    tell_of_samples,
)
from faultfield.cli.labelled import Labelled, calibrated, tell_of_others
from faultfield.cli.options import VARIATION, AsJson, mapping, typed
from faultfield.errors import DetectorError, FaultfieldError

_OF_REASONS = frozenset({"--rounds", "--samples", "--temperature", "--seed"})
"""Options that a verdict alone does not depend on."""

_TOLD = 3
"""Causes that are told where nothing could be judged."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(explain)


def explain(
    context: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Videos, pictures (collages), LLaVA conversation files, directories of studies."),
    ],
    model: Model = None,
    instruction: Annotated[
        str | None, typer.Option(help="What the robot was asked to do, over what a file or study says.")
    ] = None,
    rounds: Rounds = 4,
    samples: Trajectories = 3,
    temperature: Temperature = 0.0,
    hunch: BySight = True,
    labelled: Labelled = None,
    batch: BatchSize = 8,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    variation: Annotated[
        list[str] | None,
        typer.Option(help="Of a study only the episodes under it, such as '{table_color: red}'; again for more."),
    ] = None,
    stage: Annotated[
        str,
        typer.Option(
            help="Of a study only these stages, with commas: known, check, hunt, verify, expert, blind. By default "
            "all episodes of the policy under test."
        ),
    ] = "",
    failed_only: Annotated[
        bool, typer.Option("--failed-only", help="Of a study only the episodes that the simulator counts as failures.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Of a study at most so many episodes, from every variation by turns.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that roll a study's episodes out again to watch them.")
    ] = None,
    detect_only: Annotated[
        bool, typer.Option("--detect-only", help="Of files only how likely each failed, and no reason: much faster.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say whether episodes failed and why, how sure that is, and how it changed over the rounds.

    Verdicts on a study's episodes are kept in its ledger, and its report shows them. Killed at any moment and run
    again, it goes on where it stopped.
    """
    from faultfield.detector import evaluation
    from faultfield.detector.data import DEFAULT_INSTRUCTION
    from faultfield.detector.refine import DetectionAlone
    from faultfield.faults import wording

    if instruction is not None and not wording.bare(instruction):
        raise DetectorError("--instruction says nothing; say what the robot was asked to do, or leave it out.")
    studies = [path for path in paths if path.is_dir()]
    if detect_only and studies:
        raise DetectorError("A study's ledger keeps reasons; leave --detect-only out, or name files.")
    if detect_only and (needless := typed(context) & _OF_REASONS):
        raise DetectorError(f"--detect-only draws no answers; leave {min(needless)} out.")
    read, problems = _read([path for path in paths if path not in studies], instruction)
    if not read and not studies:
        nothing(problems)
    of_studies = {
        "--variation": variation,
        "--stage": stage,
        "--failed-only": failed_only,
        "--limit": limit,
        "--workers": workers,
    }
    given = [option for option, value in of_studies.items() if value]
    if given and not studies:
        raise DetectorError(f"Files have nothing to choose from; {given[0]} is for a study's directory.")
    if len(read) == 1 and not studies:
        # A file that is no good is told before a model is loaded.
        try:
            read = [replace(read[0], given=read[0].clip())]
        except DetectorError as error:
            nothing([*problems, str(error)])
    stages = tuple(name.strip() for name in stage.split(",") if name.strip())
    chosen = tuple(mapping(text, VARIATION) for text in variation or ()), stages, failed_only, limit
    opened = _open(studies, workers, problems)
    if not read and not opened:
        nothing(problems)
    tell_of_samples(typed(context), temperature)
    detector = load_detector(
        model, device, dtype, rounds=rounds, samples=samples, temperature=temperature, batch=batch,
        seed=seed, hunch=hunch,
    )  # fmt: skip
    if instruction is None and (bare := sum(sample.instruction == DEFAULT_INSTRUCTION for sample in read)):
        err.print(
            f"{bare} of the episodes do not say what the robot was asked to do, so a reason may name an object that is "
            "not there; say it with --instruction.",
            style="yellow",
            soft_wrap=True,
        )
    if labelled is not None:
        detector = calibrated(detector, labelled, instruction)
        tell_of_others(detector, {sample.instruction for sample in read} | _asked(opened, instruction))
    found: list[tuple[Path, dict[str, Any]]] = []
    stopped: KeyboardInterrupt | None = None
    if read:
        try:
            with Bars().task("Episodes", len(read)) as update:
                judged = evaluation.judge(DetectionAlone(detector) if detect_only else detector, read, batch, update)
        except evaluation.StoppedError as error:
            # What was said before is printed, and then the run ends as stopped.
            judged, stopped = error.judged, error
        problems += [problem.text for problem in judged.problems]
        found.append((Path(), dict(judged.verdicts)))
    for study in () if stopped else opened:
        try:
            with study:
                found.append((study.directory, _of_study(study, detector, model, chosen, instruction, problems)))
        except FaultfieldError as error:
            problems.append(str(error))
        except KeyboardInterrupt as error:
            # Its own verdicts lie in its ledger; those of files are printed.
            stopped = error
            break
    if stopped is not None and not found:
        raise stopped
    names = Counter(key for _, verdicts in found for key in verdicts)
    verdicts = {
        key if names[key] == 1 else f"{path}:{key}": verdict for path, those in found for key, verdict in those.items()
    }
    if not verdicts:
        nothing(problems)
    for problem in problems:
        err.print(f"Left out: {problem}", style="yellow", markup=False, soft_wrap=True)
    if as_json:
        print_json({"verdicts": [verdict_json(key, verdict) for key, verdict in verdicts.items()]})
    else:
        for key, verdict in verdicts.items():
            _print(key, verdict)
    if stopped is not None:
        raise stopped


def verdict_json(key: str, verdict: Any) -> dict[str, Any]:
    """What is printed of a verdict; a number that there is not is null."""
    return {
        "id": key,
        "failed": verdict.failed,
        "failure_probability": _number(verdict.failure_probability),
        "reason": verdict.reason,
        "rounds": [
            {
                "failure_probability": _number(each.failure_probability),
                "reason": each.reason,
                "detection_entropy": _number(each.detection_entropy),
                "reason_entropy": _number(each.reason_entropy),
            }
            for each in verdict.rounds
        ],
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def _read(paths: Sequence[Path], instruction: str | None) -> tuple[list[Any], list[str]]:
    """Samples of all paths, each with a name of its own, and what is wrong with others."""
    from faultfield.detector.data import read_any

    found: list[tuple[Path, Any]] = []
    problems: list[str] = []
    for path in paths:
        try:
            read = read_any(path, instruction)
        except DetectorError as error:
            problems.append(str(error))
            continue
        found += [(path, sample) for sample in read.items]
        problems += [problem.text for problem in read.problems]
    names = Counter(sample.id for _, sample in found)
    return [s if names[s.id] == 1 else replace(s, id=f"{path}:{s.id}") for path, s in found], problems


def _open(paths: Sequence[Path], workers: int | None, problems: list[str]) -> list[Any]:
    """The studies in directories; what is wrong with others goes to the problems."""
    from faultfield.study import Study

    opened = []
    for path in paths:
        if not (path / "study.yaml").is_file():
            problems.append(f"The directory '{path}' holds no study; name a file in it.")
            continue
        try:
            opened.append(Study.open(path, workers=workers))
        except FaultfieldError as error:
            problems.append(str(error))
    return opened


def _asked(studies: Sequence[Any], instruction: str | None) -> set[str]:
    """What the robot was asked to do in studies; one whose environment cannot be built is told of in its turn."""
    found = set()
    for study in studies:
        try:
            found.add(study.env.instruction if instruction is None else instruction)
        except FaultfieldError:
            continue
    return found


def _of_study(
    study: Any,
    detector: Any,
    model: Path | None,
    chosen: tuple[Any, ...],
    instruction: str | None,
    problems: list[str],
) -> dict[str, Any]:
    """Verdicts on a study's episodes; they are in its ledger then, and in its report if it has one."""
    from faultfield.detector import checkpoint
    from faultfield.study import diagnose
    from faultfield.study import explain as stage

    computes = str(detector.model.text.dtype).removeprefix("torch.")
    fingerprint = checkpoint.fingerprint(shipped() if model is None else model, detector.how, instruction, computes)
    said = stage.explain(
        study,
        detector,
        fingerprint,
        detector.model.viewer,
        Bars(),
        selection=stage.Selection(*chosen),
        instruction=instruction,
        batch=detector.how.batch,
    )
    problems += [problem.text for problem in said.problems]
    err.print(f"{said.added} new verdicts, {len(said.verdicts)} in all, in {study.directory / 'ledger'}")
    if (study.directory / "diagnosis.json").is_file():
        err.print(f"Report: {diagnose.report(study)}", soft_wrap=True)
    return dict(said.verdicts)


def nothing(problems: Sequence[str]) -> NoReturn:
    """Say why nothing could be judged: a file may hold thousands of samples, which are seldom bad each in its own way.

    Raises:
        DetectorError: Always.
    """
    if len(problems) == 1:
        raise DetectorError(problems[0])
    more = f" And {len(problems) - _TOLD} more." if len(problems) > _TOLD else ""
    raise DetectorError(" ".join(["Nothing could be judged.", *problems[:_TOLD]]) + more)


def _print(key: str, verdict: Any) -> None:
    word, color = ("failed", "red") if verdict.failed else ("succeeded", "green")
    sure = verdict.failure_probability if verdict.failed else 1 - verdict.failure_probability
    out.print(f"{key}: ", end="", markup=False, soft_wrap=True)
    out.print(f"{word} ({sure:.0%})", style=color, end="")
    out.print(f"  {verdict.reason}" if verdict.reason else "", markup=False, soft_wrap=True)
    for number, each in enumerate(verdict.rounds, 1):
        out.print(
            f"  round {number}: failure {each.failure_probability:.2f}, entropy {each.detection_entropy:.3f} of the "
            f"detection and {each.reason_entropy:.3f} of the reason: {each.reason}",
            style="dim",
            markup=False,
            soft_wrap=True,
        )
