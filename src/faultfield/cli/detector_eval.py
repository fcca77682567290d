"""The command that measures a detector, or what it is compared with."""

from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import Bars, err, out, print_json
from faultfield.cli.explain import BatchSize, Device, Dtype, Model, Rounds, Seed, Trajectories, load_detector, nothing
from faultfield.cli.options import mapping
from faultfield.errors import DetectorError


def register(app: typer.Typer) -> None:
    """Add the command to the detector's."""
    app.command(name="eval")(evaluate)


def evaluate(
    data: Annotated[Path, typer.Option("--data", help="A LLaVA conversation file with its pictures beside it.")],
    answers: Annotated[
        Path | None, typer.Option(help="Where to write answers as AHA's scripts read them (JSON lines).")
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
    shots: Annotated[
        Path | None, typer.Option(help="A LLaVA file whose dense samples a prompted baseline is shown in words.")
    ] = None,
    view: Annotated[str, typer.Option(help="What a prompted baseline is shown, as YAML.")] = "{}",
    rounds: Rounds = 4,
    samples: Trajectories = 3,
    batch: BatchSize = 8,
    seed: Seed = 0,
    device: Device = "auto",
    dtype: Dtype = "auto",
    judge_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint that judges reasons; offline slots by default.")
    ] = None,
    judge_model: Annotated[str, typer.Option(help="The judge's name there.")] = "default",
    judge_key: Annotated[str, typer.Option(help="Environment variable with its key.")] = "OPENAI_API_KEY",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
) -> None:
    """Measure a detector on labelled episodes: detection, ROUGE-L, judged reasons, and AHA's own numbers."""
    from faultfield.detector import aha_scores, checkpoint, evaluation
    from faultfield.detector.baselines import load_baseline
    from faultfield.detector.data import read_conversations
    from faultfield.detector.endpoint import Endpoint
    from faultfield.detector.judge import EndpointJudge, Judge, SlotJudge

    if answers is not None and (answers.is_dir() or not answers.parent.is_dir()):
        raise DetectorError(f"The answers cannot be written to '{answers}'; name a file in a folder that is there.")
    judge: Judge = SlotJudge()
    if judge_url is not None:
        endpoint = Endpoint(judge_url, judge_model, judge_key)
        endpoint.check()
        judge = EndpointJudge(endpoint)
    read = read_conversations(data)
    if baseline is None:
        detector = load_detector(model, rounds, samples, batch, seed, device, dtype)
    else:
        shown = mapping(view, "The view must be a YAML mapping such as '{kind: video}'")
        detector = load_baseline(baseline, model, url, name, shots, shown, *checkpoint.placed(device, dtype))
    with Bars().task("Episodes", len(read.items)) as update:
        judged = evaluation.judge(detector, read.items, batch, update)
    problems = [*read.problems, *judged.problems]
    if not judged.verdicts:
        nothing([problem.text for problem in problems])
    said = evaluation.answers(judged.verdicts)
    if answers is not None:
        aha_scores.write_answers(answers, said)
    scores = evaluation.score(read.items, judged.verdicts, judge, problems)
    for problem in problems:
        err.print(f"Left out: {problem.text}", style="yellow", markup=False, soft_wrap=True)
    aha = aha_scores.score(aha_scores.read_judged(data, judged.verdicts), dict(said))
    if as_json:
        print_json(
            {
                "samples": len(judged.verdicts),
                "problems": [{"id": problem.id, "text": problem.text} for problem in problems],
                "scores": scores.as_json(),
                "aha": aha.as_json(),
            }
        )
        return
    for name in ("accuracy", "precision", "recall", "auroc", "rouge_l", "reason"):
        out.print(f"{name:10} {getattr(scores, name)}", markup=False)
    out.print(f"{'AHA':10} yes/no {aha.accuracy.value:.3f}, ROUGE-L {aha.rouge_l.value:.3f}", markup=False)
