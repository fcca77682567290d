"""The command that mends a policy where it fails, and shows what came of it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faultfield.cli.console import Bars, err, out, print_json
from faultfield.cli.options import AsJson, Workers, mapping, refuse, typed
from faultfield.cli.study import StudyDirectory

if TYPE_CHECKING:
    from faultfield.repair.plan import Recipe
    from faultfield.study.repair import Exported


_OF_MENDING = (
    "--per-variation", "--steps", "--learning-rate", "--share", "--rounds", "--looks", "--broad",
    "--corrections", "--widen", "--original", "--weights", "--format",
)  # fmt: skip
"""Options that decide how a policy is mended."""

_OF_TRAINING = ("--steps", "--learning-rate", "--share", "--looks", "--broad", "--original")
"""Those among them that mean nothing to a trainer elsewhere."""

_OF_COMPARING = ("--episodes", "--nominal", "--scenes", "--variations", "--elsewhere")
"""Options that decide on what both policies are compared."""


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(repair)


def repair(
    context: typer.Context,
    study: StudyDirectory,
    budget: Annotated[
        int | None, typer.Option("--budget-episodes", help="Expert demonstrations to gather in all.")
    ] = None,
    mode: Annotated[
        str,
        typer.Option(
            help="Under which variations: targeted (worst failures, diverse), random, anywhere (of the whole "
            "space), worst-2, worst-4 (any worst-K), all (every known failure)."
        ),
    ] = "targeted",
    per_variation: Annotated[
        int, typer.Option(help="Demonstrations that each target gets at least: fewer show more variations.")
    ] = 1,
    steps: Annotated[int, typer.Option(help="Batches of fine-tuning; of robomimic rounded up to hundreds.")] = 3000,
    learning_rate: Annotated[float, typer.Option(help="At the start of fine-tuning; falls along a cosine.")] = 1e-3,
    share: Annotated[float, typer.Option(help="Of each batch, how much is original data, against forgetting.")] = 0.3,
    rounds: Annotated[
        int,
        typer.Option(help="Parts of the budget and the steps; between them, a look at where the policy still fails."),
    ] = 1,
    looks: Annotated[
        int,
        typer.Option(
            min=0,
            help="Further looks (colours, textures, light, camera of other targets) that each demonstration, new or of "
            "the original ones, is pictured under: costs pictures, no demonstrations.",
        ),
    ] = 4,
    broad: Annotated[
        float,
        typer.Option(help="Share of these looks that is drawn anywhere in the space and not from other targets."),
    ] = 0.0,
    corrections: Annotated[
        bool,
        typer.Option(
            "--corrections",
            help="The policy begins each demonstration itself and the expert takes over, saying at every step what to "
            "do: shows the way out of the policy's own mistakes. Of VisualBC, by an expert that counts no phases.",
        ),
    ] = False,
    widen: Annotated[
        int,
        typer.Option(
            help="Of VisualBC: so many times its feature maps get the eye first. 2 learns what is hard to see better, "
            "such as a checkered table, in about three times the time."
        ),
    ] = 1,
    original: Annotated[
        Path | None,
        typer.Option(help="What it was trained on (.npz); of a VisualBC policy by default made again by its recipe."),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="How much factors matter, YAML: '{table_color: 2, camera_shift: 0}'; 1 where unnamed.")
    ] = "{}",
    seed: Annotated[int, typer.Option(help="Of the choice, the demonstrations and the training.")] = 0,
    episodes: Annotated[int, typer.Option(help="Fresh rollouts a variation, before and after each.")] = 10,
    nominal: Annotated[int, typer.Option(help="Fresh rollouts with nothing changed, before and after each.")] = 50,
    scenes: Annotated[
        int,
        typer.Option(
            help="Reset seeds of these rollouts, from the study's seed + this; others than the usual check a choice "
            "that was made on them."
        ),
    ] = 300_000,
    variations: Annotated[
        Path | None,
        typer.Option(
            help="Compare under these, a YAML list of mappings such as {table_color: [0.2, 0.5, 0.1]}; by default "
            "under all of the diagnosis that the expert can solve."
        ),
    ] = None,
    elsewhere: Annotated[
        int,
        typer.Option(
            min=0,
            help="Other variations (one or two factors of the whole space) to compare under as well, a rollout each: "
            "what was forgotten where nobody looked.",
        ),
    ] = 100,
    after: Annotated[
        str | None,
        typer.Option(help="Compare with this checkpoint (or module:Class), which was mended elsewhere; train nothing."),
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help="For a policy that is mended elsewhere: robomimic or lerobot.")
    ] = "robomimic",
    out_dir: Annotated[
        Path | None,
        typer.Option("--out", help="Of the repair; by default repairs/MODE-BUDGET in the study."),
    ] = None,
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Mend the policy where the diagnosis says that it fails, and prove it on the same fresh episodes.

    Chooses the worst variations that the expert can solve, gathers the expert's demonstrations under them, fine-tunes
    (a `VisualBC` checkpoint, or one of robomimic's with one camera; the old one is not touched) on these and a share of
    the original data, and rolls both policies out under every diagnosed variation, a hundred others and with nothing
    changed, on the same new seeds: `repair.json`, `repair.html`, `checkpoint/`.

    A policy whose class has a static method `mend` is mended by it (docs/repair.md). Any other gets its demonstrations
    as a file for its own trainer. Train it there, then come back with `faultfield repair STUDY --budget-episodes N
    --after CHECKPOINT`.

    Killed and run again it goes on where it was.
    """  # fmt: skip
    from faultfield.errors import FaultfieldError, StudyError
    from faultfield.repair.mending import mender_of
    from faultfield.repair.plan import Recipe
    from faultfield.report.repair import print_repair
    from faultfield.study import Study
    from faultfield.study.before_after import PAGE, REPAIRS, Comparing
    from faultfield.study.config import read_variations
    from faultfield.study.diagnose import REPORT, report
    from faultfield.study.repair import Exported, compare_with, place
    from faultfield.study.repair import repair as mend

    if after is not None:
        refuse(context, _OF_MENDING, "is of a repair that is made here; with --after it decides nothing, leave it out.")
    if after is not None and budget is None:
        refuse(context, ("--mode", "--seed"), "names a repair of this study; give its --budget-episodes too.")
    if budget is None and after is None:
        raise StudyError("Say how many demonstrations may be gathered: --budget-episodes N.")
    told = mapping(weights, "The weights must be a YAML mapping such as '{table_color: 2}'")
    recipe = (
        None
        if budget is None
        else Recipe(
            budget=budget, mode=mode, least=per_variation, seed=seed, share=share, steps=steps,
            learning_rate=learning_rate, weights=told, rounds=rounds, looks=looks, broad=broad,
            corrections=corrections, widen=widen,
        )
    )  # fmt: skip
    with Study.open(study, None, workers) as opened:
        on = None if variations is None else tuple(read_variations(variations, opened.space))
        comparing = Comparing(episodes, nominal, scenes, on, elsewhere)
        if study.is_file():
            err.print(f"Study: {opened.directory}", soft_wrap=True, markup=False)
        if after is not None:
            found = compare_with(opened, after, Bars(), recipe=recipe, out=out_dir, comparing=comparing)
        else:
            assert recipe is not None
            if mender_of(opened.policy_spec) is None:
                refuse(context, _OF_TRAINING, "is of a policy that is fine-tuned here; this one is not, leave it out.")
            else:
                refuse(context, ("--format",), "is of a policy that is mended elsewhere; this one is fine-tuned here.")
            made = mend(
                opened, recipe, Bars(), out=out_dir, original=original, comparing=comparing, form=form,
            )  # fmt: skip
            if isinstance(made, Exported):
                kept = [w for name in _OF_COMPARING if name in typed(context) for w in (name, _value(context, name))]
                _exported(made, recipe, str(study), out_dir, kept, as_json)
                return
            found = made
        directory = out_dir or (opened.directory / REPAIRS / "after" if recipe is None else place(opened, recipe))
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            print_repair(found, out)
            if found.before.fingerprint == found.after.fingerprint:
                err.print("Both are the same policy.", style="yellow")
            out.print(f"Page: {directory / PAGE}", soft_wrap=True)
            if after is None:
                mended = found.after.arguments.get("checkpoint", found.after.type)
                out.print(f"The mended policy: {mended}", soft_wrap=True)
        if (opened.directory / REPORT).is_file() and directory.parent == opened.directory / REPAIRS:
            # The repair is done, whatever becomes of the page that tells of it.
            try:
                err.print(f"Report: {report(opened)}", soft_wrap=True)
            except FaultfieldError as error:
                err.print(f"The report was not written anew: {error}", style="yellow", markup=False, soft_wrap=True)


def _value(context: typer.Context, name: str) -> str:
    """What an option was given."""
    own = next(option for option in context.command.params if name in option.opts)
    return str(context.params[str(own.name)])


def _exported(
    made: "Exported", recipe: "Recipe", study: str, out_dir: Path | None, kept: list[str], as_json: bool
) -> None:
    words = ["faultfield", "repair", study, "--budget-episodes", str(recipe.budget), "--mode", recipe.mode]
    words += ["--seed", str(recipe.seed)] if recipe.seed else []
    words += ["--out", str(out_dir)] if out_dir is not None else []
    words += kept
    back = f"{shlex.join(words)} --after CHECKPOINT"
    if as_json:
        print_json({"exported": str(made.path), **made.counts, "then": back})
        return
    out.print(str(made.path), soft_wrap=True)
    err.print(
        "This policy has a trainer of its own: train it further on this file together with a share of what it learned "
        f"from, then compare it here with '{back}'.",
        soft_wrap=True,
    )
