"""Demonstrations: what an expert would do at states that it, pushed about, comes through on its way to success."""

import json
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files, plugins
from faultfield.envs.base import IMAGE_PREFIX, PRIVILEGED, STATE, Observation, VariableEnv, images_of
from faultfield.errors import PolicyError
from faultfield.policies.attempts import Attempt, AttemptStore
from faultfield.policies.base import Policy, check_actions, fingerprint, load_policy
from faultfield.policies.teachers import ROBOSUITE, Teacher, camera_of, teacher

FIRST_SEED = 2**30
"""Demonstrations begin from reset seeds at or above this, so that an evaluation from small seeds sees new episodes."""

TRANSLATION = 3
"""Noise and pushes move the gripper about but never turn it: the leading action dimensions. The last is the gripper."""


@dataclass(frozen=True)
class Demonstrations:
    """Observations and the expert's action on each, one row a step.

    Attributes:
        pictures: uint8 (n, height, width, 3).
        states: Proprioception, float32 (n, state_dim).
        actions: What the expert would do, before any noise, float32 (n, action_dim).
        episodes: Which demonstration a row belongs to, int64 (n,), counted from 0.
        recipe: How they were gathered, one entry a file.
        truths: What the environment tells of where everything is, float32 (n, truth_dim): for the eye to learn from,
            never for the policy to see. None where it does not tell, or where files without are among those joined.
    """

    pictures: NDArray[np.uint8]
    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int64]
    recipe: tuple[Mapping[str, Any], ...]
    truths: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.actions)

    def save(self, path: str | Path) -> None:
        """Write one `.npz` file, whole or not at all."""
        truths = {} if self.truths is None else {"truths": self.truths}
        with files.replacing(path) as draft, draft.open("wb") as stream:
            np.savez_compressed(
                stream,
                **truths,
                pictures=self.pictures,
                states=self.states,
                actions=self.actions,
                episodes=self.episodes,
                recipe=np.array(json.dumps(self.recipe)),
            )

    @classmethod
    def load(cls, path: str | Path) -> "Demonstrations":
        """Read what `save` wrote.

        Raises:
            PolicyError: The file is missing, damaged, or holds something else.
        """
        if not Path(path).is_file():
            raise PolicyError(f"There is no file of demonstrations '{path}'; 'faultfield policy demos' makes one.")
        try:
            with np.load(path, allow_pickle=False) as stored:
                demos = cls(
                    stored["pictures"],
                    stored["states"],
                    stored["actions"],
                    stored["episodes"],
                    tuple(json.loads(str(stored["recipe"]))),
                    stored.get("truths"),
                )
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise PolicyError(f"'{path}' is damaged or is not a file of demonstrations.") from error
        lengths = {len(demos.pictures), len(demos.states), len(demos.actions), len(demos.episodes)}
        if demos.truths is not None:
            lengths.add(len(demos.truths))
        if len(lengths) > 1 or len(demos) == 0:
            raise PolicyError(f"The demonstrations in '{path}' are damaged: its arrays differ in length.")
        return demos

    @classmethod
    def join(cls, parts: Sequence["Demonstrations"]) -> "Demonstrations":
        """All rows of several, with episodes counted on.

        Raises:
            PolicyError: There are none, or their pictures, states or actions differ in shape.
        """
        if not parts:
            raise PolicyError("Training needs at least one file of demonstrations.")
        shapes = {(p.pictures.shape[1:], p.states.shape[1:], p.actions.shape[1:]) for p in parts}
        if len(shapes) > 1:
            raise PolicyError("The files of demonstrations differ in picture size, state or action; train on one kind.")
        counts = [int(p.episodes.max()) + 1 for p in parts]
        truths = [p.truths for p in parts if p.truths is not None]
        told = len(truths) == len(parts) and len({t.shape[1] for t in truths}) == 1
        offsets = np.cumsum([0, *counts[:-1]])
        return cls(
            np.concatenate([p.pictures for p in parts]),
            np.concatenate([p.states for p in parts]),
            np.concatenate([p.actions for p in parts]),
            np.concatenate([p.episodes + offset for p, offset in zip(parts, offsets, strict=True)]),
            tuple(entry for p in parts for entry in p.recipe),
            np.concatenate(truths) if told else None,
        )


def gather(
    path: str | Path,
    *,
    episodes: int,
    seed: int = 0,
    noise: float = 0.3,
    pushed: float = 0.5,
    workers: int = 1,
    expert: str | None = None,
    environment: str = ROBOSUITE,
    environment_arguments: Mapping[str, Any] | None = None,
    camera: str | None = None,
    learner: str | Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Demonstrations:
    """Gather successful demonstrations and write them to one file.

    What is executed is noisy and what is recorded as the label is not, so the demonstrations cover states off the
    expert's own path and say how to come back (Laskey et al. 2017). The file depends on the settings and the seed, not
    on the number of workers. Finished attempts are kept in a folder beside the file until it is written, so that a
    gathering that was killed goes on where it was.

    Args:
        path: The `.npz` file to write.
        episodes: Successful demonstrations to keep; failures are discarded and replaced.
        seed: Fixes everything random.
        noise: Standard deviation of what is added to the executed position deltas, in units of the action.
        pushed: Share of episodes that begin with a random push of 2–8 steps that are not recorded.
        workers: Worker processes; 1 stays in this process.
        expert: Name of the expert, `module:Class`; ours for the environment's task where it is None.
        environment: Name of the environment, `module:Class`.
        environment_arguments: Its settings.
        camera: Whose pictures to keep; the one that the environment observes with where it is None.
        learner: A VisualBC checkpoint that acts in the expert's place for a random first part of each episode, the
            expert labelling what it meets (Ross et al. 2011).
        on_progress: Called with (demonstrations kept, demonstrations wanted).

    Returns:
        What was written.

    Raises:
        PolicyError: Nobody is known who could demonstrate the task, the expert fails so often that twice as many
            attempts do not give `episodes` successes, or the environment has no such camera.
        StudyError: A name cannot be imported.
    """
    if episodes < 1 or workers < 1 or noise < 0 or not 0 <= pushed <= 1:
        raise PolicyError("Demonstrations need episodes and workers of at least 1, noise ≥ 0 and pushed in 0–1.")
    settings = dict(environment_arguments or {})
    chosen = teacher(environment, settings) if expert is None else Teacher(expert)
    recipe = {
        "expert": chosen.type,
        **({"expert_arguments": dict(chosen.arguments)} if chosen.arguments else {}),
        "environment": environment,
        "environment_arguments": settings,
        "camera": camera or camera_of(environment, settings),
        "learner": None if learner is None else str(learner),
        "noise": noise,
        "pushed": pushed,
        "seed": seed,
    }
    store = AttemptStore(f"{path}.attempts", recipe | {"who": _fingerprints(recipe)})
    kept: list[Attempt] = []
    allowed = 2 * episodes + 10
    tried = 0
    for attempt in _attempts(recipe, range(allowed), workers, store):
        tried += 1
        if attempt.success:
            kept.append(attempt)
            if on_progress is not None:
                on_progress(len(kept), episodes)
        if len(kept) == episodes:
            break
    else:
        store.clear()
        raise PolicyError(
            f"The expert '{chosen.type}' succeeded in {len(kept)} of {tried} attempts; it must succeed more often than "
            "not before its demonstrations are worth imitating."
        )
    demos = Demonstrations(
        np.concatenate([a.pictures for a in kept]),
        np.concatenate([a.states for a in kept]),
        np.concatenate([a.actions for a in kept]),
        np.repeat(np.arange(episodes), [len(a.actions) for a in kept]),
        ({**recipe, "episodes": episodes, "attempts": tried},),
        np.concatenate([a.truths for a in kept]) if kept[0].truths.shape[1] else None,
    )
    demos.save(path)
    store.clear()
    return demos


def _fingerprints(recipe: Mapping[str, Any]) -> list[str]:
    """Who demonstrates, by content: attempts of another expert or learner under the same name are not mixed in."""
    learner = recipe["learner"]
    learners = [] if learner is None else [fingerprint("faultfield.policies.bc:VisualBC", checkpoint=learner)]
    return [fingerprint(recipe["expert"], **recipe.get("expert_arguments", {})), *learners]


class _Demonstrator:
    """An environment and an expert that make one attempt after another."""

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        self._env: VariableEnv = plugins.load(recipe["environment"], what="environment")(
            **recipe["environment_arguments"]
        )
        self._expert = load_policy(recipe["expert"], **recipe.get("expert_arguments", {}))
        self._learner: Policy | None = None
        if recipe["learner"] is not None:
            self._learner = load_policy("faultfield.policies.bc:VisualBC", checkpoint=recipe["learner"])
        self._camera: str | None = recipe["camera"]
        self._noise, self._pushed, self._seed = recipe["noise"], recipe["pushed"], recipe["seed"]

    def attempt(self, index: int) -> Attempt:
        """Attempt number `index`; the same index gives the same attempt in whatever process."""
        rng = np.random.default_rng([self._seed, index])
        observation, info = self._env.reset(seed=FIRST_SEED + int(rng.integers(FIRST_SEED)))
        picture = self._find_picture(observation)
        self._expert.reset()
        pictures, states, actions, truths = [], [], [], []
        over = False
        for command in self._push(rng):
            if not over:
                observation, _, terminated, truncated, info = self._env.step(command)
                over = terminated or truncated
        handover = int(rng.integers(5, 40)) if self._learner is not None else 0
        while not over:
            action = check_actions(self._expert.infer(observation))[0]
            pictures.append(observation[picture])
            states.append(observation[STATE])
            actions.append(action)
            truths.append(observation.get(PRIVILEGED, np.empty(0, np.float32)))
            executed = action.copy()
            if self._learner is not None and len(actions) <= handover:
                executed = check_actions(self._learner.infer(observation))[0]
            executed[:TRANSLATION] += self._noise * rng.standard_normal(TRANSLATION).astype(np.float32)
            observation, _, terminated, truncated, info = self._env.step(np.clip(executed, -1.0, 1.0))
            over = terminated or truncated
        return Attempt(bool(info["success"]), np.array(pictures), np.array(states), np.array(actions), np.array(truths))

    def _find_picture(self, observation: Observation) -> str:
        there = images_of(observation)
        if self._camera is None and len(there) == 1:
            return IMAGE_PREFIX + next(iter(there))
        picture = f"{IMAGE_PREFIX}{self._camera}"
        if picture not in observation:
            missing = "needs to be told which camera to keep" if self._camera is None else f"has no '{picture}'"
            raise PolicyError(f"The environment {missing}; it has {', '.join(there)}.")
        return picture

    def _push(self, rng: np.random.Generator) -> list[NDArray[np.float32]]:
        """Commands that open the gripper and move it some way in one direction, for a share of the episodes."""
        if rng.random() >= self._pushed:
            return []
        push = np.zeros(self._env.action_space.shape or (), dtype=np.float32)
        push[:TRANSLATION] = rng.uniform(-1.0, 1.0, TRANSLATION)
        push[-1] = -1.0
        return [push] * int(rng.integers(2, 9))


def _attempts(
    recipe: Mapping[str, Any], indices: Iterable[int], workers: int, store: AttemptStore
) -> Iterator[Attempt]:
    """Attempts in the order of their indices, a few ahead of what was asked for; those in the store are only read."""
    if workers == 1:
        demonstrator: _Demonstrator | None = None
        for index in indices:
            attempt = store.get(index)
            if attempt is None:
                demonstrator = demonstrator or _Demonstrator(recipe)
                attempt = demonstrator.attempt(index)
                store.put(index, attempt)
            yield attempt
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start_worker, initargs=(recipe,))
    ahead: deque[tuple[int, Attempt | Future[Attempt]]] = deque()

    def take() -> Attempt:
        index, found = ahead.popleft()
        if isinstance(found, Attempt):
            return found
        attempt = found.result()
        store.put(index, attempt)
        return attempt

    try:
        for index in indices:
            ahead.append((index, store.get(index) or pool.submit(_attempt, index)))
            if len(ahead) >= 2 * workers:
                yield take()
        while ahead:
            yield take()
    finally:
        pool.shutdown(cancel_futures=True)


_demonstrator: _Demonstrator | None = None


def _start_worker(recipe: Mapping[str, Any]) -> None:
    # Two processes with as many BLAS threads as cores each are slower than one; scikit-learn brings threadpoolctl.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    threadpool_limits(1)
    global _demonstrator
    _demonstrator = _Demonstrator(recipe)


def _attempt(index: int) -> Attempt:
    assert _demonstrator is not None
    return _demonstrator.attempt(index)
