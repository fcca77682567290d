"""Claims read back from sentences, against the faults that the sentences were made of."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.faults.claims import Claim, agreement, parse, slots
from faultfield.faults.fault import KINDS, Fault, axis_of
from faultfield.faults.wording import _WHILE, answer, reasons, success_reasons

OBJECTS = ("cube", "red cube", "green cube", "can", "drawer handle", "peg", "blue square nut", "door lock", "button")
PHASES = (*_WHILE, "phase_two")


def faults() -> st.SearchStrategy[Fault]:
    def build(kind: str, phase: str, thing: str | None, sign: int, size: float) -> Fault:
        axis = axis_of(kind)
        return Fault(kind, phase, thing, axis, sign if axis else 0, size if axis else 0.0)

    return st.builds(
        build,
        st.sampled_from(KINDS),
        st.sampled_from(PHASES),
        st.one_of(st.none(), st.sampled_from(OBJECTS)),
        st.sampled_from((-1, 1)),
        st.floats(0.001, 1.0),
    )


@settings(max_examples=50, deadline=None)
@given(faults(), st.one_of(st.none(), st.sampled_from(OBJECTS)), st.booleans())
def test_every_phrasing_of_every_fault_is_read_back(fault: Fault, target: str | None, verdict: bool) -> None:
    for sentence in reasons(fault, target):
        said = answer(True, sentence) if verdict else sentence
        assert parse(said) == Claim.of(fault), said


def test_all_kinds_and_directions_without_chance() -> None:
    places = [*((phase, "red cube") for phase in PHASES), *(("lift", thing) for thing in (None, *OBJECTS))]
    for kind, (phase, thing), sign in itertools.product(KINDS, places, (-1, 1)):
        axis = axis_of(kind)
        if axis is None and sign == -1:
            continue
        fault = Fault(kind, phase, thing, axis, sign if axis else 0, 0.1 if axis else 0.0)
        for sentence in reasons(fault, "red cube"):
            assert parse(sentence) == Claim.of(fault), sentence


def test_success_is_read_back() -> None:
    for sentence in (
        *success_reasons(),
        "Yes",
        "yes.",
        "Yes, the robot succeed at the sub-task.",
        "It was successful.",
    ):
        assert parse(sentence) == Claim.of(None), sentence
    assert parse("No, the robot did not succeed.").kind != "success"


@pytest.mark.parametrize(("sentence", "kind"), [
    ("The robot succeeded in grasping but dropped the cube.", "slip"),
    ("The robot almost completed the task, but it dropped it.", "slip"),
    ("It succeeded in lifting; however, the gripper did not close fully.", "no_grasp"),
    ("The robot succeeded, though slowly.", "success"),
    ("The gripper slipped at first but the robot succeeded.", "success"),
    ("The gripper almost slipped but the robot succeeded.", "success"),
    ("The robot did not slip and completed the task.", "success"),
    ("The robot did not fail to complete the task.", "success"),
    ("The task was done in spite of a poor start.", "success"),
    ("The robot never completed the task because the cube slipped.", "slip"),
    ("The task was done wrong, the cube fell.", "slip"),
    ("The robot completed the task with the wrong object.", "wrong_object"),
])  # fmt: skip
def test_a_success_that_is_taken_back_is_none(sentence: str, kind: str) -> None:
    assert parse(sentence).kind == kind
    assert parse("No") == Claim()


@pytest.mark.parametrize("sentence", [
    "The robot has not completed the task.",
    "The robot hasn't completed the task.",
    "The robot has not yet completed the task.",
    "The robot almost succeeded.",
    "The robot almost succeeded but ran out of time.",
    "The robot nearly completed the task.",
    "The robot came close to success.",
    "The robot would have succeeded with more time.",
    "The task was done wrong.",
    "The task was completed only in part.",
    "Nothing went as it should.",
    "The robot was unsuccessful.",
    "The robot had no success.",
    "The robot was unable to succeed.",
    "The robot failed to succeed.",
])  # fmt: skip
def test_a_success_that_is_denied_is_none(sentence: str) -> None:
    assert parse(sentence) == Claim()


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("No, The robot gripper rotated with an incorrect roll angle", Claim("rotation_x", axis="x")),
        ("No, The robot gripper rotated with an incorrect pitch angle", Claim("rotation_y", axis="y")),
        ("No, The robot gripper rotated with an incorrect yaw angle", Claim("rotation_z", axis="z")),
        (
            "No, The robot gripper move to the desired position with an offset along the x direction",
            Claim("translation_x", axis="x"),
        ),
        (
            "No, the robot gripper moved to the desired position with an offset along the y direction",
            Claim("translation_y", axis="y"),
        ),
        ("No, the gripper moved with an offset along the +z axis.", Claim("translation_z", axis="z", sign=1)),
        ("No, The robot gripper fails to close the gripper.", Claim("no_grasp")),
        ("No, the robot gripper failed to close the gripper", Claim("no_grasp")),
        ("No, The robot slip the object out of its gripper.", Claim("slip")),
        ("No, the object slipped out of the gripper", Claim("slip")),
        ("No, the red mug slipped out of the gripper", Claim("slip", object="red mug")),
        ("No, the robot gripper rotated incorrectly along z.", Claim("rotation_z", axis="z")),
        ("No, There is no rotation for the robot gripper", Claim("no_rotation")),
        ("No, The robot execute the action on the wrong object.", Claim("wrong_object")),
        ("No, This is not the right action sequence for the task.", Claim("wrong_sequence")),
        ("No, the robot failed because of translation_y.", Claim("translation_y", axis="y")),
        ("No, the robot failed because of grasp.", Claim("no_grasp")),
        ("No, the robot failed because of no_rotation.", Claim("no_rotation")),
        ("No, the robot failed because of wrong_sequence.", Claim("wrong_sequence")),
    ],
)  # fmt: skip
def test_sentences_as_aha_has_them(sentence: str, claim: Claim) -> None:
    assert parse(sentence) == claim


def test_what_was_going_on_is_not_what_went_wrong() -> None:
    said = parse("The robot failed to close the gripper while turning the tap to the left.")
    assert (said.kind, said.axis, said.phase) == ("no_grasp", None, "turn")


@pytest.mark.parametrize(
    ("sentence", "claim"),
    [
        ("The gripper slipped off the green cube during the lift.", Claim("slip", "green cube", phase="lift")),
        ("The arm went too low when grasping the can", Claim("translation_z", "can", "z", -1, "grasp")),
        ("Gripper didn't close around the can.", Claim("no_grasp", "can")),
        ("The can was dropped during the move phase.", Claim("slip", "can", phase="move")),
        ("The gripper was yawed clockwise at the grasp.", Claim("rotation_z", axis="z", sign=-1)),
        ("The robot picked the green cube instead of the red cube.", Claim("wrong_object", "green cube")),
        ("The robot missed the cube, it was to the right.", Claim("translation_y", "cube", "y", -1)),
        ("The robot gripper", Claim()),
        ("", Claim()),
    ],
)
def test_sentences_that_nobody_wrote_down_before(sentence: str, claim: Claim) -> None:
    assert parse(sentence) == claim


def test_left_and_right_are_not_alike() -> None:
    left, right = (Fault("translation_y", "approach", "cube", "y", sign, 0.05) for sign in (1, -1))
    claimed, annotated = Claim.of(right), Claim.of(left)
    assert slots(claimed, annotated) == {"kind": True, "object": True, "axis": True, "sign": False}
    assert agreement(claimed, annotated) == pytest.approx(3 / 4)


def test_the_phase_counts_where_it_is_what_was_left_out() -> None:
    left_out = Claim.of(Fault("wrong_sequence", "descend", "cube"))
    assert agreement(Claim("wrong_sequence", "cube", phase="release"), left_out) == pytest.approx(2 / 3)
    assert agreement(Claim("slip", "cube", phase="move"), Claim.of(Fault("slip", "lift", "cube"))) == 1.0


def test_another_kind_agrees_in_nothing() -> None:
    annotated = Claim.of(Fault("slip", "lift", "cube"))
    assert agreement(Claim("no_grasp", "cube", phase="lift"), annotated) == 0.0
    assert agreement(Claim(None, "cube", phase="lift"), annotated) == 0.0
    assert agreement(Claim("translation_x", axis="x"), Claim("translation_y", axis="y")) == 0.0


def test_only_slots_that_the_annotation_fills_count() -> None:
    assert agreement(Claim.of(Fault("slip", "lift", "cube")), parse("No, The robot slip the object out.")) == 1.0


def test_an_open_axis_is_not_wrong_but_not_told() -> None:
    annotated = Claim.of(Fault("translation_y", "approach", "cube", "y", 1, 0.05))
    said = parse("The gripper was off target while approaching the cube.")
    assert said.kind == "translation"
    assert agreement(said, annotated) == pytest.approx(1 / 2)


@settings(max_examples=50, deadline=None)
@given(faults(), faults())
def test_agreement_is_one_with_itself_and_less_with_others(one: Fault, other: Fault) -> None:
    a, b = Claim.of(one), Claim.of(other)
    assert agreement(a, a) == 1.0
    assert 0.0 <= agreement(b, a) <= 1.0
    if a != b and all(value is None or getattr(b, name) != value for name, value in vars(a).items()):
        assert agreement(b, a) == 0.0


WORDS = (*("while during when the it phase of x y z + - , . no yes not left right".split()), *_WHILE)  # noqa: SIM905


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert isinstance(parse(text), Claim)
