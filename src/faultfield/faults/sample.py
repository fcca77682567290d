"""Make one sample: an episode that turned out as it was meant to, its pictures, and its line."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import VariableEnv
from faultfield.errors import FaultError
from faultfield.faults import collage
from faultfield.faults.fault import Fault
from faultfield.faults.injection import inject
from faultfield.faults.pictures import write_picture
from faultfield.faults.recipe import Plan, Recipe
from faultfield.faults.record import CanPicture, Take, moments, photograph, take
from faultfield.faults.states import states
from faultfield.faults.task import FaultTask, draw, option_of
from faultfield.faults.tasks import task_named
from faultfield.faults.wording import reasons, success_reasons
from faultfield.rollouts.clip import CAMERAS
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.runner import versions
from faultfield.rollouts.specs import PolicySpec
from faultfield.rollouts.video import write as write_video
from faultfield.rollouts.worker import OneThread
from faultfield.variations import NOMINAL, Variation

ATTEMPTS = 5
"""How often an episode is tried until it turns out as it was meant to."""

NEAR = (0.2, 0.7)
"""Factor of the magnitude of a fault that is meant to succeed."""

STILL = 1.0
"""Seconds without any movement after which an episode is over."""

Line = Mapping[str, Any]
"""A sample in `samples.jsonl`."""


@dataclass(frozen=True)
class Setting:
    """What all samples share.

    Attributes:
        recipe: The settings.
        directory: Where files are written.
        keep: Whether episodes are handed back for a ledger.
    """

    recipe: Recipe
    directory: Path
    keep: bool = False


@dataclass(frozen=True)
class Made:
    """A sample whose files are written.

    Attributes:
        line: For `samples.jsonl`.
        episode: For a ledger, where it was asked for.
    """

    line: Line
    episode: Episode | None = None


@dataclass(frozen=True)
class _Attempt:
    fault: Fault | None
    seed: int
    variation: Variation
    taken: Take


class Maker:
    """Makes samples, keeping the environment of the task that was last asked for."""

    def __init__(self) -> None:
        self._task: FaultTask | None = None
        self._env: VariableEnv | None = None
        self._threads: OneThread | None = None

    def run(self, plan: Plan, setting: Setting) -> Made:
        """Make a sample and write its files, on one thread: then it does not depend on where it was made.

        Raises:
            FaultError: The expert fails again and again with nothing wrong, or before anything goes wrong.
            FaultfieldError: Whatever the environment and the expert raise.
        """
        task, env = self._built(plan.task)
        self._threads = self._threads or OneThread()
        with self._threads.limit():
            attempt = self._attempts(plan, setting.recipe, task, env)
            return _finish(plan, setting, task, env, attempt)

    def close(self) -> None:
        """Let go of the environment."""
        if self._env is not None:
            self._env.close()
        self._env = self._task = self._threads = None

    def _built(self, name: str) -> tuple[FaultTask, VariableEnv]:
        if self._task is None or self._env is None or self._task.name != name:
            self.close()
            self._task = task_named(name)
            self._env = self._task.environment.build()
        return self._task, self._env

    def _attempts(self, plan: Plan, recipe: Recipe, task: FaultTask, env: VariableEnv) -> _Attempt:
        """Try until the episode is the success or the failure that it is meant to be.

        A fault that succeeds every time is kept: that is what it did. A failure of the expert's own is not, be it with
        no fault or before the fault began: nobody could say why.
        """
        solved: _Attempt | None = None
        for number in range(ATTEMPTS):
            rng = plan.random(recipe.seed, number)
            fault = _fault(plan, recipe, task, rng, number)
            variation = _variation(recipe, task, env, fault, rng)
            seed = plan.episode_seed(rng)
            policy = inject(task, fault)
            attempt = _Attempt(fault, seed, variation, take(env, policy, seed, variation, round(task.rate * STILL)))
            if attempt.taken.success:
                solved = attempt
            if attempt.taken.success != plan.failure and (attempt.taken.success or policy.happened):
                return attempt
        if solved is None:
            raise FaultError(
                f"The expert of '{task.name}' failed {ATTEMPTS} times with nothing wrong; nobody could say why."
            )
        if solved is not attempt:
            # Episodes are pictured under the variation that the environment was last reset with.
            env.reset(seed=solved.seed, options={"variation": solved.variation})
        return solved


def _fault(plan: Plan, recipe: Recipe, task: FaultTask, rng: np.random.Generator, number: int) -> Fault | None:
    task = task.only(recipe.kinds, recipe.phases)
    if plan.failure:
        # Kinds take turns, so that those that fail easily do not crowd out the others. Each task of each split begins
        # elsewhere: a split of few episodes of many tasks has every kind as well.
        kinds = task.kinds()
        first = zlib.crc32(f"{plan.split} {plan.task}".encode())
        return draw(task, rng, kinds[(plan.index // 2 + first) % len(kinds)], recipe.strength)
    if number == 0 and rng.random() < recipe.near:
        slight = [kind for kind in task.kinds() if kind.startswith(("translation", "rotation"))]
        if slight:
            return draw(task, rng, slight[int(rng.integers(len(slight)))], float(rng.uniform(*NEAR)))
    return None


def _variation(
    recipe: Recipe, task: FaultTask, env: VariableEnv, fault: Fault | None, rng: np.random.Generator
) -> Variation:
    ranges = {**task.scene, **(option_of(task, fault).scene if fault is not None else {})}
    values: dict[str, object] = {name: round(float(rng.uniform(*ranges[name])), 3) for name in sorted(ranges)}
    if task.varied and rng.random() < recipe.vary:
        name = task.varied[int(rng.integers(len(task.varied)))]
        values[name] = env.variation_space.factor(name).sample(rng)
    return env.variation_space.variation(values) if values else NOMINAL


def _seen(plan: Plan, recipe: Recipe, frames: Mapping[str, NDArray[np.uint8]]) -> Mapping[str, NDArray[np.uint8]]:
    """What the collage shows: all cameras, or the front alone where it is the turn of that."""
    alone = not plan.split.startswith("test") and plan.random(recipe.seed, ATTEMPTS + 1).random() < recipe.front_only
    return {CAMERAS[0]: frames[CAMERAS[0]]} if alone and CAMERAS[0] in frames else frames


def _finish(plan: Plan, setting: Setting, task: FaultTask, env: VariableEnv, attempt: _Attempt) -> Made:
    """Picture the episode, write the files, then tell what was made."""
    assert isinstance(env, CanPicture)
    recipe, taken, fault = setting.recipe, attempt.taken, attempt.fault
    # A task of one phase has a white column more: a single one would be no collage.
    columns = max(len(task.phases), 2) if recipe.columns == "phases" else recipe.columns
    shown = moments(taken, recipe.columns)
    # An expert that goes back to try again has more phases than there are columns.
    shown = shown if len(shown) <= columns else (*shown[: columns - 1], shown[-1])
    frames = photograph(env, taken, shown, task.cameras, recipe.cell)
    image = Path("images") / f"{plan.id}.png"
    seen = _seen(plan, recipe, frames)
    write_picture(setting.directory / image, collage.make(seen, columns=columns, cell=recipe.cell))
    video, film = None, frames[CAMERAS[0]]
    if recipe.video:
        film = _film(env, task, taken, recipe)
        video = Path("videos") / f"{plan.id}.mp4"
        write_video(setting.directory / video, film, recipe.fps)
    failed = not taken.success
    told = reasons(fault, option_of(task, fault).target) if failed and fault is not None else success_reasons()
    reason = told[int(plan.random(recipe.seed, ATTEMPTS).integers(min(recipe.phrasings, len(told))))]
    line = {
        "id": plan.id,
        "task": plan.task,
        "split": plan.split,
        "instruction": env.instruction,
        "thing": task.handled,
        "failed": failed,
        "fault": None if fault is None else fault.to_json(),
        "reason": reason if plan.dense else None,
        "reasons": list(told),
        "seed": attempt.seed,
        "variation": attempt.variation.to_json(),
        "image": str(image),
        "cameras": list(seen),
        "video": None if video is None else str(video),
        "steps": taken.steps,
        "shown": list(shown),
        "states": states(env, task, taken, shown, attempt.variation),
    }
    if not setting.keep:
        return Made(line)
    # With the ends of phases, the first moment that is shown is not that at which the episode begins.
    first = frames if shown[0] == 0 else photograph(env, taken, (0,), task.cameras, recipe.cell)
    return Made(line, _episode(task, attempt, {camera: pictures[0] for camera, pictures in first.items()}, film))


def _film(env: CanPicture, task: FaultTask, taken: Take, recipe: Recipe) -> NDArray[np.uint8]:
    """The front camera at so many frames a second; the last one, at most half a frame off, is of the end."""
    count = max(2, round(taken.steps / task.rate * recipe.fps) + 1)
    steps = [*(min(round(frame * task.rate / recipe.fps), taken.steps) for frame in range(count - 1)), taken.steps]
    front = {CAMERAS[0]: task.cameras[CAMERAS[0]]}
    return photograph(env, taken, steps, front, recipe.video_size)[CAMERAS[0]]


def _episode(
    task: FaultTask, attempt: _Attempt, initial: Mapping[str, NDArray[np.uint8]], film: NDArray[np.uint8]
) -> Episode:
    fault = None if attempt.fault is None else attempt.fault.to_json()
    return Episode(
        variation=attempt.variation,
        seed=attempt.seed,
        success=attempt.taken.success,
        steps=attempt.taken.steps,
        policy=PolicySpec("faultfield.faults.injection:faulty", {"task": task.name, "fault": fault}).fingerprint,
        environment=task.environment.fingerprint,
        stage="fault",
        initial=initial,
        initial_snapshot=attempt.taken.snapshots[0],
        video=film,
        versions=versions(),
    )
