"""An environment by its name and settings: what cannot be one is refused in a sentence."""

from collections.abc import Mapping
from typing import Any

from faultfield import plugins
from faultfield.envs.base import VariableEnv
from faultfield.errors import EnvError, FaultfieldError, brief
from faultfield.variations import VariationSpace


def build(name: str, arguments: Mapping[str, Any]) -> VariableEnv:
    """The environment that `module:attribute` names, called with `arguments`.

    Raises:
        EnvError: It cannot be built from the arguments, or lacks `variation_space`, `instruction` or an `action_space`
            of one dimension.
        SetupError: Its simulator is not installed.
        StudyError: The name cannot be imported.
    """
    make = plugins.load(name, what="environment")
    try:
        env = make(**arguments)
    except FaultfieldError:
        raise
    except Exception as error:
        given = ", ".join(sorted(arguments)) or "no arguments"
        raise EnvError(f"The environment '{name}' cannot be built from {given}: {brief(error)}") from error
    if not isinstance(getattr(env, "variation_space", None), VariationSpace):
        raise EnvError(f"The environment '{name}' needs a variation_space that says what may change.")
    if not isinstance(getattr(env, "instruction", None), str):
        raise EnvError(f"The environment '{name}' needs an instruction: what is asked of the robot, in words.")
    shape = getattr(getattr(env, "action_space", None), "shape", None)
    if shape is None or len(shape) != 1:
        raise EnvError(f"The environment '{name}' needs an action_space of shape (action_dim,), not {shape}.")
    return env  # type: ignore[no-any-return]
