"""Names in a reason, against those in the instruction that it is about."""

import re

from faultfield.faults.claims import parse

WRONG_OBJECT = "wrong_object"
"""The kind whose reason names what nobody asked for."""

_NAME = r"(?:[a-z-]+ ){0,2}[a-z-]+"
"""Up to three words: what is longer is a phrase, and says more than what a thing is called."""


def corrected(reason: str, instruction: str) -> str:
    """A reason with the instruction's name for a thing that it names otherwise, such as by another colour.

    Only where the first thing that the instruction names is of that kind, and the only one: that is what is handled. A
    reason that something else was taken is left alone.

    Args:
        reason: In words.
        instruction: What the robot was asked to do.

    Example:
        >>> corrected("The gripper went too low while approaching the red cube.", "Move the green cube to the red bin.")
        'The gripper went too low while approaching the green cube.'
    """
    claim, asked = parse(reason), instruction.lower()
    name = claim.object
    if name is None or claim.kind == WRONG_OBJECT or not re.fullmatch(_NAME, name):
        return reason
    said = rf"\b{re.escape(name)}\b"
    if re.search(said, asked):
        return reason
    thing = re.escape(name.split()[-1])
    named = re.findall(rf"\bthe ((?:[a-z-]+ ){{0,2}}?{thing})\b", asked)
    first = re.search(r"\bthe ", asked)
    if len(named) != 1 or first is None or not asked[first.start() :].startswith(f"the {named[0]}"):
        return reason
    return re.sub(said, named[0], reason, count=1, flags=re.IGNORECASE)
