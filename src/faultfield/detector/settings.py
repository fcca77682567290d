"""Settings that users write, checked against the types that their dataclass declares."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from faultfield.errors import DetectorError

T = TypeVar("T")


def read_settings(kind: type[T], values: Mapping[str, Any], what: str) -> T:
    """A dataclass from plain values; what is not named has its default. Nothing is converted: "no" is no truth value.

    Args:
        kind: The dataclass.
        values: As JSON can hold them, lists for tuples.
        what: A setting of it, in words.

    Raises:
        DetectorError: An unknown setting, or one of another type or with a value that it cannot have.
    """
    known = sorted(field.name for field in fields(kind))  # type: ignore[arg-type]  # any dataclass
    if unknown := sorted(set(values) - set(known), key=str):
        raise DetectorError(f"There is no {what} '{unknown[0]}'; there are {', '.join(known)}.")
    try:
        return TypeAdapter(kind).validate_json(json.dumps(dict(values)), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        why = first["msg"][0].lower() + first["msg"][1:]
        place = ".".join(str(part) for part in first["loc"] if not str(part).startswith("function"))
        raise DetectorError(f"The {what} '{place}' cannot be {first['input']!r}: {why}.") from error
    except TypeError as error:
        raise DetectorError(f"The {what}s {dict(values)} are no plain values.") from error
