"""What a reason in words claims, slot by slot, and how far that agrees with what was annotated.

Similar sentences are not equal claims: "to the left" and "to the right" differ in one word and in everything. So a
sentence is read for what it says (which fault, of which object, which way, when), in our wording (`wording`), in AHA's
(Duan et al. 2025), and in near misses of both, and claims are compared, not sentences.
"""

import re
from dataclasses import dataclass, fields

from faultfield.faults import _patterns as patterns
from faultfield.faults.fault import AXES, Fault, axis_of
from faultfield.faults.wording import phase_of_gerund

SUCCESS = "success"
"""The kind of a claim that nothing failed."""

LEFT_OUT = "wrong_sequence"
"""The kind whose phase says what went wrong."""


@dataclass(frozen=True)
class Claim:
    """What a sentence says; None where it says nothing.

    Attributes:
        kind: One of `KINDS`, `success`, or `translation` or `rotation` where the axis is left open.
        object: In words, without its article.
        axis: `x`, `y` or `z`.
        sign: −1 or 1.
        phase: As experts name it.

    Example:
        >>> parse("No, the gripper went too far to the left while approaching the red cube.")
        Claim(kind='translation_y', object='red cube', axis='y', sign=1, phase='approach')
    """

    kind: str | None = None
    object: str | None = None
    axis: str | None = None
    sign: int | None = None
    phase: str | None = None

    @classmethod
    def of(cls, fault: Fault | None) -> "Claim":
        """All that there is to say of a fault; of None, success."""
        if fault is None:
            return cls(SUCCESS)
        return cls(fault.kind, _plain(fault.object), fault.axis, fault.sign or None, fault.phase)


def slots(claimed: Claim, annotated: Claim) -> dict[str, bool]:
    """For each slot that the annotation fills, whether the claim agrees.

    A claim that leaves the axis open has the kind of every axis, and loses the slot `axis`. The phase counts of a wrong
    sequence alone, where it is what was left out; elsewhere it follows from the kind, and would be had for nothing.
    """
    found = {}
    for slot in fields(Claim):
        wanted, said = getattr(annotated, slot.name), getattr(claimed, slot.name)
        if wanted is not None and (slot.name != "phase" or annotated.kind == LEFT_OUT):
            found[slot.name] = said == wanted or (
                slot.name == "kind" and axis_of(wanted) is not None and said == _family(wanted)
            )
    return found


def agreement(claimed: Claim, annotated: Claim) -> float:
    """How much of the annotation the claim has, 0–1: the share of its slots, and 0 with another kind of fault.

    Example:
        >>> agreement(parse("The gripper was too far to the right."), parse("The gripper was too far to the left."))
        0.6666666666666666
    """
    found = slots(claimed, annotated)
    if not found or not found.get("kind", True):
        return 0.0
    return sum(found.values()) / len(found)


def parse(text: str) -> Claim:
    """Read a reason, with or without the "No," before it.

    Exact on every sentence of `wording`; of other sentences as much as their words tell.
    """
    words = re.sub(r"\s+", " ", text.lower().replace("’", "'")).strip()
    verdict = re.match(r"(yes|no)\s*(?:[,.:;!–—-]\s*|$)", words)
    if verdict is not None:
        words = words[verdict.end() :]
        if verdict[1] == "yes":
            return Claim(SUCCESS)
    if _succeeded(words):
        return Claim(SUCCESS)
    during = patterns.DURING.search(words)
    # What was going on is not what went wrong: "while turning the tap" is no claim of a rotation.
    rest = patterns.DURING.sub(" ", words)
    kind = next((kind for kind, pattern in patterns.KINDS if pattern.search(rest)), None)
    phase, thing = _activity(during) if during else (None, None)
    if phase is None:
        phase = _named_step(rest)
    axis, sign = None, None
    if kind in ("translation", "rotation"):
        axis, sign = _direction(rest, turning=kind == "rotation")
        kind = f"{kind}_{axis}" if axis else kind
    elif kind is not None:
        axis = axis_of(kind)
    return Claim(kind, thing or _first_thing(rest), axis, sign, phase)


def _succeeded(words: str) -> bool:
    """Whether the sentence says so, and takes nothing back: "succeeded in grasping but dropped it" tells a failure."""
    if not patterns.SUCCEEDED.search(words) or patterns.NOT_SUCCEEDED.search(words):
        return False
    turn = patterns.TURNS.search(words)
    return turn is None or not any(pattern.search(words, turn.end()) for _, pattern in patterns.KINDS)


def _activity(during: re.Match[str]) -> tuple[str | None, str | None]:
    """The phase and the object in "while lifting the red cube" or "during the lift of the red cube"."""
    words = during[1].split()
    if not words:
        return None, None
    named = re.match(r"\s*the (.+?) phase\b(?: of the (.+))?", during[1])
    if named:
        return named[1].strip().replace(" ", "_"), _plain(named[2])
    if words[0] == "the":
        about = re.search(r"\bof the (.+)", during[1])
        step = next(iter(words[1:]), "")
        return (step if phase_of_gerund(step.removesuffix("e") + "ing") == step else None), _plain(about and about[1])
    phase, things = phase_of_gerund(words[0]), words[1:]
    while things and things[0] in patterns.PREPOSITIONS:
        things = things[1:]
    return phase, _plain(" ".join(things))


def _named_step(text: str) -> str | None:
    """The phase in "the grasp phase of the cube was skipped"."""
    named = re.search(r".*\bthe ((?:\w+ ){1,3}?)phase\b", text)
    return named[1].strip().replace(" ", "_") if named else None


def _direction(text: str, *, turning: bool) -> tuple[str | None, int | None]:
    """The axis and which way: an axis that is named counts before the words for a way."""
    axis, sign = None, None
    lettered = re.search(r"(?:(positive|negative|[+-]) ?)?(?<![\w'])([xyz])(?![\w'])", text)
    if lettered:
        axis = lettered[2]
        sign = {"positive": 1, "+": 1, "negative": -1, "-": -1}.get(lettered[1] or "")
    elif turning:
        axis = next((axis for axis, pattern in patterns.ANGLES.items() if pattern.search(text)), None)
    for (along, way), pattern in (patterns.TURNED if turning else patterns.MOVED).items():
        if axis in (None, along) and sign is None and pattern.search(text):
            # A turn "to the left" may be about any axis; only clockwise or not tells its own.
            axis, sign = (along, way) if axis or not turning or along == "z" else (None, None)
    return axis, sign


def _first_thing(text: str) -> str | None:
    """The first thing in the sentence that is an object, not a part of the robot or a turn of phrase."""
    # What follows "instead of" is what should have been handled.
    said = re.split(r"\b(?:instead of|and not|rather than)\b", text)[0]
    for after in re.split(r"\bthe\b", said)[1:]:
        words: list[str] = []
        for word in re.split(r"([^\w'-])", after):
            if word in patterns.NEXT or word in (",", ".", ";", ":", "!", "?"):
                break
            if word.strip():
                words.append(word)
        thing = _plain(" ".join(words[:4]))
        if (
            thing
            and words[0] not in patterns.ROBOT
            and not thing.endswith((" phase", " direction", " axis", " order", " sequence", " angle"))
        ):
            return thing
    return None


def _plain(thing: str | None) -> str | None:
    """An object's name in small letters without its article; None for words that name nothing."""
    if thing is None:
        return None
    name = re.sub(r"^(?:the|a|an) ", "", thing.lower().strip())
    return None if name in patterns.NOTHING or name in ("", "it", *AXES) else name


def _family(kind: str) -> str:
    return kind.rpartition("_")[0]
