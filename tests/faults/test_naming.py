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


@pytest.mark.parametrize(
    ("reason", "asked"),
    [
        # What is behind the preposition is where the mug goes, and not what it is called.
        ("The robot let it slip while pushing the red mug under the machine.", "Push the blue mug under the machine"),
        ("The gripper went too low while approaching the red cube.", "Put the ball on the green cube."),
    ],
)  # fmt: skip
def test_what_is_no_name_or_not_what_is_handled_stays(reason: str, asked: str) -> None:
    assert corrected(reason, asked) == reason


def test_a_name_is_a_word_and_is_said_once_in_any_case() -> None:
    assert corrected("The gripper went too low while approaching the can.", "Lift the candle.").endswith("the can.")
    found = corrected("The gripper went too low while approaching the Red Cube.", "Lift the green cube.")
    assert found == "The gripper went too low while approaching the green cube."


def test_what_was_taken_in_place_of_it_keeps_its_name() -> None:
    reason = "The robot chose the blue cube instead of the green cube."
    assert corrected(reason, ASKED) == reason


@pytest.mark.parametrize("reason", ["", "The robot succeeded.", "Hm."])
def test_what_names_nothing_stays(reason: str) -> None:
    assert corrected(reason, ASKED) == reason
