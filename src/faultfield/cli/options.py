"""Options that are more than a word or a number."""

from typing import Any

from faultfield.errors import FaultfieldError

VARIATION = "A variation is a YAML mapping such as '{table_color: red}'"


def mapping(text: str, rule: str) -> dict[str, Any]:
    """An option that is a YAML mapping.

    Args:
        text: As it was typed.
        rule: What it should have been, such as "A variation is a YAML mapping such as '{cube_color: red}'".

    Raises:
        FaultfieldError: It is none.
    """
    import yaml

    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError:
        values = None
    if not isinstance(values, dict):
        raise FaultfieldError(f"{rule}, not {text!r}.")
    return values
