"""Environments and policies by name and settings: what travels to workers, and what episodes are filed under."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faultfield import plugins
from faultfield.envs import building
from faultfield.envs.base import VariableEnv
from faultfield.errors import EnvError, FaultfieldError, PolicyError, brief
from faultfield.policies.base import Policy, load_policy
from faultfield.policies.base import fingerprint as policy_fingerprint

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
        return building.build(self.type, self.arguments)


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


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{value!r} is a {type(value).__name__}")
