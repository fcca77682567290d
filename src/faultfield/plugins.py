"""Names of the form `module:attribute`, by which a study points at a class or function of anybody's."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faultfield.errors import StudyError


def load(name: str, *, what: str = "class") -> Callable[..., Any]:
    """Import what `module:attribute` names.

    The folder that the program was started in is searched as well, as `python -m` would.

    Args:
        name: For instance `faultfield.policies.bc:VisualBC`.
        what: What the caller needs it for; only for the text of the error.

    Raises:
        StudyError: The name has no colon, the module cannot be imported, or it has no such attribute.
    """
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
