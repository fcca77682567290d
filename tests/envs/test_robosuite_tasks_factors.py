"""Factors of Stack, PickPlaceCan and NutAssemblySquare: what they show, and that nothing of them stays."""

import time

import numpy as np
import pytest

from faultfield.envs._robosuite_tasks import NUT_ASSEMBLY_SQUARE, PICK_PLACE_CAN, STACK
from faultfield.envs.robosuite import Robosuite
from faultfield.variations import NOMINAL
from tests.envs.models import arrays, begin

IMAGE = "observation.images.agentview"

RED_TO_GRAY = ("red", "green", "blue", "gray")
ROBOT_AND_LIGHT = [
    *({"robot_color": c} for c in ("red", "green", "cyan", "gray")),
    *({"light_color": c} for c in RED_TO_GRAY),
]
ROBOMD_STACK = [
    *({"cube_color": c} for c in RED_TO_GRAY),
    *({"table_color": c} for c in ("green", "blue", "red", "gray")),
    *({"table_size": s} for s in ([0.8, 0.2, 0.025], [0.2, 0.8, 0.025])),
    *({"cube_size": s} for s in ([0.04, 0.04, 0.04], [0.01, 0.01, 0.01], [0.04, 0.01, 0.01])),
    *ROBOT_AND_LIGHT,
]
ROBOMD_CAN = [
    *({"can_color": c} for c in RED_TO_GRAY),
    *({"bin_color": c} for c in ("green", "blue", "red", "gray")),
    *({"bin_size": s} for s in ([0.3, 0.3, 0.02], [0.2, 0.2, 0.02], [0.1, 0.1, 0.02])),
    *ROBOT_AND_LIGHT,
]
ROBOMD_SQUARE = [
    *({"peg_color": c} for c in RED_TO_GRAY),
    *({"peg_size": s} for s in ([0.03, 0.1], [0.02, 0.15], [0.02, 0.13], [0.03, 0.08])),
    *({"table_size": s} for s in ([0.8, 0.2, 0.025], [0.2, 0.8, 0.025])),
    *({"light_color": c} for c in RED_TO_GRAY),
]
CONTINUOUS = {"light_intensity", "light_direction", "camera_shift", "camera_fov"}


@pytest.fixture(params=["stack", "can", "square"])
def env(request: pytest.FixtureRequest) -> Robosuite:
    return request.getfixturevalue(request.param)


TASKS = {"stack": STACK, "can": PICK_PLACE_CAN, "square": NUT_ASSEMBLY_SQUARE}
FACTORS = [(name, factor.name) for name, task in TASKS.items() for factor in task.factors]


@pytest.mark.parametrize(("name", "factor"), FACTORS)
def test_a_factor_leaves_no_trace(name: str, factor: str, request: pytest.FixtureRequest) -> None:
    env: Robosuite = request.getfixturevalue(name)
    env._variations.apply(NOMINAL)
    before = arrays(env._model)
    for value in env.variation_space.factor(factor).grid(3):
        env._variations.apply(env.variation_space.variation({factor: value}))
    changed = arrays(env._model)
    assert any(not np.array_equal(before[key], changed[key]) for key in before)
    env._variations.apply(NOMINAL)
    after = arrays(env._model)
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


def test_all_factors_at_once_leave_no_trace(env: Robosuite) -> None:
    env._variations.apply(NOMINAL)
    before = arrays(env._model)
    for variation in env.variation_space.sample(np.random.default_rng(0), 3, order=len(env.task.factors)):
        env.reset(seed=0, options={"variation": variation})
    env.reset(seed=0)
    after = arrays(env._model)
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


@pytest.mark.parametrize(
    ("name", "known", "count"),
    [("stack", ROBOMD_STACK, 21), ("can", ROBOMD_CAN, 19), ("square", ROBOMD_SQUARE, 14)],
)
def test_robomds_variations_can_be_said_and_seen(
    name: str, known: list[dict[str, object]], count: int, request: pytest.FixtureRequest
) -> None:
    env: Robosuite = request.getfixturevalue(name)
    assert len(known) == count
    nominal = begin(env)[IMAGE].astype(int)
    for values in known:
        assert np.abs(begin(env, **values)[IMAGE] - nominal).max() > 20, values


@pytest.mark.parametrize(
    ("name", "factor", "channel"),
    [
        ("stack", "cube_color", 0),
        ("stack", "base_color", 0),
        ("can", "can_color", 0),
        ("can", "bin_color", 0),
        ("square", "peg_color", 0),
        ("square", "nut_color", 0),
    ],
)
def test_a_color_is_on_the_named_thing_alone(
    name: str, factor: str, channel: int, request: pytest.FixtureRequest
) -> None:
    env: Robosuite = request.getfixturevalue(name)
    before, after = begin(env)[IMAGE].astype(int), begin(env, **{factor: "blue"})[IMAGE].astype(int)
    touched = np.abs(after - before).max(axis=2) > 40
    # Cubes, cans and nuts are small, a bin is large; what changed is blue where it was not, and nothing else changed.
    assert (200 if factor == "bin_color" else 8) < touched.sum() < (3000 if factor == "bin_color" else 250)
    assert after[touched][:, 2].mean() > after[touched][:, channel].mean() + 60
    assert np.abs(after - before)[~touched].mean() < 1


def test_the_factors_of_lift_are_offered_in_every_task(env: Robosuite) -> None:
    names = {factor.name for factor in env.task.factors}
    assert names >= CONTINUOUS | {"robot_color", "light_color"}
    assert sum(name.endswith("_texture") for name in names) == 1
    assert sum(name.endswith(("_mass", "_friction")) for name in names) == 2


def test_every_factor_but_mass_and_friction_is_seen_and_these_are_not(env: Robosuite) -> None:
    nominal = begin(env)[IMAGE].astype(int)
    for factor in env.task.factors:
        values = factor.grid(3)
        # The middle of a range may be nominal.
        change = max(np.abs(begin(env, **{factor.name: value})[IMAGE] - nominal).max() for value in values[::2])
        assert (change > 20) == factor.visible, factor.name


def test_a_texture_covers_the_bin_alone(can: Robosuite) -> None:
    before, after = begin(can)[IMAGE].astype(int), begin(can, bin_texture="blue-wood")[IMAGE].astype(int)
    painted = np.abs(begin(can, bin_color="blue")[IMAGE].astype(int) - before).max(axis=2) > 40
    touched = np.abs(after - before).max(axis=2) > 15
    assert touched[painted].mean() > 0.8
    assert touched[~painted].mean() < 0.03
    assert after[painted].std() > 5


@pytest.mark.parametrize(("name", "factor"), FACTORS)
def test_a_factor_is_applied_in_a_moment(name: str, factor: str, request: pytest.FixtureRequest) -> None:
    env: Robosuite = request.getfixturevalue(name)
    variation = env.variation_space.variation({factor: env.variation_space.factor(factor).grid(2)[0]})
    took = []
    for _ in range(10):
        env._variations.apply(NOMINAL)
        start = time.perf_counter()
        env._variations.apply(variation)
        took.append(time.perf_counter() - start)
    env._variations.apply(NOMINAL)
    # Rebuilding the model takes a second; the quickest of several is what it costs on an idle machine.
    assert min(took) < (0.003 if factor.endswith(("_size", "_mass")) else 0.001)
