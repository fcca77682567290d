"""What captions say, against the numbers that they were made from."""

import math

import pytest

from faultfield.faults.captions import captions
from faultfield.faults.states import FLAGS, VALUES

NAMES = (*VALUES, *FLAGS)


def state(**known: float) -> list[float | None]:
    told = {name.replace(" ", "_"): name for name in NAMES}
    values = {told[name]: value for name, value in known.items()}
    return [values.get(name, 0.0 if name in FLAGS else None) for name in NAMES]


def test_places_are_told_from_the_object() -> None:
    far = state(thing_forward_of_hand=0.123, thing_left_of_hand=-0.03, thing_up_of_hand=-0.204)
    # The thing is in front, to the right and below: the gripper is behind it, to its left and above.
    assert captions(far, 2) == (
        ("Where is the gripper in picture 2?", "10 cm backward, 3 cm to the left, 20 cm upward of the object."),
    )
    there = state(thing_forward_of_hand=0.004, thing_left_of_hand=-0.009, thing_up_of_hand=0.0)
    assert captions(there, 1)[0][1] == "Right at the object."


def test_half_a_place_is_not_told() -> None:
    assert captions(state(thing_forward_of_hand=0.1, thing_up_of_hand=0.1), 1) == ()


@pytest.mark.parametrize(
    ("tilt", "words"),
    [
        ({"tilt_forward": math.sin(math.radians(20))}, "pitched forward by 20 degrees"),
        ({"tilt_left": -math.sin(math.radians(31))}, "rolled to the right by 30 degrees"),
        ({"turn_cosine": 0.0, "turn_sine": 1.0}, "turned counterclockwise"),
        ({"turn_cosine": -0.9, "turn_sine": -0.3}, "turned far clockwise"),
        ({"turn_cosine": 1.0, "turn_sine": 0.1}, "in line with the object"),
    ],
)
def test_poses(tilt: dict[str, float], words: str) -> None:
    assert captions(state(opening=0.52, **tilt), 7) == (
        ("How is the gripper in picture 7?", f"Open by 50 percent, {words}."),
    )


def test_the_object() -> None:
    beyond = {
        "next_thing_forward_of_thing": 0.0, "next_thing_left_of_thing": 0.02, "next_thing_up_of_thing": -0.05
    }  # fmt: skip
    assert captions(state(thing_up=0.061, moved=1.0, **beyond), 3)[0] == (
        "Where is the object in picture 3?",
        "Raised by 6 cm, moved aside, 2 cm to the right, 5 cm upward of where it belongs.",
    )
    assert captions(state(thing_up=0.0), 3)[0][1] == "Not raised, not moved."


def test_another_number_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="argument"):
        captions([0.0], 1)
