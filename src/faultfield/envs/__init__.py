"""Environments that accept a variation. Each simulator is imported in its own module, when it is asked for."""

from faultfield.envs.base import (
    IMAGE_PREFIX,
    PRIVILEGED,
    STATE,
    CanObserve,
    Observation,
    Snapshot,
    VariableEnv,
    images_of,
)  # fmt: skip

__all__ = [
    "IMAGE_PREFIX",
    "PRIVILEGED",
    "STATE",
    "CanObserve",
    "Observation",
    "Snapshot",
    "VariableEnv",
    "images_of",
]
