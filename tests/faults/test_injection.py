"""What a fault does to an episode, read off the toy world's own state."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faultfield.errors import FaultError
from faultfield.faults.fault import AXES, KINDS, Fault, axis_of
from faultfield.faults.injection import Faulty, faulty, inject
from faultfield.faults.record import Take, take
from faultfield.faults.task import FORWARD_Y, FaultTask, draw, option_of
from faultfield.policies.base import CallablePolicy
from tests.faults.toy import HEIGHT, Expert, PickAndPlace, pick

TASK = pick()


def run(fault: Fault | None, seed: int = 0, task: FaultTask = TASK) -> Take:
    return take(PickAndPlace(), inject(task, fault), seed)


def hands(taken: Take) -> NDArray[Any]:
    return np.stack([snapshot["hand"] for snapshot in taken.snapshots])


def red(taken: Take) -> NDArray[Any]:
    return np.stack([snapshot["cubes"][0] for snapshot in taken.snapshots])


def opening(taken: Take) -> NDArray[Any]:
    return np.stack([snapshot["open"] for snapshot in taken.snapshots])


@pytest.mark.parametrize("seed", range(5))
def test_nothing_wrong_is_the_expert_itself(seed: int) -> None:
    taken = run(None, seed)
    assert taken.success
    assert tuple(dict.fromkeys(taken.phases)) == Expert.phases


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("frame", [TASK.frame, FORWARD_Y])
def test_the_gripper_goes_as_far_off_as_told(axis: str, sign: int, frame: tuple[tuple[float, ...], ...]) -> None:
    if (axis, sign) == ("z", -1):
        pytest.skip("the table is in the way")
    fault = Fault(f"translation_{axis}", "approach", "red cube", axis, sign, 0.09)
    taken = run(fault, task=replace(TASK, frame=frame))
    grasping = taken.phases.index("grasp") + 2
    off = hands(taken)[grasping] - taken.snapshots[0]["cubes"][0]
    np.testing.assert_allclose(off, sign * 0.09 * np.array(frame[AXES.index(axis)]), atol=0.02)
    assert not taken.success
    np.testing.assert_array_equal(red(taken)[-1], red(taken)[0])


def test_forward_is_away_from_the_robot_in_either_world() -> None:
    forward, left, up = np.array(FORWARD_Y)
    np.testing.assert_array_equal(forward, [0, 1, 0])
    np.testing.assert_array_equal(np.cross(forward, left), up)


def test_a_fault_of_the_goal_begins_with_its_phase() -> None:
    fault = Fault("translation_y", "move", "red cube", "y", 1, 0.15)
    taken, good = run(fault), run(None)
    begin = good.phases.index("move")
    np.testing.assert_array_equal(hands(taken)[: begin + 1], hands(good)[: begin + 1])
    np.testing.assert_allclose(hands(taken)[-1], (0.3, 0.45, 0.0), atol=0.02)
    assert not taken.success


def test_the_gripper_stays_open() -> None:
    taken = run(Fault("no_grasp", "grasp", "red cube"))
    assert opening(taken).min() == 1.0
    np.testing.assert_array_equal(red(taken)[-1], red(taken)[0])
    assert not taken.success


@pytest.mark.parametrize("delay", [0, 1, 3])
def test_it_slips_when_told(delay: int) -> None:
    taken = run(Fault("slip", "move", "red cube", delay=delay))
    begin = taken.phases.index("move") + delay
    heights = red(taken)[:, 2]
    assert heights[begin] == pytest.approx(hands(taken)[begin, 2])
    assert opening(taken)[begin] == 0.0
    assert (opening(taken)[begin + 1 :] > 0).all()
    assert (heights[begin + 2 :] == 0.0).all()
    assert heights.max() > HEIGHT - 0.03
    assert not taken.success


@pytest.mark.parametrize(
    ("fault", "horizon", "happened"),
    [
        (None, 60, False),
        (Fault("slip", "move", "red cube"), 60, True),
        # The episode is over before the phase, or before the delay.
        (Fault("slip", "move", "red cube"), 8, False),
        (Fault("slip", "lift", "red cube", delay=40), 60, False),
        (Fault("translation_x", "approach", "red cube", "x", 1, 0.1), 1, True),
        (Fault("wrong_sequence", "lift", "red cube"), 1, True),
    ],
)
def test_whether_it_happened(fault: Fault | None, horizon: int, happened: bool) -> None:
    policy = inject(TASK, fault)
    assert policy.happened == (fault is not None and fault.kind == "wrong_sequence")
    take(PickAndPlace(horizon), policy, 0)
    assert policy.happened == happened
    policy.reset()
    assert policy.happened == (fault is not None and fault.kind == "wrong_sequence")


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("sign", [-1, 1])
def test_it_turns_as_far_as_told_and_no_further(axis: str, sign: int) -> None:
    taken = run(Fault(f"rotation_{axis}", "approach", "red cube", axis, sign, 0.5))
    turned = np.stack([snapshot["turned"] for snapshot in taken.snapshots])
    wanted = np.zeros(3)
    wanted[AXES.index(axis)] = sign * 0.5
    np.testing.assert_allclose(turned[-1], wanted, atol=1e-6)
    assert not taken.success


def test_a_slight_turn_still_succeeds() -> None:
    assert run(Fault("rotation_z", "approach", "red cube", "z", 1, 0.2)).success


def test_the_expert_does_not_get_to_turn() -> None:
    class Turning(Expert):
        def infer(self, observation: Any) -> Any:
            answer = super().infer(observation)
            answer["actions"][:, 3:6] = 0.1
            return answer

    option = replace(TASK.options[0], kind="no_rotation", phase="grasp", things=())
    task = replace(TASK, options=(option,))
    taken = take(PickAndPlace(), Faulty(Turning(), option.draw(np.random.default_rng(0)), task), 0)
    turned = np.stack([snapshot["turned"] for snapshot in taken.snapshots])
    begin = taken.phases.index("grasp")
    assert (np.diff(turned[: begin + 1], axis=0) != 0).all()
    assert (np.diff(turned[begin:], axis=0) == 0).all()


def test_the_other_cube_is_taken() -> None:
    taken = run(Fault("wrong_object", "approach", "green cube"))
    green = np.stack([snapshot["cubes"][1] for snapshot in taken.snapshots])
    assert green[:, 2].max() > 0.1
    assert red(taken)[:, 2].max() == 0.0
    assert not taken.success


def test_a_phase_is_left_out() -> None:
    taken = run(Fault("wrong_sequence", "grasp", "red cube"))
    assert "grasp" not in taken.phases
    assert not taken.success


def test_everything_available_can_be_drawn_and_run() -> None:
    rng = np.random.default_rng(0)
    assert {option.kind for option in TASK.options} == set(TASK.kinds()) <= set(KINDS)
    for option in TASK.options:
        for _ in range(3):
            fault = option.draw(rng)
            assert option.delays[0] <= fault.delay <= option.delays[1]
            if axis_of(option.kind):
                assert option.low <= fault.magnitude <= option.high
                assert fault.sign in option.signs
            assert run(fault, int(rng.integers(1000))).steps > 5


def test_drawing_is_fair_to_kinds_and_repeatable() -> None:
    drawn = [draw(TASK, np.random.default_rng(seed)) for seed in range(1000)]
    assert drawn == [draw(TASK, np.random.default_rng(seed)) for seed in range(1000)]
    counts = [sum(fault.kind == kind for fault in drawn) for kind in TASK.kinds()]
    # Each of n kinds: five standard deviations of a binomial.
    mean = 1000 / len(counts)
    assert max(abs(count - mean) for count in counts) < 5 * np.sqrt(mean)
    assert draw(TASK, np.random.default_rng(0), "slip").kind == "slip"
    half, full = (draw(TASK, np.random.default_rng(1), "translation_x", strength) for strength in (0.5, 1.0))
    assert half.magnitude == pytest.approx(full.magnitude / 2, abs=1e-4)


def test_a_fault_that_is_ever_so_slight_can_be_drawn() -> None:
    fault = draw(TASK, np.random.default_rng(0), "translation_x", strength=1e-9)
    assert 0 < fault.magnitude <= 1e-4


def test_what_cannot_be_injected() -> None:
    with pytest.raises(FaultError, match="allows no fault 'slip'"):
        inject(TASK, Fault("slip", "grasp", "red cube"))
    with pytest.raises(FaultError, match="allows no fault 'no_rotation'"):
        draw(TASK, np.random.default_rng(0), "no_rotation")
    with pytest.raises(FaultError, match="'phase'"):
        Faulty(CallablePolicy(lambda observation: np.zeros(7)), None, TASK)


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "explosion", "phase": "lift"},
        {"kind": "slip", "phase": "lift", "axis": "x", "sign": 1, "magnitude": 1.0},
        {"kind": "translation_x", "phase": "lift"},
        {"kind": "translation_x", "phase": "lift", "axis": "y", "sign": 1, "magnitude": 1.0},
        {"kind": "translation_x", "phase": "lift", "axis": "x", "sign": 2, "magnitude": 1.0},
        {"kind": "translation_x", "phase": "lift", "axis": "x", "sign": 1, "magnitude": float("inf")},
        {"kind": "slip", "phase": "lift", "magnitude": 1.0},
        {"kind": "slip", "phase": "lift", "delay": -1},
        {"kind": "slip", "phase": "lift", "colour": "red"},
    ],
)
def test_what_is_no_fault(values: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        Fault.from_json(values)


def test_plain_values_make_the_same_policy() -> None:
    fault = Fault("translation_x", "approach", "red cube", "x", 1, 0.09)
    assert Fault.from_json(fault.to_json()) == fault
    one = take(PickAndPlace(), faulty("tests.faults.toy:pick", fault.to_json()), 3)
    np.testing.assert_array_equal(hands(one), hands(run(fault, 3)))
    assert run(None, 3).steps == take(PickAndPlace(), faulty("tests.faults.toy:pick"), 3).steps


def test_the_right_object_is_known() -> None:
    assert option_of(TASK, Fault("wrong_object", "approach", "green cube")).target == "red cube"
    assert option_of(TASK, Fault("slip", "lift", "red cube")).target is None
