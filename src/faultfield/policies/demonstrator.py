"""Who makes attempts at demonstrations: an environment, an expert, and what disturbs it; alone or in processes."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from multiprocessing import get_context
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import (
    IMAGE_PREFIX,
    PRIVILEGED,
    STATE,
    CanObserve,
    Observation,
    Snapshot,
    images_of,
)
from faultfield.envs.building import build
from faultfield.errors import EnvError, PolicyError
from faultfield.policies.attempts import Attempt, AttemptStore, no_looks
from faultfield.policies.base import Policy, begin, check_actions, load_policy
from faultfield.variations import NOMINAL

FIRST_SEED = 2**30
"""Demonstrations begin from reset seeds at or above this, so that an evaluation from small seeds sees new episodes."""

TRANSLATION = 3
"""Noise and pushes move the gripper about but never turn it: the leading action dimensions. The last is the gripper."""

HANDOVER = 40
"""A learner hands over to the expert between the fifth step and this one, where nobody says when."""

STRIDE = 100_000
"""Attempts under the first variation count from 0, those under the second from here, and so on."""


class Demonstrator:
    """An environment and an expert that make one attempt after another."""

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        self._env = build(recipe["environment"], recipe["environment_arguments"])
        self._expert = load_policy(recipe["expert"], **recipe.get("expert_arguments", {}))
        self._learner: Policy | None = None
        if recipe["learner"] is not None:
            self._learner = load_policy("faultfield.policies.bc:VisualBC", checkpoint=recipe["learner"])
        self._handover: int = recipe.get("handover", HANDOVER)
        self._camera: str | None = recipe["camera"]
        space = self._env.variation_space
        self._under = [space.variation(target["variation"]) for target in recipe.get("under", ())]
        self._looks = [space.variation(look["variation"]) for look in recipe.get("looks", ())]
        self._weights = np.array([look["weight"] for look in recipe.get("looks", ())], dtype=np.float64)
        self._looks_each: int = recipe.get("looks_each", 0)
        if self._looks_each and not isinstance(self._env, CanObserve):
            raise PolicyError(f"The environment '{recipe['environment']}' cannot picture a state under another look.")
        self._noise, self._pushed, self._seed = recipe["noise"], recipe["pushed"], recipe["seed"]

    def attempt(self, index: int) -> Attempt:
        """Attempt number `index`; the same index gives the same attempt in whatever process."""
        rng = np.random.default_rng([self._seed, index])
        # An environment that is told no variation may draw one of its own.
        options = {"variation": self._under[index // STRIDE]} if self._under else None
        seed = FIRST_SEED + int(rng.integers(FIRST_SEED))
        observation, info = self._env.reset(seed=seed, options=options)
        picture = self._find_picture(observation)
        begin(self._expert, seed)
        pictures, states, actions, truths, snapshots = [], [], [], [], []
        over = False
        for command in self._push(rng):
            if not over:
                observation, _, terminated, truncated, info = self._env.step(command)
                over = terminated or truncated
        latest = self._handover
        handover = int(rng.integers(min(5, latest - 1), latest)) if self._learner is not None else 0
        while not over:
            action = check_actions(self._expert.infer(observation))[0]
            pictures.append(observation[picture])
            states.append(observation[STATE])
            actions.append(action)
            truths.append(observation.get(PRIVILEGED, np.empty(0, np.float32)))
            if self._looks_each:
                snapshots.append(self._snapshot())
            executed = action.copy()
            if self._learner is not None and len(actions) <= handover:
                executed = check_actions(self._learner.infer(observation))[0]
            executed[:TRANSLATION] += self._noise * rng.standard_normal(TRANSLATION).astype(np.float32)
            observation, _, terminated, truncated, info = self._env.step(np.clip(executed, -1.0, 1.0))
            over = terminated or truncated
        # What a push alone brought to its end shows nothing of the expert.
        shown = bool(info["success"]) and len(actions) > 0
        made = Attempt(shown, np.array(pictures), np.array(states), np.array(actions), np.array(truths))
        return replace(made, looks=self._repainted(index, snapshots, picture)) if shown and self._looks_each else made

    def _snapshot(self) -> Snapshot:
        assert isinstance(self._env, CanObserve)
        return self._env.snapshot()

    def _repainted(self, index: int, snapshots: Sequence[Snapshot], picture: str) -> NDArray[np.uint8]:
        """The steps of an attempt under some looks that are not its own, uint8 (looks, steps, height, width, 3)."""
        assert isinstance(self._env, CanObserve)
        space = self._env.variation_space
        own = self._under[index // STRIDE] if self._under else getattr(self._env, "variation", NOMINAL)
        rng = np.random.default_rng([self._seed, index, 1])
        other = np.array([space.seen_as(own, look) != own for look in self._looks])
        likely = self._weights * other
        number = min(self._looks_each, int(other.sum()))
        drawn = rng.choice(len(self._looks), number, replace=False, p=likely / likely.sum()) if number else ()
        seen = [
            [self._env.observe(snapshot, space.seen_as(own, self._looks[k]))[picture] for snapshot in snapshots]
            for k in drawn
        ]
        return np.array(seen) if seen else no_looks()

    def _find_picture(self, observation: Observation) -> str:
        there = images_of(observation)
        if self._camera is None and len(there) == 1:
            return IMAGE_PREFIX + next(iter(there))
        picture = f"{IMAGE_PREFIX}{self._camera}"
        if picture not in observation:
            if self._camera is None and there:
                raise PolicyError(f"The environment observes with {', '.join(there)}; name one to keep (--camera).")
            missing = "observes with no camera" if self._camera is None else f"has no '{picture}'"
            raise PolicyError(f"The environment {missing}; it has {', '.join(there or observation)}.")
        return picture

    def _push(self, rng: np.random.Generator) -> list[NDArray[np.float32]]:
        """Commands that open the gripper and move it some way in one direction, for a share of the episodes."""
        if rng.random() >= self._pushed:
            return []
        push = np.zeros(self._env.action_space.shape or (), dtype=np.float32)
        push[:TRANSLATION] = rng.uniform(-1.0, 1.0, TRANSLATION)
        push[-1] = -1.0
        return [push] * int(rng.integers(2, 9))


class Demonstrators:
    """Makes attempts in this process or in several; what was built stays until the end of the `with` block.

    Args:
        recipe: What makes the attempts what they are, as `gather` writes it into its file.
        workers: Processes; 1 stays in this one.
        store: Where attempts are kept; those that are there are only read.
    """

    def __init__(self, recipe: Mapping[str, Any], workers: int, store: AttemptStore) -> None:
        self._recipe, self._workers, self._store = recipe, workers, store
        self._here: Demonstrator | None = None
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def attempts(self, indices: Sequence[int]) -> Iterator[Attempt]:
        """Attempts in the order of their indices; the processes work a few ahead of what was asked for.

        Raises:
            EnvError: The environment cannot be built, or a worker process died.
            FaultfieldError: The expert or the learner cannot be built.
        """
        if self._workers == 1:
            for index in indices:
                yield self._store.get(index) or self._keep(index, self._local().attempt(index))
            return
        try:
            yield from self._in_processes(indices)
        except BrokenProcessPool as error:
            raise EnvError(
                "A worker process died, perhaps for want of memory; run again to go on from the attempts that were "
                "kept, or with --workers 1."
            ) from error

    def _in_processes(self, indices: Sequence[int]) -> Iterator[Attempt]:
        ahead: deque[tuple[int, Attempt | Future[Attempt]]] = deque()
        for index in indices:
            ahead.append((index, self._store.get(index) or self._processes().submit(_attempt, index)))
            if len(ahead) >= 2 * self._workers:
                yield self._take(*ahead.popleft())
        while ahead:
            yield self._take(*ahead.popleft())

    def _take(self, index: int, found: "Attempt | Future[Attempt]") -> Attempt:
        return found if isinstance(found, Attempt) else self._keep(index, found.result())

    def _keep(self, index: int, attempt: Attempt) -> Attempt:
        self._store.put(index, attempt)
        return attempt

    def _local(self) -> Demonstrator:
        self._here = self._here or Demonstrator(self._recipe)
        return self._here

    def _processes(self) -> ProcessPoolExecutor:
        if self._pool is None:
            how = get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, how, initializer=_start_worker, initargs=(self._recipe,))
        return self._pool


_demonstrator: Demonstrator | Exception | None = None


def _start_worker(recipe: Mapping[str, Any]) -> None:
    # Two processes with as many BLAS threads as cores each are slower than one; scikit-learn brings threadpoolctl.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    threadpool_limits(1)
    global _demonstrator
    # What an initializer raises is lost: the pool only says that it broke.
    try:
        _demonstrator = Demonstrator(recipe)
    except Exception as error:
        _demonstrator = error


def _attempt(index: int) -> Attempt:
    if isinstance(_demonstrator, Exception):
        raise _demonstrator
    assert _demonstrator is not None
    return _demonstrator.attempt(index)
