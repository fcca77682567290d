"""Commands on policies: gather demonstrations, train, measure success."""

import contextlib
import math
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from faultfield.cli.console import Bars, err, out, print_json
from faultfield.cli.options import AsJson, Workers, mapping, processes
from faultfield.errors import PolicyError

app = typer.Typer(no_args_is_help=True, help="Make policies: demonstrations, training, success.")

EnvName = Annotated[str, typer.Option(help="Environment, module:Class.")]
EnvSettings = Annotated[
    str, typer.Option("--env-args", help="Its settings as YAML, for instance '{task: Lift, placement: 0.1}'.")
]
Seed = Annotated[int, typer.Option(min=0, help="Fixes everything random.")]
_ENV = "The environment's settings must be a YAML mapping such as '{task: Lift}'"
_LOOKS = 500
"""Looks that are drawn; of these, each demonstration gets some."""


class Algorithm(StrEnum):
    """What of robomimic's can be trained here."""

    bc_rnn = "bc-rnn"
    bc_transformer = "bc-transformer"
    bcq = "bcq"


@app.command()
def demos(
    path: Annotated[Path, typer.Option("--out", help="The .npz file to write.")],
    episodes: Annotated[int, typer.Option(min=1, help="Successful demonstrations to keep.")] = 100,
    seed: Seed = 0,
    noise: Annotated[float, typer.Option(min=0.0, help="Noise on what is executed; the label stays clean.")] = 0.3,
    expert: Annotated[str | None, typer.Option(help="Who demonstrates; by default our expert of the task.")] = None,
    environment: EnvName = "faultfield.envs.robosuite:Robosuite",
    env_args: EnvSettings = "{}",
    camera: Annotated[
        str | None, typer.Option(help="Whose pictures to keep, where the environment observes with several cameras.")
    ] = None,
    learner: Annotated[
        Path | None, typer.Option(help="A VisualBC checkpoint that acts first, the expert relabelling (DAgger).")
    ] = None,
    looks: Annotated[
        int, typer.Option(min=0, help="Picture each as so many further looks, drawn from all that the scene can have.")
    ] = 0,
    workers: Workers = None,
) -> None:
    """Gather demonstrations of a scripted expert; failures are discarded. Killed and run again, it goes on.

    A file that holds them already is left as it is; of other demonstrations it is not written over.
    """
    from faultfield.policies.demos import gather, random_looks

    settings = mapping(env_args, _ENV)
    drawn = random_looks(environment, settings, _LOOKS, seed) if looks else []
    with Bars().task("Demonstrations", episodes) as update:
        kept = gather(
            path, episodes=episodes, seed=seed, noise=noise, workers=processes(workers), expert=expert,
            environment=environment, environment_arguments=settings, camera=camera, learner=learner, looks=drawn,
            looks_each=looks, over=False, on_progress=lambda done, total: update(done),
        )  # fmt: skip
    err.print(f"{len(kept)} steps of {episodes} demonstrations in {path}")


@app.command()
def train(
    demonstrations: Annotated[list[Path], typer.Option("--demos", help="Files of `faultfield policy demos`.")],
    path: Annotated[Path, typer.Option("--out", help="Directory of the checkpoint.")],
    steps: Annotated[int, typer.Option(min=1, help="Batches.")] = 4000,
    seed: Seed = 0,
    jitter: Annotated[bool, typer.Option(help="Change colours at random while training.")] = True,
    strong: Annotated[bool, typer.Option("--strong", help="Change colours more, and move pictures about.")] = False,
    guided: Annotated[
        bool,
        typer.Option("--guided", help="Teach the eye where things are, as the simulator told meanwhile."),
    ] = False,
) -> None:
    """Train a visual behaviour-cloning policy; killed and run again, it goes on where it was.

    A checkpoint that was trained so already is left as it is; another one is not written over.
    """
    from faultfield.policies.jitter import STRONG
    from faultfield.policies.training import train as train_policy

    if strong and not jitter:
        raise PolicyError("--strong says how pictures are changed at random, and --no-jitter that they are not.")
    _check_place(path)
    with Bars().task("Training", steps) as update:
        loss = train_policy(
            demonstrations, path, steps=steps, seed=seed, jitter=STRONG if strong else jitter, guided=guided,
            on_progress=lambda done, total, loss: update(done),
        )  # fmt: skip
    _tell_trained(loss, path, math.isnan(loss))


@app.command()
def robomimic(
    demonstrations: Annotated[
        list[Path],
        typer.Option("--demos", help="Files of `faultfield policy demos`, or one .hdf5 of `faultfield export`."),
    ],
    path: Annotated[Path, typer.Option("--out", help="Directory of the checkpoint.")],
    algorithm: Annotated[Algorithm, typer.Option(help="What to train.")] = Algorithm.bc_rnn,
    steps: Annotated[int, typer.Option(min=1, help="Batches, rounded up to whole hundreds.")] = 3000,
    seed: Seed = 0,
    jitter: Annotated[bool, typer.Option(help="Change colours at random while training.")] = True,
    eye: Annotated[
        Path | None, typer.Option(help="A VisualBC checkpoint with whose eye it begins: far fewer steps are needed.")
    ] = None,
) -> None:
    """Train one of robomimic's policies by its own code; killed and run again, it goes on where it was.

    A checkpoint that was trained so already is left as it is; another one is not written over.
    """
    from faultfield.exports.robomimic import training_file
    from faultfield.policies.robomimic_training import CONFIG
    from faultfield.policies.robomimic_training import train as train_policy

    _check_place(path)
    ended = (path / CONFIG).is_file()
    # What a checkpoint was trained on stays beside it, whatever is asked for now.
    with tempfile.TemporaryDirectory() if ended else contextlib.nullcontext(path) as folder:
        data = training_file(demonstrations, folder)
        with Bars().task("Training", steps) as update:
            loss = train_policy(
                data, path, algorithm.value, steps=steps, seed=seed, jitter=jitter, eye=eye,
                on_progress=lambda done, total: update(min(done, steps)),
            )  # fmt: skip
    _tell_trained(loss, path, ended)


def _check_place(path: Path) -> None:
    """Refuse to train into a study's directory: the two would be read as one."""
    if (path / "study.yaml").is_file():
        raise PolicyError(f"'{path}' is the directory of a study; name another --out.")


def _tell_trained(loss: float, path: Path, before: bool) -> None:
    err.print(f"{'Trained already' if before else f'Loss {loss:.4f}'}; the checkpoint lies in {path}")


@app.command(name="eval")
def evaluate(
    policy: Annotated[
        str, typer.Argument(help="A checkpoint (VisualBC, robomimic), or module:Class or module:function.")
    ],
    episodes: Annotated[int, typer.Option(min=1, help="Fresh episodes.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Episode i is reset with seed + i.")] = 2_000_000,
    environment: EnvName = "faultfield.envs.robosuite:Robosuite",
    env_args: EnvSettings = "{}",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Nominal success over fresh episodes, with its Wilson interval (95 %)."""
    from faultfield.policies.checkpoints import named
    from faultfield.rollouts.outcomes import outcomes
    from faultfield.rollouts.pool import run_many
    from faultfield.rollouts.specs import EnvSpec, PolicySpec
    from faultfield.rollouts.worker import Job
    from faultfield.variations import NOMINAL

    env = EnvSpec(environment, mapping(env_args, _ENV))
    jobs = [Job(NOMINAL, s, "check") for s in range(seed, seed + episodes)]
    with Bars().task("Nominal rollouts", episodes) as update:
        finished = []
        for episode in run_many(jobs, env, PolicySpec(*named(policy)), workers=processes(workers)):
            finished.append(episode)
            update(len(finished))
    outcome = outcomes(finished)[0]
    low, high = outcome.interval()
    successes = outcome.episodes - outcome.failures
    if as_json:
        print_json({"episodes": episodes, "successes": successes, "success_rate": 1 - outcome.rate,
                    "low": 1 - high, "high": 1 - low, "seed": seed})  # fmt: skip
    else:
        out.print(f"{successes}/{episodes} succeeded  [{1 - high:.2f}, {1 - low:.2f}]")
