"""Environments and policies by name and settings: what travels to workers, and what episodes are filed under."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faultfield import plugins
from faultfield.envs.base import VariableEnv
from faultfield.errors import EnvError, FaultfieldError, PolicyError
from faultfield.policies.base import Policy, load_policy
from faultfield.policies.base import fingerprint as policy_fingerprint
from faultfield.variations import VariationSpace

OURS = "faultfield."
"""What the names of our own environments and policies begin with."""


@dataclass(frozen=True)
class EnvSpec:
    """An environment that can be built here or in another process.

    Attributes:
        type: A class or function, `module:attribute`.
        arguments: What it is called with: plain values, as YAML has them.

    Example:
        >>> EnvSpec("my_robot:Reach", {"size": 84}) == EnvSpec("my_robot:Reach", {"size": 84})
        True
    """

    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with the name, the settings and, of what is not ours, the source file.

        What an environment of ours wraps by its `type`, as `Randomised` does, counts as well. Package versions are not
        part of it: they stand in every row of the ledger.

        Raises:
            EnvError: An argument is not a plain value.
            StudyError: The name cannot be imported.
        """
        try:
            settings = json.dumps(dict(self.arguments), sort_keys=True, separators=(",", ":"), default=_plain)
        except TypeError as error:
            raise EnvError(f"The environment '{self.type}' takes plain values as arguments: {error}.") from error
        digest = hashlib.sha256(f"{self.type}\0{settings}".encode())
        name = self.arguments.get("type") if self.type.startswith(OURS) else self.type
        # Ours need no import for this: a ledger can be read where the simulator is not installed.
        if isinstance(name, str) and not name.startswith(OURS):
            digest.update(plugins.source(plugins.load(name, what="environment")))
        return digest.hexdigest()[:16]

    def build(self) -> VariableEnv:
        """The environment.

        Raises:
            EnvError: It cannot be built from the arguments, or lacks `variation_space` or `instruction`.
            SetupError: Its simulator is not installed.
            StudyError: The name cannot be imported.
        """
        make = plugins.load(self.type, what="environment")
        try:
            env = make(**self.arguments)
        except FaultfieldError:
            raise
        except Exception as error:
            given = ", ".join(sorted(self.arguments)) or "no arguments"
            raise EnvError(f"The environment '{self.type}' cannot be built from {given}: {brief(error)}") from error
        if not isinstance(getattr(env, "variation_space", None), VariationSpace):
            raise EnvError(f"The environment '{self.type}' needs a variation_space that says what may change.")
        if not isinstance(getattr(env, "instruction", None), str):
            raise EnvError(f"The environment '{self.type}' needs an instruction: what is asked of the robot, in words.")
        shape = getattr(getattr(env, "action_space", None), "shape", None)
        if shape is None or len(shape) != 1:
            raise EnvError(f"The environment '{self.type}' needs an action_space of shape (action_dim,), not {shape}.")
        return env  # type: ignore[no-any-return]


@dataclass(frozen=True)
class PolicySpec:
    """A policy that can be built here or in another process.

    Attributes:
        type: A class or function, `module:attribute`.
        arguments: What it is called with.
    """

    type: str
    arguments: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with the name, the settings, the weights' files and foreign source."""
        return policy_fingerprint(self.type, **self.arguments)

    def build(self) -> Policy:
        """The policy.

        Raises:
            PolicyError: It cannot be built, or what is built has no `infer`.
            CheckpointError: Its weights are missing or foreign.
            StudyError: The name cannot be imported.
        """
        try:
            return load_policy(self.type, **self.arguments)
        except FaultfieldError:
            raise
        except Exception as error:
            raise PolicyError(f"The policy '{self.type}' cannot be built: {brief(error)}") from error


def brief(error: BaseException) -> str:
    """An exception of somebody else's as the end of a sentence: its class and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}." if lines else f"{type(error).__name__}."


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}")
