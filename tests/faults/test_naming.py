import pytest

from faultfield.faults.naming import corrected

ASKED = "Move the green cube from the red bin into the blue bin"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("red cube", "green cube"),
        ("green cube", "green cube"),
        ("mug", "mug"),  # nothing of the kind was named: it may be there all the same
        ("yellow bin", "yellow bin"),  # which of two bins?
    ],
)
def test_a_thing_has_the_name_that_the_instruction_has_for_it(said: str, meant: str) -> None:
    reason = "The gripper went too far to the left while approaching the {}."
    assert corrected(reason.format(said), ASKED) == reason.format(meant)


def test_what_was_taken_in_place_of_it_keeps_its_name() -> None:
    reason = "The robot chose the blue cube instead of the green cube."
    assert corrected(reason, ASKED) == reason


@pytest.mark.parametrize("reason", ["", "The robot succeeded.", "Hm."])
def test_what_names_nothing_stays(reason: str) -> None:
    assert corrected(reason, ASKED) == reason
