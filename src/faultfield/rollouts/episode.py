"""One rollout of a policy under a variation and a seed, and what is kept of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.envs.base import Snapshot
from faultfield.variations import Variation

Key = tuple[str, str, str, int]
"""Policy, environment, variation key, seed: `Episode.key`."""


@dataclass(frozen=True)
class Trajectory:
    """Every step of an episode, kept only where a later stage needs it (the probe: nominal successes).

    Attributes:
        snapshots: The simulator state before each action, length steps.
        actions: What was executed, float32 (steps, action_dim).
    """

    snapshots: tuple[Snapshot, ...]
    actions: NDArray[np.float32]


@dataclass(frozen=True)
class Episode:
    """What happened in one rollout, and where it came from.

    Attributes:
        variation: What was changed.
        seed: Of the reset.
        success: The task's own check.
        steps: Control steps taken, at most the horizon.
        policy: Fingerprint of the policy.
        environment: Fingerprint of the environment's type and settings.
        stage: Why it was rolled out: `known`, `expert`, `blind`, `verify`, `check` (by hand).
        initial: First picture by camera, uint8 (height, width, 3).
        initial_snapshot: The simulator state at the first picture; None where the environment has no snapshots.
        trajectory: Every step, where it was asked for.
        video: Pictures over time, uint8 (frames, height, width, 3), where asked for.
        wall_time: Seconds; not part of what makes two episodes equal.
        versions: Package versions that made it.
    """

    variation: Variation
    seed: int
    success: bool
    steps: int
    policy: str
    environment: str
    stage: str
    initial: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict, compare=False, repr=False)
    initial_snapshot: Snapshot | None = field(default=None, compare=False, repr=False)
    trajectory: Trajectory | None = field(default=None, compare=False, repr=False)
    video: NDArray[np.uint8] | None = field(default=None, compare=False, repr=False)
    wall_time: float = field(default=0.0, compare=False)
    versions: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def key(self) -> Key:
        """Policy, environment, variation, seed: at most one episode of a ledger has each."""
        return (self.policy, self.environment, self.variation.key, self.seed)
