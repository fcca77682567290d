"""What runs jobs, in this process or in another: an environment and a policy, built once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from faultfield.envs.base import VariableEnv
from faultfield.policies.base import Policy
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.runner import rollout
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.variations import Variation


@dataclass(frozen=True)
class Job:
    """One episode to be run.

    Attributes:
        variation: What to change.
        seed: Of the episode.
        stage: Why.
        keep_trajectory: Keep the simulator's state before each action, and the actions.
        keep_video: Keep every picture of the first camera.
    """

    variation: Variation
    seed: int
    stage: str
    keep_trajectory: bool = False
    keep_video: bool = False


class Worker:
    """Builds the environment and the policy at the first job, and keeps them.

    Args:
        env_spec: The environment.
        policy_spec: The policy.
        env_id: Fingerprint of the environment; worked out once, by whoever starts the workers.
        policy_id: Fingerprint of the policy.
    """

    def __init__(self, env_spec: EnvSpec, policy_spec: PolicySpec, env_id: str, policy_id: str) -> None:
        self._env_spec, self._policy_spec = env_spec, policy_spec
        self._env_id, self._policy_id = env_id, policy_id
        self._built: tuple[VariableEnv, Policy, OneThread] | None = None

    @property
    def arguments(self) -> tuple[EnvSpec, PolicySpec, str, str]:
        """What it was made from."""
        return self._env_spec, self._policy_spec, self._env_id, self._policy_id

    def run(self, job: Job) -> Episode:
        """Run one job, on one thread: then an episode does not depend on where it ran.

        Raises:
            FaultfieldError: Whatever `rollout` or the specs' `build` raise.
        """
        if self._built is None:
            self._built = self._env_spec.build(), self._policy_spec.build(), OneThread()
        env, policy, threads = self._built
        with threads.limit():
            return rollout(
                env,
                policy,
                job.variation,
                job.seed,
                policy_id=self._policy_id,
                env_id=self._env_id,
                stage=job.stage,
                keep_trajectory=job.keep_trajectory,
                keep_video=job.keep_video,
            )

    def close(self) -> None:
        """Let go of the environment."""
        if self._built is not None:
            self._built[0].close()
            self._built = None


class OneThread:
    """Limits linear algebra and torch to one thread: sums in another order differ in their last bits.

    Made once the libraries are loaded, for finding them takes milliseconds; then used as often as needed.
    """

    def __init__(self) -> None:
        from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

        self._controller = ThreadpoolController()
        self._torch = sys.modules.get("torch")

    @contextmanager
    def limit(self) -> Iterator[None]:
        """One thread inside the block; what it was after it."""
        before = self._torch.get_num_threads() if self._torch is not None else 0
        with self._controller.limit(limits=1):
            if self._torch is not None:
                self._torch.set_num_threads(1)
            try:
                yield
            finally:
                if self._torch is not None:
                    self._torch.set_num_threads(before)
