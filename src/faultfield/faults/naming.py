"""Names in a reason, against those in the instruction that it is about."""

import re

from faultfield.faults.claims import parse

WRONG_OBJECT = "wrong_object"
"""The kind whose reason names what nobody asked for."""


def corrected(reason: str, instruction: str) -> str:
    """A reason with the instruction's name for a thing that it names otherwise, such as by another colour.

    Only where the instruction names one thing of that kind; a reason that something else was taken is left alone.

    Args:
        reason: In words.
        instruction: What the robot was asked to do.

    Example:
        >>> corrected("The gripper went too low while approaching the red cube.", "Move the green cube to the red bin.")
        'The gripper went too low while approaching the green cube.'
    """
    claim = parse(reason)
    asked = instruction.lower()
    if claim.object is None or claim.kind == WRONG_OBJECT or claim.object in asked:
        return reason
    thing = re.escape(claim.object.split()[-1])
    names = set(re.findall(rf"\bthe ((?:[\w-]+ ){{0,3}}?{thing})\b", asked))
    return reason.replace(claim.object, names.pop()) if len(names) == 1 else reason
