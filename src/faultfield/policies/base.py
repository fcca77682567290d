"""What acts: openpi's shape of a policy, and any Python callable as one."""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faultfield import plugins
from faultfield.envs.base import Observation
from faultfield.errors import PolicyError

Actions = dict[str, NDArray[np.float32]]
"""`{"actions": (horizon, action_dim)}`: the next `horizon` actions, to be executed in order before asking again."""


@runtime_checkable
class Policy(Protocol):
    """A policy under test, a scripted expert, or any other thing that acts."""

    def reset(self) -> None:
        """Forget the last episode."""
        ...

    def infer(self, observation: Observation) -> Actions:
        """The next actions, shape (horizon, action_dim)."""
        ...


_LONG_READ = {".safetensors", ".json", ".pth", ".pt"}
"""Of a directory with these alone the fingerprint is that of their bytes, whatever their names."""


class CallablePolicy:
    """Any function `observation -> actions` of shape (action_dim,) or (horizon, action_dim), as a policy."""

    def __init__(self, function: Callable[[Observation], Any]) -> None:
        self._function = function

    def reset(self) -> None:
        """A function remembers nothing."""

    def infer(self, observation: Observation) -> Actions:
        """The function's answer, as at least one row."""
        return {"actions": np.atleast_2d(np.asarray(self._function(observation), dtype=np.float32))}


def begin(policy: Policy, seed: int) -> None:
    """Begin an episode: seed a policy that draws and so offers `seed(int)`, then reset it."""
    reseed = getattr(policy, "seed", None)
    if callable(reseed):
        reseed(seed)
    policy.reset()


def infer_batch(policy: Policy, observations: Sequence[Observation]) -> NDArray[np.float32]:
    """First actions on many observations, shape (count, action_dim); one batch where the policy has `infer_batch`.

    A policy that draws draws the same numbers for each: its answers differ where the observations do.
    """
    batched = getattr(policy, "infer_batch", None)
    if batched is not None:
        return np.asarray(batched(observations), dtype=np.float32)
    actions = []
    for observation in observations:
        begin(policy, 0)
        actions.append(check_actions(policy.infer(observation))[0])
    return np.stack(actions)


def check_actions(answer: Mapping[str, Any], action_dim: int | None = None) -> NDArray[np.float32]:
    """The actions in a policy's answer, shape (horizon, action_dim), once they are known to be actions.

    Raises:
        PolicyError: No `actions`, not a numeric (horizon, action_dim) array, or not finite.
    """
    if not isinstance(answer, Mapping) or "actions" not in answer:
        raise PolicyError("The policy's infer must return a mapping with the key 'actions'.")
    actions = np.asarray(answer["actions"])
    if not np.issubdtype(actions.dtype, np.number) or np.issubdtype(actions.dtype, np.complexfloating):
        raise PolicyError(f"The policy's actions have dtype {actions.dtype}; they must be real numbers (float32).")
    wanted = "(horizon, action_dim)" if action_dim is None else f"(horizon, {action_dim})"
    if actions.ndim != 2 or len(actions) == 0 or (action_dim is not None and actions.shape[1] != action_dim):
        raise PolicyError(f"The policy's actions have shape {actions.shape}; they must have shape {wanted}.")
    if not np.isfinite(actions).all():
        raise PolicyError("The policy's actions are not finite (NaN or infinity).")
    return actions.astype(np.float32)


def load_policy(type: str, **arguments: Any) -> Policy:
    """The policy that a study names: a class (called with `arguments`) or a function `observation -> actions`.

    Raises:
        PolicyError: It cannot be built, or what is built has no `infer`.
        StudyError: The name cannot be imported.
        CheckpointError: Its weights are missing or foreign.
    """
    found = plugins.load(type, what="policy")
    if inspect.isfunction(found) and not arguments:
        return CallablePolicy(found)
    try:
        policy = found(**arguments)
    except TypeError as error:
        raise PolicyError(f"The policy '{type}' cannot be built from {sorted(arguments)}: {error}.") from error
    if not isinstance(policy, Policy):
        raise PolicyError(f"The policy '{type}' needs the methods reset() and infer(observation).")
    return policy


def fingerprint(type: str, **arguments: Any) -> str:
    """Sixteen hexadecimal digits that change with the policy's name, settings, files and, if not ours, its source.

    Of a setting that is a directory, every file below counts but cards (`*.md`) and what is hidden.
    """
    digest = hashlib.sha256(type.encode())
    found = plugins.load(type, what="policy")
    # An object that can be called is a policy of its class.
    made_in = found if inspect.isclass(found) or inspect.isroutine(found) else found.__class__
    if not made_in.__module__.startswith("faultfield."):
        digest.update(plugins.source(found))
    for name in sorted(arguments):
        digest.update(f"\0{name}\0".encode())
        digest.update(_content(arguments[name]))
    return digest.hexdigest()[:16]


def _content(value: Any) -> bytes:
    path = Path(value) if isinstance(value, str | Path) else None
    if path is None or not _there(path):
        return repr(value).encode()
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).digest()
    found = _parts(path)
    digest = hashlib.sha256()
    # What was fingerprinted before names were looked at keeps the fingerprint that its ledgers have.
    named = any(file.suffix not in _LONG_READ for file in found)
    for file in found:
        if named:
            # The length ends the name's file: no two directories run together to the same bytes.
            digest.update(f"{file.relative_to(path).as_posix()}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as stream:
            hashlib.file_digest(stream, lambda: digest)
    return digest.digest()


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # A text too long to be a file's name is none.
        return False


def _parts(directory: Path) -> list[Path]:
    """The files that a checkpoint's directory is made of: no cards, nothing hidden, nothing that Python left there."""
    return sorted(
        file
        for file in directory.rglob("*")
        if file.is_file()
        and file.suffix.lower() != ".md"
        and not any(name.startswith(".") or name == "__pycache__" for name in file.relative_to(directory).parts)
    )
