"""The command that measures a detector, what it is compared with, or answers that are there."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faultfield.cli.console import Bars, err, out, print_json
from faultfield.cli.explain import nothing
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
    tell_of_samples,
)
from faultfield.cli.labelled import Labelled, calibrated, tell_of_others
from faultfield.cli.options import AsJson, mapping, refuse, typed
from faultfield.errors import DetectorError, UnreachableError

if TYPE_CHECKING:
    from faultfield.detector.judge import Judge
    from faultfield.faults.llava import Problem


_OF_SCORE = frozenset({"--data", "--score", "--judge-url", "--judge-model", "--judge-key", "--judge-prompt", "--json"})
"""Options that answers which are there can be scored with."""
_OF_ENDPOINT, _OF_BASELINES = ("--url", "--key", "--name"), ("--max-tokens", "--view")
_OF_DETECTORS = ("--rounds", "--samples", "--temperature", "--by-sight")


def register(app: typer.Typer) -> None:
    """Add the command to the detector's."""
    app.command(name="eval")(evaluate)


def evaluate(
    context: typer.Context,
    data: Annotated[Path, typer.Option("--data", help="A LLaVA conversation file with its pictures beside it.")],
    answers: Annotated[
        Path | None, typer.Option(help="Where to write answers as AHA's scripts read them (JSON lines).")
    ] = None,
    score: Annotated[
        Path | None, typer.Option(help="Score the answers in this file (JSON lines) by AHA's rules, and run no model.")
    ] = None,
    model: Model = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Measure something else: 'fine-tuned' (--model was trained by sft-d or sft-s+d), 'prompted' "
            "(--model is any image-text model), or 'endpoint' (a model behind --url)."
        ),
    ] = None,
    url: Annotated[str | None, typer.Option(help="OpenAI-compatible endpoint of the baseline.")] = None,
    name: Annotated[str, typer.Option(help="The baseline's name there.")] = "default",
    key: Annotated[str, typer.Option(help="Environment variable with its key.")] = "OPENAI_API_KEY",
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens that a baseline's answer may have; models that think aloud need more.")
    ] = 256,
    shots: Annotated[
        Path | None, typer.Option(help="A LLaVA file; a prompted baseline is shown dense samples of it in words.")
    ] = None,
    shots_count: Annotated[int, typer.Option(min=1, help="How many, drawn with the seed.")] = 3,
    view: Annotated[str, typer.Option(help="What a prompted baseline is shown, as YAML.")] = "{}",
    cameras: Annotated[
        str, typer.Option(help="Judge by these cameras alone, with commas: what would be lost without the others.")
    ] = "front,wrist,overhead",
    rounds: Rounds = 4,
    samples: Trajectories = 3,
    temperature: Temperature = 0.0,
    hunch: BySight = True,
    labelled: Labelled = None,
    batch: BatchSize = 8,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    judge_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint that judges reasons; offline slots by default.")
    ] = None,
    judge_model: Annotated[str, typer.Option(help="The judge's name there.")] = "default",
    judge_key: Annotated[str, typer.Option(help="Environment variable with its key.")] = "OPENAI_API_KEY",
    judge_prompt: Annotated[
        Path | None,
        typer.Option(help="What it is asked, in a file: with {reference} and {reason} in it, {question} if one likes."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a detector on labelled episodes: detection, ROUGE-L, judged reasons, and AHA's own numbers."""
    from faultfield.detector import aha_scores, checkpoint, evaluation
    from faultfield.detector.baselines import load_baseline
    from faultfield.detector.data import read_conversations
    from faultfield.detector.judge import SlotJudge
    from faultfield.detector.metrics import UNDEFINED

    if score is not None and (needless := typed(context) - _OF_SCORE):
        raise DetectorError(f"--score takes answers that are there and runs no model; leave {min(needless)} out.")
    if baseline is not None and labelled is not None:
        raise DetectorError("A baseline says yes or no and has no scale to divide; leave --labelled out.")
    if baseline != "endpoint":
        refuse(context, _OF_ENDPOINT, "is of the baseline 'endpoint'; leave it out, or name that --baseline.")
    if baseline is None:
        refuse(context, _OF_BASELINES, "is of a baseline; leave it out, or name a --baseline.")
    else:
        refuse(context, _OF_DETECTORS, "is of a detector and of no baseline; leave it out.")
    if shots is None:
        refuse(context, ["--shots-count"], "needs --shots, a file to draw them from.")
    if judge_url is None:
        refuse(context, ["--judge-model", "--judge-key"], "needs a judge; name one with --judge-url.")
    if answers is not None:
        _check(answers, [each for each in (data, shots, labelled, judge_prompt) if each is not None])
    if shots is not None and baseline not in ("prompted", "endpoint"):
        raise DetectorError("Worked examples are for a prompted model; leave --shots out, or name such a --baseline.")
    if shots is not None and _one(shots, data):
        raise DetectorError(
            "Worked examples from the file that is tested would tell its answers; name another --shots."
        )
    if labelled is not None and _one(labelled, data):
        raise DetectorError(
            "Labelled episodes from the file that is tested would tell its answers; name another --labelled."
        )
    by = _cameras(cameras)
    judged_by = _judge(judge_url, judge_model, judge_key, judge_prompt)
    if score is not None:
        _score(score, data, judged_by, as_json)
        return
    read = read_conversations(data)
    if baseline is None:
        tell_of_samples(typed(context), temperature)
        detector = load_detector(
            model, device, dtype, rounds=rounds, samples=samples, temperature=temperature, batch=batch,
            seed=seed, hunch=hunch,
        )  # fmt: skip
        if labelled is not None:
            detector = calibrated(detector, labelled, cameras=by)
            tell_of_others(detector, {sample.instruction for sample in read.items})
    else:
        shown = mapping(view, "The view must be a YAML mapping such as '{kind: video}'")
        place = checkpoint.placed(device, dtype)
        detector = load_baseline(baseline, model, url, name, shots, shown, *place, shots_count, seed, key, max_tokens)
    gone: UnreachableError | KeyboardInterrupt | None = None
    try:
        with Bars().task("Episodes", len(read.items)) as update:
            judged = evaluation.judge(detector, read.items, batch, update, by)
    except (evaluation.CutShortError, evaluation.StoppedError) as error:
        # What was said before is worth as much as hours: it is written and scored, and then the run ends as failed.
        judged, gone = error.judged, error
    problems = [*read.problems, *judged.problems]
    if not judged.verdicts:
        nothing([problem.text for problem in problems])
    said = evaluation.answers(judged.verdicts)
    if answers is not None:
        aha_scores.write_answers(answers, said)
    try:
        scores = evaluation.score(read.items, judged.verdicts, judged_by or SlotJudge(), problems)
    except UnreachableError as error:
        # The judge has gone, which costs its own number alone.
        gone = gone or error
        scores = replace(evaluation.score(read.items, judged.verdicts), reason=UNDEFINED)
    _tell(problems)
    aha = aha_scores.score(aha_scores.read_judged(data, judged.verdicts), dict(said))
    if as_json:
        print_json(
            {
                "samples": len(judged.verdicts),
                "cut_short": None if gone is None else str(gone),
                "problems": [vars(problem) for problem in problems],
                "scores": scores.as_json(),
                "aha": aha.as_json(),
            }
        )
    else:
        for number in ("accuracy", "precision", "recall", "auroc", "rouge_l", "reason"):
            out.print(f"{number:10} {getattr(scores, number)}", markup=False)
        alike = f"{aha.rouge_l.value:.3f}" if aha.rouge_l.count else "–"
        out.print(f"{'AHA':10} yes/no {aha.accuracy.value:.3f}, ROUGE-L {alike}", markup=False)
    if gone is not None:
        raise gone


def _check(answers: Path, read: Sequence[Path]) -> None:
    """See that answers can be written before hours are spent on them, and that they take nobody's place."""
    try:
        with tempfile.TemporaryFile(dir=answers.parent):
            writable = not answers.is_dir()
    except OSError:
        writable = False
    if not writable:
        raise DetectorError(
            f"The answers cannot be written to '{answers}'; name a file in a folder that is there and writable."
        )
    for each in read:
        if _one(answers, each):
            raise DetectorError(f"The answers would be written over the data in '{each}'; name another file.")


def _one(file: Path, other: Path) -> bool:
    """Whether two paths are one file."""
    return file.exists() and other.exists() and file.samefile(other)


def _cameras(text: str) -> tuple[str, ...]:
    from faultfield.rollouts.clip import CAMERAS

    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found or not set(found) <= set(CAMERAS):
        raise DetectorError(f"The cameras are some of {', '.join(CAMERAS)}, with commas, not '{text}'.")
    return found


def _judge(url: str | None, model: str, key: str, prompt: Path | None) -> "Judge | None":
    """The language model that judges, if one does; that it is there is seen before hours are spent."""
    from faultfield.detector.endpoint import Endpoint
    from faultfield.detector.judge import PROMPT, EndpointJudge, read_prompt

    if url is None:
        if prompt is not None:
            raise DetectorError("A prompt needs a judge to read it; name one with --judge-url.")
        return None
    asked, endpoint = PROMPT if prompt is None else read_prompt(prompt), Endpoint(url, model, key)
    endpoint.check()
    return EndpointJudge(endpoint, asked)


def _score(answers: Path, data: Path, judge: "Judge | None", as_json: bool) -> None:
    """AHA's numbers of answers that anyone gave."""
    from faultfield.detector import aha_scores

    said, asked = aha_scores.read_answers(answers), aha_scores.read_conversations(data)
    problems: list[Problem] = []
    if asked and not {str(entry["id"]) for entry in asked} & said.keys():
        raise DetectorError(f"'{answers}' answers none of the questions in '{data}'.")
    aha = aha_scores.score(asked, said, judge, problems)
    _tell(problems)
    if as_json:
        print_json({"questions": len(asked), "problems": [vars(problem) for problem in problems], "aha": aha.as_json()})
        return
    for name in ("accuracy", "rouge_l", "fuzzy", "missing"):
        out.print(f"{name:10} {getattr(aha, name)}", markup=False)


def _tell(problems: Sequence["Problem"]) -> None:
    for problem in problems:
        err.print(f"Left out: {problem.text}", style="yellow", markup=False, soft_wrap=True)
