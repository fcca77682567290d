"""Names by which a study points at a class or function of anybody's: `module:attribute`, or an entry point's name."""

import importlib
import importlib.metadata
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faultfield.errors import StudyError


def load(name: str, *, what: str = "class", group: str = "") -> Callable[..., Any]:
    """Import what `module:attribute` names, or the entry point of that name in `group`.

    The folder that the program was started in is searched as well, as `python -m` would.

    Args:
        name: For instance `faultfield.policies.bc:VisualBC`, or `probe` with `group="faultfield.estimators"`.
        what: What the caller needs it for; only for the text of the error.
        group: Entry points in which a name without a colon is looked up; none when empty.

    Raises:
        StudyError: Neither a known entry point nor `module:attribute`, or the module or attribute does not exist.
    """
    if group and ":" not in name:
        entries = {entry.name: entry.value for entry in importlib.metadata.entry_points(group=group)}
        if name not in entries:
            known = ", ".join(sorted(entries))
            raise StudyError(f"There is no {what} '{name}'; known are {known}, or give 'module:Class'.")
        name = entries[name]
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise StudyError(f"The {what} '{name}' must be named 'module:attribute', for instance 'my_robot:MyPolicy'.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise StudyError(f"The {what} '{name}' cannot be imported: {error}.") from error
    try:
        found = getattr(module, attribute)
    except AttributeError:
        raise StudyError(f"The module '{module_name}' has no '{attribute}' (wanted as {what}).") from None
    if not callable(found):
        raise StudyError(f"'{name}' is a {type(found).__name__}; a {what} must be a class or a function.")
    return found  # type: ignore[no-any-return]


def source(found: Callable[..., Any]) -> bytes:
    """The file in which what `load` found is written; empty where there is none.

    What is not ours changes between two runs of one version: results that hang on it carry this in their fingerprint.
    """
    # An object that can be called is written where its class is.
    made_in = found if inspect.isclass(found) or inspect.isroutine(found) else found.__class__
    try:
        file = inspect.getsourcefile(made_in)
    except TypeError:  # Written in C.
        return b""
    return Path(file).read_bytes() if file else b""
