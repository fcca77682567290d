"""Values for some factors; everything unnamed is nominal."""

import hashlib
import json
from collections.abc import Iterator, Mapping

from faultfield.variations.factor import Value


class Variation(Mapping[str, Value]):
    """An immutable, hashable mapping of factor names to canonical values that says itself in English.

    Made by `VariationSpace.variation`, which checks the values. Two variations are equal when they name the same
    factors with the same values, in whatever order.

    Args:
        values: Canonical values by factor name.
        text: The sentences that describe it, in order; empty only for the nominal variation.

    Example:
        >>> a = Variation({"cube_color": "red"}, "Change the cube color to red.")
        >>> a["cube_color"], a.text, len(a.key)
        ('red', 'Change the cube color to red.', 16)
        >>> a == Variation({"cube_color": "red"}, "Change the cube color to red.")
        True
    """

    __slots__ = ("_key", "_text", "_values")

    def __init__(self, values: Mapping[str, Value] | None = None, text: str = "") -> None:
        self._values: dict[str, Value] = dict(sorted((values or {}).items()))
        self._text = text or "Change nothing."
        payload = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        self._key = hashlib.sha256(payload.encode()).hexdigest()[:16]

    @property
    def key(self) -> str:
        """Sixteen hexadecimal digits that depend on the values alone: the same on every machine."""
        return self._key

    @property
    def text(self) -> str:
        """The variation in English."""
        return self._text

    @property
    def is_nominal(self) -> bool:
        """Whether nothing is changed."""
        return not self._values

    def to_json(self) -> dict[str, str | float | list[float]]:
        """Plain values for JSON and YAML."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in self._values.items()}

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Variation) and self._key == other._key

    def __repr__(self) -> str:
        return f"Variation({self._values})"


NOMINAL = Variation()
"""Nothing changed."""
