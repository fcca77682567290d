"""What runs jobs, in this process or in another: an environment and a policy, kept between jobs."""

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

    @property
    def label(self) -> str:
        """Which episode this is, in words."""
        return f"seed {self.seed} under the variation {self.variation.to_json()}"


@dataclass(frozen=True)
class Setting:
    """Who acts where, with both fingerprints, worked out once by whoever hands out the jobs.

    Attributes:
        env_spec: The environment.
        policy_spec: The policy.
        env_id: Fingerprint of the environment.
        policy_id: Fingerprint of the policy.
    """

    env_spec: EnvSpec
    policy_spec: PolicySpec
    env_id: str
    policy_id: str

    @classmethod
    def of(cls, env_spec: EnvSpec, policy_spec: PolicySpec) -> "Setting":
        """The setting with the fingerprints as they are now."""
        return cls(env_spec, policy_spec, env_spec.fingerprint, policy_spec.fingerprint)


class Worker:
    """Builds the environment and the policy when a job first needs them, and keeps them until another is needed."""

    def __init__(self) -> None:
        self._env: tuple[str, VariableEnv] | None = None
        self._policy: tuple[str, Policy] | None = None
        self._threads: OneThread | None = None

    def run(self, job: Job, setting: Setting) -> Episode:
        """Run one job, on one thread: then an episode does not depend on where it ran.

        Raises:
            FaultfieldError: Whatever `rollout` or the specs' `build` raise.
        """
        with self.ready(setting) as (env, policy):
            return rollout(
                env,
                policy,
                job.variation,
                job.seed,
                policy_id=setting.policy_id,
                env_id=setting.env_id,
                stage=job.stage,
                keep_trajectory=job.keep_trajectory,
                keep_video=job.keep_video,
            )

    @contextmanager
    def ready(self, setting: Setting) -> Iterator[tuple[VariableEnv, Policy]]:
        """The environment and the policy; inside the block, everything runs on one thread.

        Raises:
            FaultfieldError: Whatever the specs' `build` raise.
        """
        env, policy = self.built(setting)
        self._threads = self._threads or OneThread()
        with self._threads.limit():
            yield env, policy

    def built(self, setting: Setting) -> tuple[VariableEnv, Policy]:
        """The environment, in the state in which the last job left it, and the policy.

        Raises:
            FaultfieldError: Whatever the specs' `build` raise.
        """
        if self._env is None or self._env[0] != setting.env_id:
            self.close()
            self._env = setting.env_id, setting.env_spec.build()
        if self._policy is None or self._policy[0] != setting.policy_id:
            self._policy = setting.policy_id, setting.policy_spec.build()
            # A new policy may have loaded libraries with threads of their own.
            self._threads = None
        return self._env[1], self._policy[1]

    def close(self) -> None:
        """Let go of the environment and the policy."""
        if self._env is not None:
            self._env[1].close()
        self._env = self._policy = self._threads = None


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
