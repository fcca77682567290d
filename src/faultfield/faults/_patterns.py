"""The words by which a reason is recognised: kinds of fault, directions, and what is no object."""

import re

from faultfield.faults.fault import KINDS as NAMES

DURING = re.compile(r"\b(?:while|when|during)\b([^,.;:!?]*)")
"""What was going on when it happened, which is not what happened."""

SUCCEEDED = re.compile(
    r"\b(?:succe(?:ss|ed)\w*|completed the task|task was (?:done|completed)|went as it should|did not fail)\b"
)
_DENIED = (
    r"(?:not(?! fail)|never(?! fail)|\w+n't|cannot|nothing|hardly|almost|nearly|close to|far from|short of|instead of)"
)
_AHEAD = r"(?: (?!(?:and|but|then|so|it|until|before)\b)\w+){0,2} "
NOT_SUCCEEDED = re.compile(
    rf"\b(?:{_DENIED}|unable|unlikely|(?<!not )fail\w* to|(?:could|would|should|might) have)\b{_AHEAD}"
    r"(?:succe|complet|done|finish|went as)"
    rf"|\b(?:no|without|neither|lack of)\b{_AHEAD}succe|unsuccess"
    r"|\b(?:completed|done)(?: (?!(?:without|spite|despite)\b)\w+){0,4} "
    r"(?:wrong|incorrect|bad|poor|partial|partly|in part|halfway)"
)
"""What takes a success back, and how near it must stand: "almost slipped but succeeded" is one."""

TURNS = re.compile(r"\b(?:but|however|although|though|yet)\b")
"""What went well before it does not count."""

_NOT = r"\b(?:not|\w+n't|never|fail\w* to|unable to|without)\b (?:\w+ )?"

_KINDS = (
    # AHA's sentences sometimes hold nothing but the name of the kind.
    *((name, rf"\b{name}\b") for name in (*NAMES, "translation", "rotation") if "_" in name),
    ("no_grasp", r"because of (?:a |the |no )?grasp\b"),
    ("wrong_sequence", r"\b(?:sequence|(?:wrong|right|in|out of) order|skipped|left out|omitted|too soon)\b"),
    ("wrong_object", r"\b(?:wrong|incorrect|another|different) (?:object|item|target|thing)\b"),
    ("wrong_object", r"\b(?:chose|picked|took|grasped|reached for|handled)\b.*\b(?:instead of|and not|rather than)\b"),
    ("no_rotation", r"\b(?:no|without|lack of|lacked|missing) (?:a |any )?rotat"),
    ("no_rotation", _NOT + r"(?:rotat|turn|align)"),
    ("no_rotation", r"\bkept its (?:angle|orientation|rotation)"),
    (
        "rotation",
        r"\b(?:rotat|roll|pitch|yaw|tilt|twist|turned|angle|clockwise|anti-?clock|counter-?clock|(?:mis)?orient)",
    ),
    ("no_grasp", _NOT + r"(?:clos|grasp|grip|hold)"),
    ("no_grasp", r"\b(?:stay|remain|kept|left)\w* open\b|\bfailed grasp\b|\bno grasp\b|\bclosed too late\b"),
    ("slip", r"\b(?:slip|drop|let go|fell|falls|released? .*early|opened too early)"),
    ("slip", r"\blost (?:its |the )?(?:hold|grip|grasp)"),
    ("translation", r"\b(?:offset|off target|off to|too (?:far|high|low)|displac|misplac|miss|shift|translat)"),
    ("translation", r"\b(?:beside|short of|overshot)"),
)
KINDS = tuple((kind, re.compile(pattern)) for kind, pattern in _KINDS)
"""The first that is found is the kind: no rotation is told before a wrong one."""

MOVED = {
    ("x", 1): re.compile(r"\b(?:forwards?|ahead)\b"),
    ("x", -1): re.compile(r"\bback(?:wards?)?\b"),
    ("y", 1): re.compile(r"\bleft\b(?! (?:out|open|behind))"),
    ("y", -1): re.compile(r"\bright\b(?! (?:one|action|order|object|sequence|item|place))"),
    ("z", 1): re.compile(r"\b(?:higher|high|upwards?|up|above)\b"),
    ("z", -1): re.compile(r"\b(?:lower|low|downwards?|down|below)\b"),
}
"""Axis and sign of a translation."""

TURNED = {
    ("z", 1): re.compile(r"\b(?:counter|anti)-?clockwise\b"),
    ("z", -1): re.compile(r"(?<!counter-)(?<!anti-)\bclockwise\b"),
    ("y", 1): re.compile(r"\bback(?:wards?)?\b"),
    ("y", -1): re.compile(r"\bforwards?\b"),
    ("x", 1): re.compile(r"\bleft\b"),
    ("x", -1): re.compile(r"\bright\b(?! (?:one|angle|way))"),
}
"""Axis and sign of a rotation."""

ANGLES = {"x": re.compile(r"\broll"), "y": re.compile(r"\bpitch"), "z": re.compile(r"\byaw")}

NEXT = frozenset((
    "of", "from", "to", "by", "with", "was", "were", "is", "are", "had", "has", "have", "did", "does", "do", "came",
    "went", "goes", "instead", "and", "not", "too", "in", "on", "out", "along", "about", "around", "at", "into", "onto",
    "which", "because", "never", "stayed", "kept", "before", "after", "up", "down", "itself", "for", "or", "so", "but",
    "as", "while", "during", "when", "then", "without", "slipped", "fell", "dropped", "moved", "rotated", "missed",
    "that", "where", "until", "again", "one", "it", "off",
))  # fmt: skip
"""Words at which the name of an object has ended."""

ROBOT = frozenset(("robot", "gripper", "fingers", "finger", "arm", "hand"))
"""What a name of an object does not begin with."""

NOTHING = frozenset((
    *ROBOT, "target", "object", "objects", "task", "steps", "way", "end", "grasp", "hold", "grip", "left", "right",
    "goal", "wrong object", "desired position", "position", "action", "correct object", "right object", "item",
    "sub-task", "failure", "reason", "wrong way", "goal position",
))  # fmt: skip
"""What stands where an object could, and names none."""

PREPOSITIONS = frozenset(("for", "to", "on", "from", "above", "of", "with", "onto", "at"))
