"""Sentences that say what the simulator knew at a moment that a sample shows: free captions, by the thousand.

They are to a small language model what captions are to a large one: from them it learns that its words are about what
is seen, before it is asked to judge. Directions have the words of `wording`, so that what is learned here serves there.
"""

import math
from collections.abc import Sequence

from faultfield.faults.states import FLAGS, VALUES

Caption = tuple[str, str]
"""A question about one picture of a collage, and its answer."""

_NAMES = (*VALUES, *FLAGS)
_NEAR = 0.01
"""Metres below which two places are one."""
_OFF = (("forward", "backward"), ("to the left", "to the right"), ("upward", "downward"))
_LEANS = (("pitched forward", "pitched backward"), ("rolled to the left", "rolled to the right"))


def captions(state: Sequence[float | None], picture: int, thing: str = "object") -> tuple[Caption, ...]:
    """What there is to say of one moment.

    Args:
        state: Values, then flags, as `states` has them.
        picture: Its number in the collage, from 1.
        thing: What is handled, in words.

    Returns:
        One for each question that can be answered; none where nothing is known.

    Raises:
        ValueError: `state` has another length.

    Example:
        >>> known = dict.fromkeys(VALUES, None) | {"opening": 0.98}
        >>> captions([*known.values(), 0.0, 0.0, 0.0], 3)
        (('How is the gripper in picture 3?', 'Open by 100 percent.'),)
    """
    known = dict(zip(_NAMES, state, strict=True))
    found = []
    reach = _place(known, "thing {} of hand")
    if reach is not None:
        said = _way([-each for each in reach], f"the {thing}")
        found.append((f"Where is the gripper in picture {picture}?", f"{_sentence(said)}."))
    if (pose := _pose(known, thing)) is not None:
        found.append((f"How is the gripper in picture {picture}?", f"{_sentence(pose)}."))
    up = known["thing up"]
    if up is not None:
        parts = [f"raised by {_centimetres(up)}" if up >= _NEAR else "not raised"]
        parts += ["moved aside" if known["moved"] else "not moved"]
        beyond = _place(known, "next thing {} of thing")
        if beyond is not None:
            parts += [_way([-each for each in beyond], "where it belongs")]
        found.append((f"Where is the {thing} in picture {picture}?", f"{_sentence(', '.join(parts))}."))
    return tuple(found)


def _place(known: dict[str, float | None], name: str) -> list[float] | None:
    values = [known[name.format(way)] for way in ("forward", "left", "up")]
    whole = [value for value in values if value is not None]
    return whole if len(whole) == len(values) else None


def _way(offsets: Sequence[float], of: str) -> str:
    """Forward, left, up of something in metres, in words."""
    parts = [
        f"{_centimetres(offset)} {words[offset < 0]}"
        for offset, words in zip(offsets, _OFF, strict=True)
        if abs(offset) >= _NEAR
    ]
    return f"{', '.join(parts)} of {of}" if parts else f"right at {of}"


def _pose(known: dict[str, float | None], thing: str) -> str | None:
    opening = known["opening"]
    if opening is None:
        return None
    parts = [f"open by {min(100, 10 * round(10 * opening))} percent"]
    for name, words in zip(("tilt forward", "tilt left"), _LEANS, strict=True):
        tilt = known[name]
        degrees = 10 * round(math.degrees(math.asin(max(-1.0, min(1.0, tilt or 0.0)))) / 10)
        if degrees:
            parts.append(f"{words[degrees < 0]} by {abs(degrees)} degrees")
    cosine, sine = known["turn cosine"], known["turn sine"]
    if cosine is not None and sine is not None:
        parts.append(_turn(math.atan2(sine, cosine), thing))
    return ", ".join(parts)


def _turn(angle: float, thing: str) -> str:
    """The turn against the thing's nearest side; half a circle is as far as it goes."""
    if abs(angle) < math.pi / 8:
        return f"in line with the {thing}"
    far = " far" if abs(angle) > math.pi / 2 else ""
    return f"turned{far} {'counterclockwise' if angle > 0 else 'clockwise'}"


def _centimetres(metres: float) -> str:
    """To the centimetre, and from 10 cm on to 5."""
    whole = round(100 * abs(metres))
    return f"{whole if whole < 10 else 5 * round(whole / 5)} cm"


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]
