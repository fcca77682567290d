"""Other names for what is handled: the same one in the instruction and the reason, drawn anew for each sample."""

from dataclasses import replace

import pytest

from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.renaming import renaming
from faultfield.detector.training.run import renamed
from faultfield.errors import DetectorError
from faultfield.faults.claims import parse
from tests.detector import pockets

ASKED, TOLD = "Lift the cube", "The gripper did not close while grasping the cube."


def test_instruction_and_reason_have_the_same_new_name() -> None:
    names = set()
    for key in map(str, range(200)):
        called = renaming("cube", ASKED, key, 1.0)
        name = called(ASKED).removeprefix("Lift the ")
        assert called(TOLD) == TOLD.replace("cube", name)
        assert parse(called(TOLD)).object == name, "the offline judge reads every one of them"
        names.add(name)
    assert len(names) > 100
    assert "cube" not in names


def test_a_share_is_renamed_and_always_the_same_one() -> None:
    keys = [str(each) for each in range(400)]
    some = [key for key in keys if renaming("cube", ASKED, key, 0.3)(ASKED) != ASKED]
    assert 90 < len(some) < 150
    assert [key for key in keys if renaming("cube", ASKED, key, 0.3)(ASKED) != ASKED] == some
    assert [key for key in keys if renaming("cube", ASKED, key, 0.3, seed=1)(ASKED) != ASKED] != some
    assert all(renaming("cube", ASKED, key, 0.0)(ASKED) == ASKED for key in keys)


@pytest.mark.parametrize(("thing", "asked"), [(None, ASKED), ("mug", ASKED), ("cube", "Lift the cubes.")])
def test_what_the_instruction_does_not_name_keeps_its_name(thing: str | None, asked: str) -> None:
    assert renaming(thing, asked, "a", 1.0)(f"{asked} {TOLD}") == f"{asked} {TOLD}"


def test_only_failures_with_a_reason_are_renamed() -> None:
    samples = pockets.samples(12, dense_every=2) + [replace(each, id=f"x{each.id}") for each in pockets.samples(12, 5)]
    found = renamed(samples, TrainingConfig(rename=1.0))
    for was, now in zip(samples, found, strict=True):
        if was.failed and was.dense:
            assert now.instruction != was.instruction
            assert parse(now.reason).object == now.instruction.removeprefix("Lift the ")
            assert replace(now, instruction=was.instruction, reason=was.reason) == was
        else:
            assert now == was
    assert renamed(samples, TrainingConfig(rename=0.0)) == samples
    with pytest.raises(DetectorError, match=r"0 to 1, not 1\.5"):
        TrainingConfig(rename=1.5)
