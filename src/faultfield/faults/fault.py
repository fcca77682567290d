"""One thing that goes wrong on purpose, as a value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from faultfield.errors import FaultError

AXES = ("x", "y", "z")
"""Seen from the robot's base: x is forward, y is to the left, z is up, in whatever simulator."""

KINDS = (
    "no_grasp", "slip",
    "translation_x", "translation_y", "translation_z",
    "rotation_x", "rotation_y", "rotation_z", "no_rotation",
    "wrong_sequence", "wrong_object",
)  # fmt: skip
"""What can go wrong: the kinds of Duan et al. 2025 (AHA), whose `grasp` is our `no_grasp`."""


@dataclass(frozen=True)
class Fault:
    """A fault to be injected into an expert.

    Attributes:
        kind: One of `KINDS`.
        phase: The expert's phase in which it begins; of a wrong sequence, the phase that is left out.
        object: What it concerns, in words; of a wrong object, the one that is handled by mistake.
        axis: `x`, `y` or `z` of a translation or a rotation, else None.
        sign: Which way along or about the axis: −1 or 1; 0 where there is no way.
        magnitude: Metres of a translation, radians of a rotation, else 0.
        delay: Control steps from the beginning of the phase to that of the fault.

    Raises:
        FaultError: An unknown kind, or an axis, sign or magnitude that does not go with the kind.

    Example:
        >>> Fault("translation_y", "approach", "cube", "y", 1, 0.04).kind
        'translation_y'
    """

    kind: str
    phase: str
    object: str | None = None
    axis: str | None = None
    sign: int = 0
    magnitude: float = 0.0
    delay: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise FaultError(f"There is no fault '{self.kind}'; there is {', '.join(KINDS)}.")
        axis = axis_of(self.kind)
        if self.axis != axis or (self.sign in (-1, 1)) != (axis is not None) or self.sign not in (-1, 0, 1):
            raise FaultError(f"A fault '{self.kind}' has the axis {axis} and a sign only with an axis, not {self}.")
        if not 0.0 <= self.magnitude < float("inf") or (self.magnitude > 0) != (axis is not None) or self.delay < 0:
            raise FaultError(f"A fault '{self.kind}' cannot have the magnitude {self.magnitude}, delay {self.delay}.")

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Fault":
        """What `to_json` wrote.

        Raises:
            FaultError: Something else.
        """
        try:
            return cls(**values)
        except TypeError as error:
            raise FaultError(f"{dict(values)} is not a fault.") from error


def axis_of(kind: str) -> str | None:
    """The axis in the name of a translation or rotation; None of the other kinds."""
    family, _, axis = kind.rpartition("_")
    return axis if family in ("translation", "rotation") and axis in AXES else None
