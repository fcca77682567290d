"""The tasks of the simulators: that their faults fit their experts, and what the faults do to the robot."""

import dataclasses
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faultfield.envs._metaworld_tasks import TASKS
from faultfield.envs.base import PRIVILEGED, STATE
from faultfield.errors import FaultError
from faultfield.faults.claims import Claim, parse
from faultfield.faults.fault import AXES, KINDS, Fault
from faultfield.faults.injection import Leadable, inject
from faultfield.faults.record import Take, moments, photograph, take
from faultfield.faults.task import FaultTask, option_of
from faultfield.faults.tasks import task_named
from faultfield.faults.wording import reasons
from faultfield.variations import NOMINAL, Variation
from tests.faults import toy

needs_robosuite = pytest.mark.skipif(importlib.util.find_spec("robosuite") is None, reason="robosuite is not installed")
needs_metaworld = pytest.mark.skipif(importlib.util.find_spec("metaworld") is None, reason="metaworld is not installed")

ROBOSUITE = ("Lift", "Stack", "PickPlaceCan", "NutAssemblySquare")
METAWORLD = tuple(TASKS)
BEGINS = {"peg-insert-side-v3": 1}
"""Seeds from which the expert solves a task twice, other than 0: metaworld's own cannot always insert the peg."""
ROW = r"^\| `([\w-]+)` \| ((?:(?:✓|\w) \| )+(?:✓|\w)) \|$"
"""Of the table of `docs/faults.md`: a task, and a cell for each kind."""
ALL = (*(pytest.param(name, marks=needs_robosuite) for name in ROBOSUITE),
       *(pytest.param(name, marks=needs_metaworld) for name in METAWORLD))  # fmt: skip


@cache
def environment(name: str) -> Any:
    return task_named(name).environment.build()


@pytest.fixture(scope="module", autouse=True)
def closed() -> Iterator[None]:
    yield
    environment.cache_clear()


def run(name: str, fault: Fault | None, seed: int = 3, variation: Variation = NOMINAL) -> Take:
    task = task_named(name)
    return take(environment(name), inject(task, fault), seed, variation, patience=round(task.rate))


def seen(name: str, taken: Take, key: str) -> NDArray[Any]:
    env = environment(name)
    return np.stack([env.observe(snapshot, NOMINAL)[key] for snapshot in taken.snapshots])


def fault_of(task: FaultTask, kind: str, phase: str, sign: int = 0, size: float = 0.0) -> Fault:
    option = next(option for option in task.options if (option.kind, option.phase) == (kind, phase))
    axis = kind[-1] if sign else None
    return Fault(kind, phase, option.object, axis, sign, size, option.delays[0])


@pytest.mark.parametrize("name", ALL)
def test_every_option_fits_its_expert_and_is_told_without_loss(name: str) -> None:
    task = task_named(name)
    env = environment(name)
    expert = task.expert.build()
    assert task.name == name
    assert task.phases == tuple(expert.phases)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for option in task.options:
        assert option.phase in task.phases
        assert set(option.lasts) <= set(task.phases)
        assert set(option.things) <= set(task.things)
        assert option.object in (*env.objects, option.target)
        told_how = option.lasts if isinstance(expert, Leadable) else option.things
        assert not option.kind.startswith("translation") or told_how
        for factor, (low, high) in {**task.scene, **option.scene}.items():
            env.variation_space.variation({factor: low})
            env.variation_space.variation({factor: high})
        fault = option.draw(rng)
        assert option_of(task, fault) == option
        inject(task, fault)
        for sentence in reasons(fault, option.target):
            assert parse(sentence) == Claim.of(fault)
    for factor in task.varied:
        env.variation_space.variation({factor: env.variation_space.factor(factor).sample(rng)})


@pytest.mark.parametrize("name", ALL)
def test_the_expert_solves_it_when_nothing_is_wrong(name: str) -> None:
    first = BEGINS.get(name, 0)
    assert all(run(name, None, seed).success for seed in (first, first + 1))


@needs_metaworld
@pytest.mark.parametrize("name", METAWORLD)
def test_whatever_goes_wrong_in_metaworld_makes_a_failure_but_for_a_few(name: str) -> None:
    rng = np.random.default_rng(0)
    solved = [run(name, option.draw(rng), seed).success for seed, option in enumerate(task_named(name).options, 20)]
    assert sum(solved) <= 1


@pytest.mark.parametrize(
    "name", [pytest.param("Lift", marks=needs_robosuite), pytest.param("pick-place-v3", marks=needs_metaworld)]
)
@pytest.mark.parametrize(("axis", "sign"), [("x", 1), ("y", -1), ("z", 1)])
def test_the_gripper_misses_the_way_it_is_said_to(name: str, axis: str, sign: int) -> None:
    task = task_named(name)
    taken = run(name, fault_of(task, f"translation_{axis}", "approach", sign, 0.08))
    hand = seen(name, taken, STATE)[:, :3]
    start = task.things["cube" if name == "Lift" else "object"]
    thing = seen(name, taken, PRIVILEGED)[0, start : start + 3]
    # Where the hand is lowest it is at the object, or beside it.
    off = np.array(task.frame) @ (hand[np.argmin(hand[:, 2])] - thing)
    if axis == "z":
        lowest = seen(name, run(name, None), STATE)[:, 2].min()
        assert hand[:, 2].min() > lowest + 0.05
    else:
        np.testing.assert_allclose(off[:2], sign * 0.08 * (np.array(AXES[:2]) == axis), atol=0.03)
    assert not taken.success


@needs_robosuite
@pytest.mark.parametrize(
    ("axis", "sign", "tips"), [("x", 1, (0, 1)), ("x", -1, (0, -1)), ("y", -1, (1, 0)), ("y", 1, (-1, 0))]
)
def test_the_finger_tips_point_where_the_words_say(axis: str, sign: int, tips: tuple[int, int]) -> None:
    from scipy.spatial.transform import Rotation

    # Rolled to the left, pitched forward: the way of the tips, forward and left.
    task = task_named("Lift")
    option = dataclasses.replace(
        option_of(task, fault_of(task, f"rotation_{axis}", "approach", sign, 0.8)), signs=(-1, 1)
    )
    task = dataclasses.replace(task, options=(option,))
    taken = take(environment("Lift"), inject(task, fault_of(task, option.kind, "approach", sign, 0.8)), 3, patience=20)
    grasping = taken.phases.index("grasp")
    turn = Rotation.from_quat(seen("Lift", taken, STATE)[grasping, 3:7])
    # The hand's z axis runs from the wrist to the finger tips.
    way = turn.apply([0.0, 0.0, 1.0])
    assert way[2] < -0.5
    np.testing.assert_allclose(way[:2], np.array(tips) * np.sin(0.8), atol=0.15)


@needs_robosuite
def test_what_goes_wrong_in_robosuite_can_be_read_off_the_state() -> None:
    lift, stack = task_named("Lift"), task_named("Stack")
    open_hand = seen("Lift", run("Lift", fault_of(lift, "no_grasp", "grasp")), STATE)
    # The hand begins half open.
    assert (open_hand[10:, 7] - open_hand[10:, 8]).min() > 0.07
    red, green = (
        seen("Stack", run("Stack", fault_of(stack, "wrong_object", "approach")), PRIVILEGED)[:, i] for i in (2, 9)
    )
    assert green.max() > 0.9 > red.max()
    slipped = run("Stack", fault_of(stack, "slip", "lift"))
    height = seen("Stack", slipped, PRIVILEGED)[:, 2]
    assert height.max() > height[0] + 0.01
    assert abs(height[-1] - height[5]) < 0.02
    assert not slipped.success
    held = run("Stack", fault_of(stack, "wrong_sequence", "release"))
    assert "release" not in held.phases
    assert seen("Stack", held, PRIVILEGED)[-1, 2] > 0.85
    assert not held.success


@needs_robosuite
def test_a_hand_that_is_not_turned_keeps_its_yaw() -> None:
    from scipy.spatial.transform import Rotation

    def yaws(fault: Fault | None) -> NDArray[Any]:
        state = seen("Lift", run("Lift", fault, seed=0), STATE)
        return np.asarray(Rotation.from_quat(state[:, 3:7]).as_euler("zyx")[:, 0])

    lift = task_named("Lift")
    turned, kept = yaws(None), yaws(fault_of(lift, "no_rotation", "approach"))
    assert np.abs(np.angle(np.exp(1j * (turned - turned[0])))).max() > 0.2
    assert np.abs(np.angle(np.exp(1j * (kept[:15] - kept[0])))).max() < 0.1


@needs_metaworld
def test_what_goes_wrong_in_metaworld_can_be_read_off_the_state() -> None:
    task = task_named("pick-place-v3")
    slipped = run("pick-place-v3", fault_of(task, "slip", "move"))
    height = seen("pick-place-v3", slipped, PRIVILEGED)[:, 6]
    assert height.max() > height[0] + 0.02
    assert height[-1] < 0.05
    assert not slipped.success
    assert not run("pick-place-v3", fault_of(task, "no_grasp", "grasp")).success


@pytest.mark.parametrize(
    "name", [pytest.param("Lift", marks=needs_robosuite), pytest.param("pick-place-v3", marks=needs_metaworld)]
)
def test_three_cameras_see_three_things(name: str) -> None:
    taken = run(name, None)
    env = environment(name)
    frames = photograph(env, taken, moments(taken, 3), task_named(name).cameras, 48)
    assert {camera: pictures.shape for camera, pictures in frames.items()} == dict.fromkeys(
        ("front", "wrist", "overhead"), (3, 48, 48, 3)
    )
    for pictures in frames.values():
        assert pictures[0].std() > 5
        assert np.abs(pictures[0].astype(int) - pictures[-1]).mean() > 1
    assert np.abs(frames["front"][0].astype(int) - frames["overhead"][0]).mean() > 5
    again = photograph(env, taken, moments(taken, 3), task_named(name).cameras, 48)
    for camera, pictures in frames.items():
        np.testing.assert_array_equal(pictures, again[camera])


@needs_metaworld
def test_the_page_of_faults_tells_which_kinds_each_task_has_and_why_not_the_others() -> None:
    text = (Path(__file__).parents[2] / "docs/faults.md").read_text(encoding="utf-8")
    reasons = re.findall(r"^- \*\*(\w)\*\* \S", text, re.MULTILINE)
    (head,) = re.findall(r"^\| task \|(.*)\|$", text, re.MULTILINE)
    kinds = tuple(cell.strip(" `") for cell in head.split("|"))
    rows = {name: [cell.strip() for cell in row.split("|")] for name, row in re.findall(ROW, text, re.MULTILINE)}
    assert kinds == KINDS
    assert tuple(rows) == (*ROBOSUITE, *METAWORLD)
    for name, cells in rows.items():
        told = {kind for kind, cell in zip(kinds, cells, strict=True) if cell == "✓"}
        assert told == set(task_named(name).kinds()), name
    assert {cell for cells in rows.values() for cell in cells} == {"✓", *reasons}
    assert len(set(reasons)) == len(reasons)


def test_tasks_by_name() -> None:
    assert task_named("tests.faults.toy:pick") == toy.pick()
    with pytest.raises(FaultError, match="Lift"):
        task_named("Juggle")
    with pytest.raises(FaultError, match="must give a FaultTask"):
        task_named("tests.faults.toy:Expert")
