"""Pictures of random variations, rendered without rolling out anything: what the pocket encoder is trained on."""

import io
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import gymnasium
import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.envs.base import CanObserve, Observation, VariableEnv, images_of
from faultfield.errors import CheckpointError, EnvError, VariationError
from faultfield.variations import NOMINAL, Color, Continuous, Factor, Value, Variation, VariationSpace, color_names

SHARD = 240
"""Scenes a file: what a killed run loses at most."""

_PER_STATE = 8
_ORDERS = (0.06, 0.54, 0.26, 0.14)
"""Shares of scenes with 0, 1, 2, 3 factors changed."""

_MOVES = 6
"""Steps at most that the arm is moved before a picture, half of the time."""


class BuildsEnv(Protocol):
    """What builds the environment in a worker process: an `EnvSpec`."""

    def build(self) -> VariableEnv:
        """The environment."""
        ...


@dataclass(frozen=True)
class Scenes:
    """Rendered variations.

    Attributes:
        pictures: uint8 (n, height, width, 3).
        variations: What each shows, length n.
        space: Where the variations lie.
    """

    pictures: NDArray[np.uint8]
    variations: tuple[Variation, ...]
    space: VariationSpace

    def __len__(self) -> int:
        return len(self.variations)


def draw_variation(space: VariationSpace, rng: np.random.Generator, order: int | None = None) -> Variation:
    """A random variation of 0–3 factors, with the values that people write: colour names, single axes, full vectors.

    Args:
        space: Where to draw.
        rng: Draws.
        order: How many factors change; drawn when None.
    """
    names = list(space.factors)
    size = int(rng.choice(len(_ORDERS), p=_ORDERS)) if order is None else order
    picked = rng.choice(len(names), size=min(size, len(names)), replace=False)
    for _ in range(20):
        try:
            return space.variation({names[i]: _draw_value(space.factors[names[i]], rng) for i in sorted(picked)})
        except VariationError:
            # A factor may refuse a value inside its bounds (a light that shines nowhere); draw again.
            continue
    return space.sample(rng, order=size)[0]


def render(env: VariableEnv, count: int, seed: int | Sequence[int]) -> Scenes:
    """Draw and render `count` variations; the same seed gives the same scenes.

    Invisible factors are left out: no picture can tell them. Where the environment can picture stored states, several
    variations share one initial state; else each is a reset.

    Args:
        env: What to render.
        count: How many scenes.
        seed: Of variations, initial states and the arm's moves.

    Raises:
        EnvError: The environment has no picture.
    """
    rng = np.random.default_rng(seed)
    visible = VariationSpace([factor for factor in env.variation_space if factor.visible])
    pictures: list[NDArray[np.uint8]] = []
    variations: list[Variation] = []
    while len(variations) < count:
        batch = [draw_variation(visible, rng) for _ in range(min(_PER_STATE, count - len(variations)))]
        pictures += _picture_all(env, batch, rng)
        variations += batch
    return Scenes(np.stack(pictures), tuple(variations), env.variation_space)


def render_many(
    spec: BuildsEnv,
    directory: str | Path,
    count: int,
    seed: int,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> Scenes:
    """Render `count` scenes into files of `SHARD` scenes and read them back; files that exist are kept.

    The scenes depend on the seed alone, not on the number of workers nor on interruptions.

    Args:
        spec: What builds the environment.
        directory: Where the files go; one directory an environment.
        count: How many scenes.
        seed: Of everything drawn.
        workers: Processes that render.
        on_progress: Called with scenes done and scenes wanted.

    Raises:
        EnvError: The environment has no picture.
        CheckpointError: A file in the directory is damaged.
    """
    env = spec.build()
    sizes = [min(SHARD, count - start) for start in range(0, count, SHARD)]
    jobs = [
        _Job(Path(directory) / f"scenes-{seed}-{k:04d}-{size}.npz", size, (seed, k)) for k, size in enumerate(sizes)
    ]
    missing = [job for job in jobs if not job.path.exists()]
    done = count - sum(job.size for job in missing)
    for job in _run(spec, env, missing, workers):
        done += job.size
        if on_progress is not None:
            on_progress(done, count)
    parts = [_read(job.path, env.variation_space) for job in jobs]
    variations = tuple(variation for part in parts for variation in part.variations)
    return Scenes(np.concatenate([part.pictures for part in parts]), variations, env.variation_space)


@dataclass(frozen=True)
class _Job:
    path: Path
    size: int
    seed: tuple[int, int]


def _run(spec: BuildsEnv, env: VariableEnv, jobs: Sequence[_Job], workers: int) -> Iterator[_Job]:
    if workers <= 1 or len(jobs) <= 1:
        for job in jobs:
            _write(job, render(env, job.size, job.seed))
            yield job
        return
    # Spawned, not forked: an OpenGL context does not survive a fork.
    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs)), _start_worker, (spec,)) as pool:
        yield from pool.imap_unordered(_work, jobs)


_worker_env: VariableEnv | None = None


def _start_worker(spec: BuildsEnv) -> None:
    global _worker_env
    _worker_env = spec.build()


def _work(job: _Job) -> _Job:
    assert _worker_env is not None
    _write(job, render(_worker_env, job.size, job.seed))
    return job


def _write(job: _Job, scenes: Scenes) -> None:
    values = json.dumps([variation.to_json() for variation in scenes.variations])
    buffer = io.BytesIO()
    np.savez(buffer, pictures=scenes.pictures, variations=np.frombuffer(values.encode(), dtype=np.uint8))
    files.write_bytes(job.path, buffer.getvalue())


def _read(path: Path, space: VariationSpace) -> Scenes:
    try:
        with np.load(path, allow_pickle=False) as content:
            pictures, values = content["pictures"], json.loads(content["variations"].tobytes())
        return Scenes(pictures, tuple(space.variation(v) for v in values), space)
    except (*files.DAMAGED, VariationError) as error:
        raise CheckpointError(f"{path} holds no scenes of this environment, or is damaged; delete it.") from error


def _picture_all(
    env: VariableEnv, variations: Sequence[Variation], rng: np.random.Generator
) -> list[NDArray[np.uint8]]:
    seed, moves = int(rng.integers(2**31)), int(rng.integers(1, _MOVES + 1)) if rng.random() < 0.5 else 0
    if not isinstance(env, CanObserve):
        resets = [env.reset(seed=seed + i, options={"variation": v})[0] for i, v in enumerate(variations)]
        return [_picture(observation) for observation in resets]
    env.reset(seed=seed, options={"variation": NOMINAL})
    box = cast("gymnasium.spaces.Box", env.action_space)
    action = rng.uniform(-1.0, 1.0, size=box.shape) * 0.5 * (box.high - box.low) + 0.5 * (box.high + box.low)
    for _ in range(moves):
        env.step(action.astype(box.dtype))
    snapshot = env.snapshot()
    return [_picture(env.observe(snapshot, variation)) for variation in variations]


def _picture(observation: Observation) -> NDArray[np.uint8]:
    images = images_of(observation)
    if not images:
        raise EnvError("The environment gives no picture; build it with a camera to train an encoder on it.")
    return np.array(next(iter(images.values())))


def _draw_value(factor: Factor, rng: np.random.Generator) -> Value:
    if isinstance(factor, Color):
        return str(rng.choice(color_names())) if rng.random() < 0.5 else factor.sample(rng)
    low, high = getattr(factor, "low", None), getattr(factor, "high", None)
    if isinstance(factor, Continuous):
        nominal = np.array(np.broadcast_to(factor.nominal, factor.dim), dtype=np.float64)
        vector = rng.uniform(factor.low, factor.high, size=factor.dim)
        if rng.random() < 0.5:
            # Small changes are what people ask about most; uniform draws from a wide range hardly have any.
            vector = nominal + rng.random() * (vector - nominal)
        if rng.random() < 0.5:
            still = np.arange(factor.dim) != rng.integers(factor.dim)
            vector[still] = nominal[still]
        numbers = [round(float(v), 4) for v in vector]
        return factor.canonical(numbers if factor.size else numbers[0])
    if factor.dim > 1 and low is not None and high is not None and rng.random() < 0.5:
        return factor.canonical([round(float(v), 4) for v in rng.uniform(low, high, size=factor.dim)])
    return factor.sample(rng)
