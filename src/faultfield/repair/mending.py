"""Fine-tuning: which policies can be mended here, and the card of what comes of it."""

import inspect
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from faultfield import files, plugins
from faultfield.envs.base import STATE
from faultfield.errors import StudyError
from faultfield.policies.bc import CONFIG, VisualBC
from faultfield.policies.demonstrations import Demonstrations
from faultfield.repair.plan import Recipe
from faultfield.rollouts.specs import PolicySpec

VISUAL_BC = "faultfield.policies.bc:VisualBC"
ROBOMIMIC = "faultfield.policies.robomimic:Robomimic"
OURS = (VISUAL_BC, ROBOMIMIC)
"""Those whose training is here, and not in a class of somebody's."""

OnProgress = Callable[[int, int], None]


class Mender(Protocol):
    """Makes a new checkpoint of a policy from demonstrations."""

    def __call__(
        self, spec: PolicySpec, targeted: Sequence[Path], original: Path | None, out: Path, recipe: Recipe,
        on_progress: OnProgress,
    ) -> PolicySpec:  # fmt: skip
        """Train the policy further and write it to `out`; killed and called again, it goes on.

        Args:
            spec: The policy as it is.
            targeted: Demonstrations under the targets, as `policies.demos.gather` writes them, one file a round; for a
                policy of `OURS` the original ones as the targets look, too.
            original: What it learned from before, or None.
            out: Directory of the new checkpoint.
            recipe: The settings.
            on_progress: Called with how much is done, and of how much.

        Returns:
            The mended policy.
        """
        ...


def mender_of(spec: PolicySpec) -> Mender | None:
    """Who can mend a policy here; None where it can only be mended elsewhere, with its own trainer.

    Anybody's policy can: by a static method `mend` of its class, of `Mender`'s shape.

    Raises:
        StudyError: The policy's class cannot be imported.
    """
    if spec.type == ROBOMIMIC:
        return mend_robomimic if _robomimic_algorithm(spec) else None
    if spec.type == VISUAL_BC:
        return mend_visual_bc
    found = plugins.load(spec.type, what="policy")
    own = isinstance(inspect.getattr_static(found, "mend", None), staticmethod)
    return cast("Mender", found.mend) if own else None  # type: ignore[attr-defined]


def mend_visual_bc(
    spec: PolicySpec, targeted: Sequence[Path], original: Path | None, out: Path, recipe: Recipe,
    on_progress: OnProgress,
) -> PolicySpec:  # fmt: skip
    """Fine-tune a `VisualBC` checkpoint: of each batch a share from the original file, the rest from the others alike.

    Where all demonstrations say where things are, that guides the eye: it learns from far fewer.
    """
    from faultfield.policies.jitter import STRONG
    from faultfield.policies.training import train
    from faultfield.policies.training_notes import PROGRESS

    mended = PolicySpec(spec.type, {**spec.arguments, "checkpoint": str(out)})
    # The configuration is what a training writes last; a kill right after it left the notes of progress.
    if (out / CONFIG).is_file():
        (out / PROGRESS).unlink(missing_ok=True)
        return mended
    sources = list(targeted) if original is None else [*targeted, original]
    old = 0.0 if original is None else recipe.share
    shares = [(1.0 - old) / len(targeted)] * len(targeted) + ([] if original is None else [old])
    guided = all(Demonstrations.load(path).truths is not None for path in sources)
    train(
        sources, out, steps=recipe.steps, seed=recipe.seed, guided=guided,
        jitter=STRONG if training_of(spec).get("jitter", True) else False,
        learning_rate=recipe.learning_rate, begin=spec.arguments["checkpoint"], widen=recipe.widen,
        shares=shares if len(shares) > 1 else None,
        on_progress=lambda done, total, loss: on_progress(done, total),
    )  # fmt: skip
    return mended


def mend_robomimic(
    spec: PolicySpec, targeted: Sequence[Path], original: Path | None, out: Path, recipe: Recipe,
    on_progress: OnProgress,
) -> PolicySpec:  # fmt: skip
    """Train a checkpoint of robomimic's further, by its own code and configuration, on one HDF5 file of everything.

    robomimic draws rows evenly, so of the original demonstrations as many are taken as make up their share, again and
    again where there are fewer; of those as the targets look, all of them once.
    """
    from faultfield.exports.robomimic import from_demonstrations
    from faultfield.policies.robomimic_training import PROGRESS, train

    mended = PolicySpec(spec.type, {**spec.arguments, "checkpoint": str(out)})
    data = out / "demonstrations.hdf5"
    if (out / CONFIG).is_file():
        data.unlink(missing_ok=True)
        (out / PROGRESS).unlink(missing_ok=True)
        return mended
    shown = [Demonstrations.load(path) for path in targeted]
    if original is not None and recipe.share > 0:
        rows = recipe.share / (1.0 - recipe.share) * sum(len(each) for each in shown)
        shown += made_up(Demonstrations.load(original), rows, recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    joined = Demonstrations.join(shown)
    # All are of one task, which was checked; how each says so in words does not matter here.
    from_demonstrations(data, replace(joined, recipe=joined.recipe[:1]))
    train(
        data, out, str(_robomimic_algorithm(spec)), steps=recipe.steps, seed=recipe.seed,
        begin=spec.arguments["checkpoint"], allow_pickle=bool(spec.arguments.get("allow_pickle", False)),
        learning_rate=recipe.learning_rate, on_progress=on_progress,
    )  # fmt: skip
    # All of it lies in the files that it was made of.
    data.unlink()
    return mended


def steps_of(spec: PolicySpec, recipe: Recipe) -> int:
    """Batches of one fine-tuning: robomimic's epochs are whole."""
    from faultfield.policies.robomimic_training import EPOCH

    return math.ceil(recipe.steps / EPOCH) * EPOCH if spec.type == ROBOMIMIC else recipe.steps


def made_up(demos: Demonstrations, rows: float, seed: int) -> list[Demonstrations]:
    """So many rows of demonstrations: all of them again and again where they are fewer, then the first of them."""
    whole, rest = divmod(rows, len(demos))
    return [demos] * int(whole) + ([first_of(demos, rest, seed)] if rest or not whole else [])


def first_of(demos: Demonstrations, rows: float, seed: int) -> Demonstrations:
    """Whole demonstrations in an order drawn from the seed, until there are so many rows; at least one."""
    numbers, lengths = np.unique(demos.episodes, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    ends = np.cumsum(lengths[order])
    kept = numbers[order[: int(np.searchsorted(ends, rows)) + 1]]
    inside = np.isin(demos.episodes, kept)
    return replace(
        demos,
        pictures=demos.pictures[inside],
        states=demos.states[inside],
        actions=demos.actions[inside],
        episodes=np.unique(demos.episodes[inside], return_inverse=True)[1].astype(np.int64),
        truths=None if demos.truths is None else demos.truths[inside],
    )


def _robomimic_algorithm(spec: PolicySpec) -> str | None:
    """What the checkpoint of a robomimic policy can be trained further by here; None where it cannot."""
    from faultfield.policies import robomimic
    from faultfield.policies.robomimic_config import ALGORITHMS, algorithm_of
    from faultfield.policies.robomimic_names import observation_name

    path = robomimic.checkpoint_file(spec.arguments.get("checkpoint", ""))
    if not path.is_file():
        return None
    stored = robomimic.read_checkpoint(path, allow_pickle=bool(spec.arguments.get("allow_pickle", False)))
    algorithm = algorithm_of(json.loads(stored["config"]))
    # What it sees must be what demonstrations keep, under its own names: the state, and one camera's pictures.
    numbers = {name for name, shape in stored["shape_metadata"]["all_shapes"].items() if len(shape) != 3}
    # Statistics of other data, by which it normalises, are nothing that a further training keeps.
    if numbers - {observation_name(STATE)} or stored.get("obs_normalization_stats"):
        return None
    return algorithm if algorithm in ALGORITHMS and camera_of(spec) is not None else None


def camera_of(spec: PolicySpec) -> str | None:
    """The one camera whose pictures a `VisualBC` or robomimic policy sees."""
    from faultfield.policies.robomimic import Robomimic

    policy = spec.build()
    if isinstance(policy, Robomimic):
        return policy.cameras[0] if len(policy.cameras) == 1 else None
    return policy.architecture.camera if isinstance(policy, VisualBC) else None


def training_of(spec: PolicySpec) -> dict[str, Any]:
    """How a `VisualBC` checkpoint says that it was trained; empty where it does not."""
    try:
        config = json.loads((Path(spec.arguments["checkpoint"]) / CONFIG).read_text(encoding="utf-8"))
        return dict(config.get("training") or {})
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def mended_elsewhere(spec: PolicySpec, after: str) -> PolicySpec:
    """The study's policy with another checkpoint, or another policy, `module:Class`.

    Raises:
        StudyError: The policy takes no checkpoint, or there is none at that path.
    """
    if Path(after).exists():
        if "checkpoint" not in spec.arguments:
            raise StudyError(
                f"The study's policy '{spec.type}' is not built from a checkpoint: give --after as 'module:Class'."
            )
        return PolicySpec(spec.type, {**spec.arguments, "checkpoint": after})
    if ":" in after:
        return PolicySpec(after)
    raise StudyError(f"There is no checkpoint at '{after}'; give its path, or a policy as 'module:Class'.")


def write_card(directory: Path, title: str, facts: Sequence[tuple[str, str]], statement: str, command: str) -> None:
    """The README.md of a mended checkpoint: what it is, how it was made, how it fares.

    Args:
        directory: Of the checkpoint.
        title: First line.
        facts: Rows of its table.
        statement: Before and after, in words.
        command: That makes it again.
    """
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts)
    files.write_text(
        directory / "README.md",
        f"# {title}\n\n{statement}\n\n| | |\n|---|---|\n{rows}\n\nMade by\n\n```sh\n{command}\n```\n",
    )
