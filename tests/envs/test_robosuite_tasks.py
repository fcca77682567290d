"""Stack, PickPlaceCan and NutAssemblySquare against robosuite itself."""

import itertools
from typing import Any

import mujoco
import numpy as np
import pytest

from faultfield.envs import PRIVILEGED, STATE, CanObserve
from faultfield.envs._robosuite_tasks import LIFT, NUT_ASSEMBLY_SQUARE, PICK_PLACE_CAN, STACK
from faultfield.envs._robosuite_tasks.stack import APART
from faultfield.envs.robosuite import TASKS, Robosuite
from faultfield.errors import EnvError
from faultfield.policies.scripted import ScriptedCan, ScriptedStack
from faultfield.variations import NOMINAL
from tests.envs.models import begin

IMAGE = "observation.images.agentview"
CUBE, BASE = 9, 16
"""Where in `qpos` the red and the green cube begin, after seven joints and two fingers."""
CAN = 30
"""Where the can does, after three objects of other tasks."""
STILL = np.array([0, 0, 0, 0, 0, 0, -1.0])


@pytest.fixture(params=["stack", "can", "square"])
def env(request: pytest.FixtureRequest) -> Robosuite:
    return request.getfixturevalue(request.param)


def as_it_comes(name: str) -> Any:
    """robosuite's own environment, without anything of ours."""
    from robosuite.environments.base import REGISTERED_ENVS

    return REGISTERED_ENVS[name](
        robots="Panda", use_camera_obs=False, has_renderer=False, has_offscreen_renderer=False, hard_reset=False,
        control_freq=20, ignore_done=True, seed=0,
    )  # fmt: skip


def test_physics_is_robosuites(env: Robosuite) -> None:
    reference = as_it_comes(env.task.name)
    reference.reset()
    model, data = reference.sim.model._model, reference.sim.data._data
    env.reset(seed=3)

    def start() -> None:
        mujoco.mj_setState(model, data, env.snapshot()["state"], mujoco.mjtState.mjSTATE_INTEGRATION)

    mujoco.mj_resetData(model, data)
    start()
    mujoco.mj_forward(model, data)
    robot = reference.robots[0]
    robot._load_controller()
    robot.gripper["right"].current_action = np.zeros(1)
    robot.composite_controller.update_state()
    robot.composite_controller.reset()
    # Its controller looked ahead while it was loaded, which left a better first guess for the contact forces.
    start()
    for action in np.random.default_rng(1).uniform(-1, 1, (20, 7)):
        reference.step(action)
        env.step(action)
        np.testing.assert_allclose(data.qpos, env._data.qpos, rtol=0, atol=1e-9)
        np.testing.assert_allclose(data.qvel, env._data.qvel, rtol=0, atol=1e-9)
        # Linear algebra that is compiled here rounds as robosuite's does on some processors, not on all: nothing grows.
        start()


def test_truth_is_what_robosuite_says(env: Robosuite) -> None:
    truth = env.reset(seed=5)[0][PRIVILEGED]
    theirs = env._robosuite
    if env.task is STACK:
        theirs_say = [theirs.sim.data.body_xpos[i] for i in (theirs.cubeA_body_id, theirs.cubeB_body_id)]
        np.testing.assert_allclose([truth[:3], truth[7:10]], theirs_say, atol=1e-6)
    elif env.task is NUT_ASSEMBLY_SQUARE:
        np.testing.assert_allclose(truth[:3], theirs.sim.data.body_xpos[theirs.obj_body_id["SquareNut"]], atol=1e-6)
        np.testing.assert_allclose(truth[7:9], theirs.sim.data.body_xpos[theirs.peg1_body_id][:2], atol=1e-6)
    else:
        np.testing.assert_allclose(truth[:3], theirs.sim.data.body_xpos[theirs.obj_body_id["Can"]], atol=1e-6)
        np.testing.assert_allclose(truth[7:], theirs.target_bin_placements[3], atol=1e-6)
    assert truth.shape == env.observation_space[PRIVILEGED].shape


def test_things_lie_where_robosuite_lays_them(env: Robosuite) -> None:
    truths = np.array([env.reset(seed=seed)[0][PRIVILEGED] for seed in range(100)])
    middle = {"Stack": (0.0, 0.0), "PickPlaceCan": (0.1, -0.25), "NutAssemblySquare": (-0.05, 0.15)}[env.task.name]
    assert 0.09 < np.abs(truths[:, :2] - middle).max() <= 0.10 + 1e-6
    heights = {"Stack": 0.8 + 0.02 + 0.01, "PickPlaceCan": 0.86, "NutAssemblySquare": 0.89}
    np.testing.assert_allclose(truths[:, 2], heights[env.task.name], atol=1e-6)
    if env.task is STACK:
        distances = np.linalg.norm(truths[:, :2] - truths[:, 7:9], axis=1)
        assert np.sqrt(2) * 0.045 < distances.min() < 0.075
    # Random yaws: the mean direction of many is nowhere.
    turns = 2 * np.arctan2(truths[:, 5], truths[:, 6])
    assert abs(np.exp(1j * turns).mean()) < 0.3


def test_cubes_made_larger_begin_apart(stack: Robosuite) -> None:
    for seed in range(20):
        truth = begin(stack, seed, cube_size=[0.04, 0.04, 0.02], base_size=[0.045, 0.045, 0.02])[PRIVILEGED]
        nominal = begin(stack, seed)[PRIVILEGED]
        np.testing.assert_array_equal(truth[:2], nominal[:2])
        assert np.linalg.norm(truth[:2] - truth[7:9]) >= np.sqrt(2) * 0.085 - 1e-6
        assert stack._data.ncon == 0


def test_stacked_is_what_robosuite_calls_success(stack: Robosuite) -> None:
    stack.reset(seed=0)
    data, rng, found = stack._data, np.random.default_rng(0), []
    grip = data.site_xpos[stack._robosuite.robots[0].eef_site_id["right"]].copy()
    hand = data.xquat[stack._hand_body].copy()
    for index in range(120):
        place = grip if index % 2 else np.array([0.1, 0.1, 0.87])
        cube = place + rng.uniform(-1, 1, 3) * (0.002, 0.002, 0.002 if index % 4 < 2 else 0.06)
        base = cube - (*rng.uniform(-0.05, 0.05, 2), 0.045) + (0, 0, rng.uniform(-0.002, 0.001))
        data.qpos[7:9] = np.array([1, -1]) * rng.choice([0.0195, 0.0195, 0.03])
        data.qpos[CUBE : CUBE + 7] = (*cube, *hand)
        data.qpos[BASE : BASE + 7] = (*base, *hand)
        mujoco.mj_forward(stack._model, data)
        ours, theirs = STACK.success(stack._world), stack._robosuite._check_success()
        assert ours == theirs, index
        found.append((bool(index % 2), ours, stack._world.held("cubeA_main")))
    # Every case was met: let go and standing, let go and not, between the fingers.
    assert {(False, True, False), (False, False, False), (True, True, False), (True, False, True)} <= set(found)


def test_the_can_in_its_place_is_what_robosuite_calls_success(can: Robosuite) -> None:
    can.reset(seed=0)
    data, rng, found = can._data, np.random.default_rng(0), []
    for index in range(200):
        place = rng.uniform([0.05, 0.2, 0.78], [0.35, 0.6, 0.92])
        if index % 2:
            place = data.site_xpos[can._robosuite.robots[0].eef_site_id["right"]] + rng.uniform(-0.06, 0.06, 3)
        data.qpos[CAN : CAN + 3] = place
        # Arms that reach over the second bin, so that the gripper is sometimes near the can.
        data.qpos[:7] = np.array([0.72, 0.9, 0.0, -1.7, 0.0, 2.6, 0.78]) + rng.normal(0, 0.1, 7)
        mujoco.mj_forward(can._model, data)
        ours, theirs = PICK_PLACE_CAN.success(can._world), bool(can._robosuite._check_success())
        assert ours == theirs, index
        inside = np.all((place > [0.1, 0.28, 0.8]) & (place < [0.295, 0.525, 0.9]))
        found.append((bool(inside), ours))
    assert {(True, True), (False, False)} <= set(found)


@pytest.mark.parametrize("name", ["stack", "can"])
def test_an_episode_ends_when_robosuite_calls_it_a_success(name: str, request: pytest.FixtureRequest) -> None:
    env: Robosuite = request.getfixturevalue(name)
    expert = ScriptedStack() if name == "stack" else ScriptedCan()
    observation, theirs, ended = env.reset(seed=11)[0], [], False
    while not ended:
        observation, reward, terminated, ended, info = env.step(expert.infer(observation)["actions"][0])
        ended = ended or terminated
        theirs.append(bool(env._robosuite._check_success()))
    assert theirs == [False] * (len(theirs) - 1) + [True]
    assert info["success"]
    assert reward == 1.0


@pytest.mark.parametrize(
    ("values", "heights"),
    [({}, (0.02, 0.025)), ({"base_size": 0.5}, (0.02, 0.0125)), ({"cube_size": 2.0}, (0.04, 0.025)),
     ({"cube_size": [0.02, 0.02, 0.03], "base_size": [0.04, 0.04, 0.01]}, (0.03, 0.01))],
)  # fmt: skip
def test_cubes_of_any_size_are_stacked_once_one_stands_on_the_other(
    stack: Robosuite, values: dict[str, object], heights: tuple[float, float]
) -> None:
    def success(cube: float, aside: float = 0.0) -> bool:
        data = stack._data
        data.qpos[BASE : BASE + 7] = (0.1, 0.1, 0.8 + heights[1], 1, 0, 0, 0)
        data.qpos[CUBE : CUBE + 7] = (0.1 + aside, 0.1, cube, 1, 0, 0, 0)
        mujoco.mj_forward(stack._model, data)
        return STACK.success(stack._world)

    begin(stack, **values)
    half = stack._world.half_sizes("cubeA_main")[0] + stack._world.half_sizes("cubeB_main")[0]
    assert success(0.8 + 2 * heights[1] + heights[0] - 1e-4)
    assert not success(0.8 + 2 * heights[1] + heights[0] + 0.01)
    assert not success(0.8 + heights[0], aside=half - 1e-4)


def test_things_rest_at_their_own_height(stack: Robosuite) -> None:
    observation = begin(stack, cube_size=1.5, base_size=[0.03, 0.02, 0.01])
    for _ in range(20):
        observation = stack.step(STILL)[0]
    assert observation[PRIVILEGED][[2, 9]] == pytest.approx([0.83, 0.81], abs=1e-3)


def test_the_bins_floor_keeps_its_height_and_ends_at_its_rim(can: Robosuite) -> None:
    def height(x: float, y: float, **values: object) -> float:
        begin(can, **values)
        data = can._data
        data.qpos[CAN : CAN + 7] = (0.1 + x, -0.25 + y, 0.87, 1, 0, 0, 0)
        for _ in range(200):
            mujoco.mj_step(can._model, data)
        return float(data.qpos[CAN + 2])

    nominal = height(0.0, 0.15)
    assert nominal == pytest.approx(0.86, abs=2e-3)
    small, large = [0.1, 0.1, 0.02], [0.3, 0.3, 0.01]
    assert height(0.0, 0.0, bin_size=small) == pytest.approx(nominal, abs=1e-4)
    assert height(0.0, 0.15, bin_size=small) < 0.8
    assert height(0.0, 0.0, bin_size=large) == pytest.approx(nominal, abs=1e-4)
    # Outside the wall, where the nominal floor does not reach.
    assert height(0.25, 0.0, bin_size=large) > 0.8
    assert height(0.25, 0.0) < 0.8


def test_a_heavier_can_falls_as_fast_and_is_harder_to_push(can: Robosuite) -> None:
    def acceleration(push: float, **values: object) -> np.ndarray:
        begin(can, **values)
        data, body = can._data, can._model.body("Can_main").id
        data.qpos[CAN + 2] += 0.3
        data.xfrc_applied[body, 0] = push
        mujoco.mj_forward(can._model, data)
        first = can._model.joint("Can_joint0").dofadr[0]
        return np.array(data.qacc[first : first + 6])

    np.testing.assert_allclose(acceleration(0.0, can_mass=4.0)[2], acceleration(0.0)[2], rtol=1e-3)
    np.testing.assert_allclose(acceleration(0.1, can_mass=4.0)[0], acceleration(0.1)[0] / 4, rtol=1e-3)


def test_the_same_seed_is_the_same_episode_whatever_ran_before(env: Robosuite) -> None:
    def run() -> list[np.ndarray]:
        seen = [env.reset(seed=7)[0]]
        seen += [env.step(a)[0] for a in np.random.default_rng(0).uniform(-1, 1, (5, 7))]
        return [array for observation in seen for array in observation.values()]

    alone = run()
    variation = env.variation_space.sample(np.random.default_rng(2), 1, order=6)[0]
    env.reset(seed=8, options={"variation": variation})
    env.observe(env.snapshot(), variation)
    for one, other in zip(alone, run(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_it_can_observe_a_stored_state(env: Robosuite) -> None:
    assert isinstance(env, CanObserve)
    env.reset(seed=2)
    observation = [env.step(a)[0] for a in np.random.default_rng(0).uniform(-1, 1, (5, 7))][-1]
    again = env.observe(env.snapshot(), NOMINAL)
    for name in observation:
        np.testing.assert_array_equal(observation[name], again[name])


def test_horizons() -> None:
    assert [(t.name, t.horizon) for t in (LIFT, STACK, PICK_PLACE_CAN, NUT_ASSEMBLY_SQUARE)] == [
        ("Lift", 100), ("Stack", 200), ("PickPlaceCan", 300), ("NutAssemblySquare", 300),
    ]  # fmt: skip
    assert TASKS == ("Lift", "Stack", "PickPlaceCan", "NutAssemblySquare")


@pytest.mark.parametrize(
    ("task", "placement"), [("Stack", 0.02), ("Stack", 0.4), ("PickPlaceCan", 0.2), ("NutAssemblySquare", 0.2)]
)
def test_a_placement_that_the_task_has_no_room_for_is_refused(task: str, placement: float) -> None:
    with pytest.raises(EnvError, match=f"placement must be from .* in {task}"):
        Robosuite(task, images=False, placement=placement)


def test_the_narrowest_placement_lets_cubes_lie_apart() -> None:
    corners = itertools.product((-STACK.nearest, STACK.nearest), repeat=2)
    assert max(np.hypot(x - STACK.nearest, y - STACK.nearest) for x, y in corners) > 1.5 * APART


def test_the_state_is_the_robots(env: Robosuite) -> None:
    observation = env.reset(seed=5)[0]
    sensors = env._robosuite._setup_observables()
    expected = [sensors[f"robot0_{name}"]._sensor({}) for name in ("eef_pos", "eef_quat", "gripper_qpos")]
    np.testing.assert_allclose(observation[STATE], np.concatenate(expected), atol=1e-6)
