"""Who makes attempts at demonstrations: an environment, an expert, and what disturbs it; alone or in processes."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import plugins
from faultfield.envs.base import IMAGE_PREFIX, STATE, Observation, VariableEnv, images_of
from faultfield.errors import PolicyError
from faultfield.policies.attempts import Attempt, AttemptStore
from faultfield.policies.base import Policy, check_actions, load_policy

FIRST_SEED = 2**30
"""Demonstrations begin from reset seeds at or above this, so that an evaluation from small seeds sees new episodes."""

TRANSLATION = 3
"""Noise and pushes move the gripper about but never turn it: the leading action dimensions. The last is the gripper."""


class Demonstrator:
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
        pictures, states, actions = [], [], []
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
            executed = action.copy()
            if self._learner is not None and len(actions) <= handover:
                executed = check_actions(self._learner.infer(observation))[0]
            executed[:TRANSLATION] += self._noise * rng.standard_normal(TRANSLATION).astype(np.float32)
            observation, _, terminated, truncated, info = self._env.step(np.clip(executed, -1.0, 1.0))
            over = terminated or truncated
        return Attempt(bool(info["success"]), np.array(pictures), np.array(states), np.array(actions))

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


def attempts(recipe: Mapping[str, Any], indices: Iterable[int], workers: int, store: AttemptStore) -> Iterator[Attempt]:
    """Attempts in the order of their indices, a few ahead of what was asked for; those in the store are only read."""
    if workers == 1:
        demonstrator: Demonstrator | None = None
        for index in indices:
            attempt = store.get(index)
            if attempt is None:
                demonstrator = demonstrator or Demonstrator(recipe)
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


_demonstrator: Demonstrator | None = None


def _start_worker(recipe: Mapping[str, Any]) -> None:
    # Two processes with as many BLAS threads as cores each are slower than one; scikit-learn brings threadpoolctl.
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    threadpool_limits(1)
    global _demonstrator
    _demonstrator = Demonstrator(recipe)


def _attempt(index: int) -> Attempt:
    assert _demonstrator is not None
    return _demonstrator.attempt(index)
