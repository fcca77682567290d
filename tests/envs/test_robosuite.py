import hashlib
import os
import pickle
import subprocess
import sys

import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from faultfield.envs import PRIVILEGED, STATE, CanObserve
from faultfield.envs._robosuite_model import build
from faultfield.envs._robosuite_tasks import LIFT
from faultfield.envs.robosuite import Robosuite
from faultfield.errors import EnvError, VariationError
from faultfield.variations import NOMINAL, Variation

IMAGE = "observation.images.agentview"


def actions(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 7)).astype(np.float32)


def episode(env: Robosuite, seed: int, count: int = 15, variation: Variation = NOMINAL) -> str:
    """A digest of everything that an episode shows."""
    digest = hashlib.sha256()
    observation, _ = env.reset(seed=seed, options={"variation": variation})
    for action in actions(count):
        for name in sorted(observation):
            digest.update(np.ascontiguousarray(observation[name]).tobytes())
        observation = env.step(action)[0]
    return digest.hexdigest()


def pick_up(env: Robosuite, steps: int = 60) -> tuple[bool, list[float]]:
    """A plain controller: above the cube, down, close, up."""
    success, rewards, closing = False, [], 0
    observation = env.reset(seed=11, options=None)[0]
    for _ in range(steps):
        grip, cube = observation[STATE][:3], observation[PRIVILEGED][:3]
        offset = cube - grip
        near = np.linalg.norm(offset[:2]) < 0.01
        closing += int(closing > 0 or (near and abs(offset[2]) < 0.012))
        target = np.array([0, 0, 0.1]) if closing > 6 else offset + np.array([0, 0, 0.0 if near else 0.08])
        action = np.clip([*(target / 0.05), 0, 0, 0, 1 if closing else -1], -1, 1)
        observation, reward, terminated, _, info = env.step(action)
        rewards.append(reward)
        if terminated:
            success = info["success"]
            break
    return success, rewards


def test_it_keeps_gymnasiums_contract(lift: Robosuite) -> None:
    check_env(lift, skip_render_check=True)


def test_it_can_observe(lift: Robosuite) -> None:
    assert isinstance(lift, CanObserve)


def test_physics_is_robosuites(blind_lift: Robosuite) -> None:
    reference = build(LIFT, "Panda")
    model, data = reference.sim.model._model, reference.sim.data._data
    blind_lift.reset(seed=3)
    # robosuite starts from the same state and then runs its own controller, physics and clock.
    mujoco.mj_resetData(model, data)
    data.qpos[:] = blind_lift._data.qpos
    mujoco.mj_forward(model, data)
    robot = reference.robots[0]
    robot._load_controller()
    robot.gripper["right"].current_action = np.zeros(1)
    robot.composite_controller.update_state()
    robot.composite_controller.reset()
    for action in actions(40, seed=1).astype(np.float64):
        reference.step(action)
        blind_lift.step(action)
        np.testing.assert_allclose(data.qpos, blind_lift._data.qpos, rtol=0, atol=1e-9)
        np.testing.assert_allclose(data.qvel, blind_lift._data.qvel, rtol=0, atol=1e-9)
        # Linear algebra that is compiled here rounds as robosuite's does on some processors, not on all: nothing grows.
        mujoco.mj_setState(model, data, blind_lift.snapshot()["state"], mujoco.mjtState.mjSTATE_INTEGRATION)


def test_state_is_what_robosuite_calls_it(lift: Robosuite) -> None:
    observation = lift.reset(seed=5)[0]
    reference = lift._robosuite
    sensors = reference._setup_observables()
    expected = [sensors[f"robot0_{name}"]._sensor({}) for name in ("eef_pos", "eef_quat", "gripper_qpos")]
    np.testing.assert_allclose(observation[STATE], np.concatenate(expected), atol=1e-6)


def test_picture_is_upright(lift: Robosuite) -> None:
    image = lift.reset(seed=0)[0][IMAGE].astype(float)
    # The table is bright and below, the wall behind it dark and above.
    assert image[60:].mean() > image[:8].mean() + 50


def test_a_controller_that_sees_the_cube_lifts_it(blind_lift: Robosuite) -> None:
    success, rewards = pick_up(blind_lift)
    assert success
    assert rewards[-1] == 1.0
    assert not any(rewards[:-1])
    assert blind_lift._world.position("cube_main")[2] > 0.84
    with pytest.raises(EnvError, match="reset"):
        blind_lift.step(np.zeros(7))


def test_doing_nothing_is_cut_at_the_horizon() -> None:
    env = Robosuite(images=False, horizon=3)
    env.reset(seed=0)
    ends = [env.step(np.zeros(7))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_the_cube_lies_anywhere_within_the_placement(blind_lift: Robosuite) -> None:
    places = np.array([blind_lift.reset(seed=seed)[0][PRIVILEGED][:2] for seed in range(300)])
    assert np.abs(places).max() <= 0.10
    # A uniform variable on ±0.1 has the standard deviation 0.2 / √12.
    np.testing.assert_allclose(places.std(axis=0), 0.2 / np.sqrt(12), rtol=0.1)


def test_the_same_seed_is_the_same_episode_whatever_ran_before(lift: Robosuite) -> None:
    variation = lift.variation_space.variation({"cube_size": 1.3, "light_intensity": 0.5, "cube_friction": 0.5})
    nominal, varied = episode(lift, 7), episode(lift, 7, variation=variation)
    assert nominal != varied
    episode(lift, 8, variation=lift.variation_space.variation({"table_size": [0.8, 0.2, 0.025], "cube_mass": 3}))
    lift.observe(lift.snapshot(), variation)
    assert episode(lift, 7) == nominal
    assert episode(lift, 7, variation=variation) == varied


def test_the_variation_does_not_change_where_things_start(lift: Robosuite) -> None:
    nominal = lift.reset(seed=9)[0]
    varied = lift.reset(seed=9, options={"variation": lift.variation_space.variation({"cube_color": "blue"})})[0]
    np.testing.assert_array_equal(nominal[PRIVILEGED], varied[PRIVILEGED])
    np.testing.assert_array_equal(nominal[STATE], varied[STATE])


def test_another_process_sees_the_same_episode_and_prints_nothing_else(lift: Robosuite) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/envs')\n"
        "from test_robosuite import Robosuite, episode\n"
        "sys.stdout.write(episode(Robosuite(), 7))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == episode(lift, 7)
    assert run.stderr == ""


def test_building_leaves_numpys_global_generator_alone() -> None:
    np.random.seed(5)  # noqa: NPY002
    expected = np.random.get_state()[1].copy()  # noqa: NPY002
    Robosuite(images=False).reset()
    np.testing.assert_array_equal(np.random.get_state()[1], expected)  # noqa: NPY002


def test_observe_repeats_what_was_seen_and_disturbs_nothing(lift: Robosuite) -> None:
    red = lift.variation_space.variation({"table_color": "red", "cube_size": 1.5})
    lift.reset(seed=2)
    alone = [lift.step(action)[0] for action in actions(10)]
    lift.reset(seed=2)
    for index, action in enumerate(actions(10)):
        observation = lift.step(action)[0]
        snapshot = pickle.loads(pickle.dumps(lift.snapshot()))
        again = lift.observe(snapshot, NOMINAL)
        other = lift.observe(snapshot, red)
        for name in observation:
            np.testing.assert_array_equal(observation[name], alone[index][name])
            np.testing.assert_array_equal(observation[name], again[name])
        assert np.abs(other[IMAGE].astype(int) - observation[IMAGE]).mean() > 30
        np.testing.assert_array_equal(other[PRIVILEGED], observation[PRIVILEGED])


def test_observe_gives_the_picture_of_an_episode_begun_under_that_variation(lift: Robosuite) -> None:
    variation = lift.variation_space.variation({"light_direction": [1, 0, -1], "camera_shift": [0.02, 0.03, 0.01]})
    lift.reset(seed=6)
    imagined = lift.observe(lift.snapshot(), variation)
    real = lift.reset(seed=6, options={"variation": variation})[0]
    np.testing.assert_array_equal(imagined[IMAGE], real[IMAGE])


def test_drawing_only_what_is_in_the_picture_changes_no_pixel(lift: Robosuite) -> None:
    renderer = lift._renderer
    for seed, values in enumerate(({}, {"camera_fov": 80.0}, {"camera_shift": [-0.2, 0.2, -0.2]}, {"cube_size": 2.0})):
        lift.reset(seed=seed, options={"variation": lift.variation_space.variation(values)})
        for action in actions(6, seed):
            culled = lift.step(action)[0][IMAGE]
            renderer._fast = False
            everything = renderer.render(lift._data)
            renderer._fast = True
            np.testing.assert_array_equal(culled, everything)


def test_the_fast_picture_is_the_same_scene(lift: Robosuite, as_it_comes: Robosuite) -> None:
    for seed in range(3):
        ours, theirs = (env.reset(seed=seed)[0] for env in (lift, as_it_comes))
        np.testing.assert_array_equal(ours[STATE], theirs[STATE])
        difference = np.abs(ours[IMAGE].astype(int) - theirs[IMAGE])
        assert difference.mean() < 4
        assert np.median(difference) <= 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "Loft"}, "Lift"),
        ({"robot": "Pandu"}, "Panda"),
        ({"camera": "agent"}, "agentview"),
        ({"placement": 2.0}, "placement"),
        ({"horizon": 0}, "horizon"),
    ],
)
def test_wrong_arguments_are_refused_with_what_would_be_right(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(EnvError, match=words):
        Robosuite(images=False, **arguments)


@pytest.mark.parametrize("action", [np.zeros(6), np.full(7, np.nan), np.zeros((1, 7))])
def test_wrong_actions_are_refused(blind_lift: Robosuite, action: np.ndarray) -> None:
    blind_lift.reset(seed=0)
    with pytest.raises(EnvError, match="seven finite numbers"):
        blind_lift.step(action)


def test_foreign_variations_and_snapshots_are_refused(blind_lift: Robosuite) -> None:
    with pytest.raises(VariationError, match="cube_color"):
        blind_lift.reset(options={"variation": Variation({"cube_colour": "red"})})
    with pytest.raises(EnvError, match="snapshot"):
        blind_lift.observe({"state": np.zeros(3)}, NOMINAL)
    with pytest.raises(EnvError, match="images=False"):
        blind_lift.render()


@pytest.mark.parametrize(
    ("setup", "environment", "words"),
    [
        ("sys.modules['robosuite'] = None", {}, "pip install 'faultfield[robosuite]'"),
        # What the EGL loader meets on a machine without any driver.
        ("", {"__EGL_VENDOR_LIBRARY_DIRS": "/nonexistent"}, "libegl1"),
    ],
)
def test_what_is_missing_is_named_in_one_sentence(setup: str, environment: dict[str, str], words: str) -> None:
    code = (
        f"import sys; {setup}\n"
        "from faultfield.envs.robosuite import Robosuite\n"
        "from faultfield.errors import SetupError\n"
        "try:\n    Robosuite()\nexcept SetupError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment)
    assert words in run.stdout, run.stderr
    assert run.stdout.count("\n") == 1
