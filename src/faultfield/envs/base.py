"""What an environment must offer to be diagnosed: Gymnasium's contract, and a variation at reset."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from numpy.typing import NDArray

from faultfield.variations import Variation, VariationSpace

Observation = Mapping[str, NDArray[Any]]
"""`observation.images.<camera>`: uint8 (height, width, 3). `observation.state`: float32 (n,), what the robot feels.
`observation.environment_state`: float32 (m,), what only a simulator knows; scripted experts may read it, policies under
test not. The names are LeRobot's."""

IMAGE_PREFIX = "observation.images."
STATE = "observation.state"
PRIVILEGED = "observation.environment_state"

Snapshot = Mapping[str, NDArray[Any]]
"""A simulator state, complete and picklable: whatever arrays the environment needs to picture it again."""


class VariableEnv(gymnasium.Env[dict[str, NDArray[Any]], NDArray[Any]]):
    """A `gymnasium.Env` whose `reset(seed=…, options={"variation": v})` applies a variation.

    `step` gives `info["success"]`; an episode ends (`terminated`) on success and is cut (`truncated`) at the horizon.
    The same seed and variation give the same episode, bit for bit, on one machine.

    Attributes:
        variation_space: What may change.
        instruction: What is asked of the robot, in words.
    """

    variation_space: VariationSpace
    instruction: str


@runtime_checkable
class CanObserve(Protocol):
    """An environment that can picture a stored state under any variation, without stepping. The probe lives on it."""

    def snapshot(self) -> Snapshot:
        """The simulator state now."""
        ...

    def observe(self, snapshot: Snapshot, variation: Variation) -> dict[str, NDArray[Any]]:
        """The observation of a stored state under `variation`; the running episode is not disturbed."""
        ...


def images_of(observation: Observation) -> dict[str, NDArray[np.uint8]]:
    """The pictures of an observation by camera name."""
    return {k.removeprefix(IMAGE_PREFIX): v for k, v in observation.items() if k.startswith(IMAGE_PREFIX)}
