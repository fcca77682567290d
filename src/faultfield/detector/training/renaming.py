"""Other names for what is handled, in the instruction and in the answer alike: so that names are read, not remembered.

Of a few dozen tasks a small model learns which object goes with which picture, and calls the objects of any other task
by those names. Where the name in the instruction is another each time, what helps is to look there.
"""

import re
import zlib
from collections.abc import Callable

import numpy as np

_LOOKS = (
    "red", "green", "blue", "yellow", "purple", "orange", "black", "white", "grey", "brown", "pink", "small", "large",
)  # fmt: skip
_THINGS = (
    "apple", "bag", "ball", "banana", "basket", "battery", "block", "bolt", "book", "bottle", "bowl", "box", "bread",
    "brick", "brush", "bucket", "bun", "cable", "cake", "can", "candle", "cap", "card", "carrot", "carton", "cereal",
    "chip", "clock", "cloth", "coin", "comb", "cone", "corn", "cup", "cylinder", "dice", "disc", "doll", "egg",
    "eraser", "fork", "funnel", "gear", "glass", "glove", "glue", "hammer", "hat", "hook", "jar", "jug", "kettle",
    "key", "knife", "knob", "ladle", "lamp", "leaf", "lemon", "lever", "lid", "magnet", "marker", "melon", "mug",
    "mushroom", "nail", "napkin", "nut", "onion", "pan", "paper", "peach", "pear", "peg", "pen", "pencil", "pepper",
    "phone", "pill", "plate", "plug", "pot", "potato", "puck", "radio", "razor", "ring", "rod", "rope",
    "ruler", "salt", "saw", "scissors", "screw", "shell", "shoe", "soap", "sock", "spatula", "sponge", "spool",
    "spoon", "spring", "stamp", "stick", "stone", "strawberry", "switch", "tape", "teapot", "tin", "tomato",
    "toothbrush", "towel", "toy car", "tray", "tube", "valve", "vase", "watch", "wheel", "whisk", "wire", "wrench",
)  # fmt: skip


def renaming(thing: str | None, instruction: str, key: str, share: float, seed: int = 0) -> Callable[[str], str]:
    """How the texts of a sample are to be changed.

    Args:
        thing: What is handled, in words; None where nobody knows.
        instruction: What the robot was asked to do. One that does not name the thing is left as it is.
        key: Of the sample: the same one is always named the same.
        share: Of the samples that are renamed.
        seed: Of the draws.

    Returns:
        Takes a text and gives it back, with another name for the thing where this sample is renamed.

    Example:
        >>> other = renaming("cube", "Lift the cube.", "a", share=1.0)
        >>> other("Lift the cube."), other("The gripper went too high while approaching the cube.")
        ('Lift the soap.', 'The gripper went too high while approaching the soap.')
    """
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    if thing is None or rng.random() >= share:
        return _same
    pattern = re.compile(rf"\bthe {re.escape(thing)}\b")
    if not pattern.search(instruction):
        return _same
    name = _THINGS[int(rng.integers(len(_THINGS)))]
    if rng.random() < 0.5:
        name = f"{_LOOKS[int(rng.integers(len(_LOOKS)))]} {name}"
    return lambda text: pattern.sub(f"the {name}", text)


def _same(text: str) -> str:
    return text
