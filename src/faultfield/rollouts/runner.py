"""One rollout of a policy under a variation and a seed."""

import functools
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import CanObserve, Observation, Snapshot, VariableEnv, images_of
from faultfield.errors import EnvError, FaultfieldError, PolicyError, brief
from faultfield.policies.base import Policy, begin, check_actions
from faultfield.rollouts.episode import Episode, Trajectory
from faultfield.variations import Variation

MOST_STEPS = 100_000
"""An episode still running after as many steps belongs to an environment without a horizon."""

_PACKAGES = ("faultfield", "gymnasium", "mujoco", "numpy", "robosuite", "torch")


def rollout(
    env: VariableEnv,
    policy: Policy,
    variation: Variation,
    seed: int,
    *,
    policy_id: str,
    env_id: str,
    stage: str,
    keep_trajectory: bool = False,
    keep_video: bool = False,
) -> Episode:
    """Run one episode to its end.

    The policy is asked for (horizon, action_dim) actions, these are executed in order, then it is asked again. A policy
    that draws random numbers may offer `seed(int)`, called before each `reset()`: then an episode does not depend
    on those before it.

    Args:
        env: Reset with `seed` and `variation`, stepped until it ends or is cut.
        policy: Reset, then asked.
        variation: What is changed.
        seed: Of the episode.
        policy_id: Fingerprint of the policy, for the episode.
        env_id: Fingerprint of the environment, for the episode.
        stage: Why this is rolled out.
        keep_trajectory: Keep the simulator's state before each action, and the actions (needs `CanObserve`).
        keep_video: Keep every picture of the first camera, steps + 1 frames.

    Raises:
        PolicyError: The policy raised, or its answer is not actions; the text names step, seed and variation.
        EnvError: The environment raised, tells no success, never ends, or has no snapshots where they were asked for.
        VariationError: The environment does not offer the variation.
    """
    started = time.perf_counter()
    if keep_trajectory and not isinstance(env, CanObserve):
        raise EnvError("A trajectory was asked for, but the environment has no snapshot() and observe().")
    place = _Place(variation, seed)
    action_dim = _action_dim(env)
    with place.blaming_env():
        observation, _ = env.reset(seed=seed, options={"variation": variation})
    with place.blaming_policy():
        begin(policy, seed)
    record = _Record(observation, _copy(env.snapshot()) if isinstance(env, CanObserve) else None)
    success = done = False
    while not done:
        with place.blaming_policy():
            chunk = check_actions(policy.infer(observation), action_dim)
        for action in chunk:
            if keep_trajectory and isinstance(env, CanObserve):
                record.snapshots.append(_copy(env.snapshot()))
            record.actions.append(action)
            with place.blaming_env():
                observation, _, terminated, truncated, info = env.step(action.copy())
            place.step += 1
            success = _success(info)
            done = bool(terminated or truncated)
            if keep_video:
                record.add_frame(observation)
            if done:
                break
        if place.step >= MOST_STEPS:
            raise EnvError(f"The environment had not ended after {MOST_STEPS} steps; it must truncate at a horizon.")
    return Episode(
        variation=variation,
        seed=seed,
        success=success,
        steps=place.step,
        policy=policy_id,
        environment=env_id,
        stage=stage,
        initial=record.initial,
        initial_snapshot=record.initial_snapshot,
        trajectory=Trajectory(tuple(record.snapshots), np.stack(record.actions)) if keep_trajectory else None,
        video=np.stack(record.frames) if keep_video and record.frames else None,
        wall_time=time.perf_counter() - started,
        versions=versions(),
    )


@functools.cache
def versions() -> Mapping[str, str]:
    """Versions of Python and of the packages that shape an episode, read without importing them."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


@dataclass
class _Place:
    """Where in which episode we are, to be told when something goes wrong."""

    variation: Variation
    seed: int
    step: int = 0

    @contextmanager
    def blaming_env(self) -> Iterator[None]:
        try:
            yield
        except FaultfieldError:
            raise
        except Exception as error:
            raise EnvError(f"The environment raised {self._where()}: {brief(error)}") from error

    @contextmanager
    def blaming_policy(self) -> Iterator[None]:
        try:
            yield
        except PolicyError as error:
            raise PolicyError(f"{str(error).rstrip('.')}; seen {self._where()}.") from error
        except FaultfieldError:
            raise
        except Exception as error:
            raise PolicyError(f"The policy raised {self._where()}: {brief(error)}") from error

    def _where(self) -> str:
        return f"at step {self.step} of seed {self.seed} under the variation {self.variation.to_json()}"


@dataclass
class _Record:
    """What is kept while the episode runs."""

    first: Observation
    initial_snapshot: Snapshot | None
    initial: dict[str, NDArray[np.uint8]] = field(init=False)
    snapshots: list[Snapshot] = field(default_factory=list)
    actions: list[NDArray[np.float32]] = field(default_factory=list)
    frames: list[NDArray[np.uint8]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.initial = _copy(images_of(self.first))
        self.frames.extend(list(self.initial.values())[:1])

    def add_frame(self, observation: Observation) -> None:
        self.frames.extend(picture.copy() for picture in list(images_of(observation).values())[:1])


def _copy(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Arrays of our own: an environment may use the same buffers at every step."""
    return {name: np.array(array) for name, array in arrays.items()}


def _action_dim(env: VariableEnv) -> int:
    shape = env.action_space.shape
    if shape is None or len(shape) != 1:
        raise EnvError(f"The environment's action_space must have shape (action_dim,), not {shape}.")
    return shape[0]


def _success(info: Mapping[str, Any]) -> bool:
    if "success" not in info:
        raise EnvError("The environment's step must tell info['success'].")
    return bool(info["success"])
