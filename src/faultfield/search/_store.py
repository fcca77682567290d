"""A policy on disk: a folder with `policy.safetensors` and `policy.json`, never a pickle."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.errors import CheckpointError

_ARRAYS = "policy.safetensors"
_FACTS = "policy.json"


def save(directory: str | Path, kind: str, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> None:
    """Write arrays and facts; the facts carry the arrays' hash, so that a half-replaced folder is noticed."""
    from safetensors.numpy import save as to_bytes

    data = to_bytes({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    stamped = {"kind": kind, "sha256": hashlib.sha256(data).hexdigest(), **facts}
    files.write_bytes(Path(directory) / _ARRAYS, data)
    files.write_text(Path(directory) / _FACTS, json.dumps(stamped, indent=2) + "\n")


def load(directory: str | Path, kind: str) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and the facts of a policy of this kind.

    Raises:
        CheckpointError: A file is missing or damaged, the two do not belong together, or it is of another kind.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    folder = Path(directory)
    try:
        data = (folder / _ARRAYS).read_bytes()
        facts: dict[str, Any] = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
        arrays: dict[str, NDArray[Any]] = from_bytes(data)
    except OSError as error:
        raise CheckpointError(f"'{folder}' holds no {kind}: {error.strerror} ({error.filename}).") from error
    except (ValueError, SafetensorError) as error:
        raise CheckpointError(f"The {kind} in '{folder}' is damaged: {error}; delete it and train again.") from error
    if not isinstance(facts, dict) or facts.get("kind") != kind:
        found = facts.get("kind") if isinstance(facts, dict) else type(facts).__name__
        raise CheckpointError(f"'{folder}' holds a '{found}', not a {kind}.")
    if facts.get("sha256") != hashlib.sha256(data).hexdigest():
        raise CheckpointError(
            f"{_ARRAYS} and {_FACTS} in '{folder}' do not belong together; delete them and train again."
        )
    return arrays, facts
