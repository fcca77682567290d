import hashlib
import os
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator

import mujoco
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from metaworld.env_dict import ENV_CLS_MAP
from metaworld.policies import ENV_POLICY_MAP

from faultfield.envs import PRIVILEGED, STATE, CanObserve
from faultfield.envs.metaworld import BEFORE, GOAL, HAND, OBJECT, OPENING, TASKS, TURN, Metaworld
from faultfield.errors import EnvError, VariationError
from faultfield.variations import NOMINAL, Variation

IMAGE = "observation.images.front"
VIEWS = ("front", "wrist", "overhead")


@pytest.fixture(scope="module")
def puck() -> Iterator[Metaworld]:
    env = Metaworld("pick-place-v3")
    yield env
    env.close()


@pytest.fixture(scope="module")
def drawer() -> Iterator[Metaworld]:
    """Without pictures in its observations; the drawer stands elsewhere in every episode."""
    env = Metaworld("drawer-open-v3", images=False)
    yield env
    env.close()


def actions(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (count, 4)).astype(np.float32)


def episode(env: Metaworld, seed: int, count: int = 15, variation: Variation = NOMINAL) -> str:
    """A digest of everything that an episode shows."""
    digest = hashlib.sha256()
    observation, _ = env.reset(seed=seed, options={"variation": variation})
    for action in actions(count):
        for name in sorted(observation):
            digest.update(np.ascontiguousarray(observation[name]).tobytes())
        observation = env.step(action)[0]
    return digest.hexdigest()


def magenta(image: np.ndarray) -> np.ndarray:
    """Rows and columns of the pixels of that colour."""
    red, green, blue = image.astype(int).transpose(2, 0, 1)
    return np.argwhere(np.minimum(red, blue) > 2 * green + 30)


def projected(env: Metaworld, camera: str, point: np.ndarray, size: int) -> np.ndarray:
    """Row and column where a pinhole camera at the model's camera would see a point."""
    view = env._data.camera(camera)
    x, y, z = view.xmat.reshape(3, 3).T @ (point - view.xpos)
    focal = size / 2 / np.tan(np.radians(env._model.camera(camera).fovy[0]) / 2)
    return np.array([size / 2 - focal * y / -z - 0.5, size / 2 + focal * x / -z - 0.5])


def metaworlds_own(task: str, env: Metaworld) -> object:
    """metaworld's untouched environment, its start drawn as in the present episode of `env`, its goal shown."""
    reference = ENV_CLS_MAP[task]()
    reference._partially_observable = False
    reference.__dict__.pop("sawyer_observation_space", None)
    reference._set_task_called = reference._freeze_rand_vec = True
    reference._last_rand_vec = env._inner._last_rand_vec.copy()
    return reference


def test_it_keeps_gymnasiums_contract(puck: Metaworld) -> None:
    check_env(puck, skip_render_check=True)
    assert isinstance(puck, CanObserve)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_metaworlds_bit_for_bit(task: str) -> None:
    env = Metaworld(task, images=False)
    # Seeds that leave another task of the same kind behind in the model.
    env.reset(seed=1)
    first = env.reset(seed=4)[0]
    reference = metaworlds_own(task, env)
    start = reference.reset()[0]
    np.testing.assert_allclose(first[PRIVILEGED], start, atol=1e-3)
    policy, seen, successes = ENV_POLICY_MAP[task](), start, []
    for _ in range(env.task.horizon):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            action = policy.get_action(seen.copy()).astype(np.float32).clip(-1, 1)
        seen, _, _, _, info = reference.step(action)
        observation, reward, terminated, truncated, ours = env.step(action)
        np.testing.assert_array_equal(env._data.qpos, reference.data.qpos)
        np.testing.assert_array_equal(env._data.qvel, reference.data.qvel)
        # At the start metaworld shows what lags one physics step behind, and stacks that into its second frame.
        shown = [i for i in range(39) if len(successes) > 0 or i not in range(39)[BEFORE]]
        np.testing.assert_array_equal(observation[PRIVILEGED][shown], seen.astype(np.float32)[shown])
        successes.append((ours["success"], terminated, reward) == (bool(info["success"]),) * 2 + (info["success"],))
        if terminated or truncated:
            break
    assert all(successes)
    assert terminated
    assert not truncated
    assert env.instruction.endswith(".")
    assert env.objects
    assert all(name == name.lower() for name in env.objects)


def test_the_layout_is_what_its_names_say(puck: Metaworld) -> None:
    before = puck.reset(seed=5)[0][PRIVILEGED]
    full = puck.step(np.array([0.3, -0.2, 0.1, 1]))[0]
    data, state = puck._data, full[PRIVILEGED]
    np.testing.assert_allclose(state[HAND], data.body("hand").xpos, atol=1e-6)
    np.testing.assert_allclose(state[OBJECT], data.body("obj").xpos, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(state[TURN]), 1, atol=1e-6)
    np.testing.assert_allclose(state[GOAL], data.site("goal").xpos, atol=1e-6)
    np.testing.assert_array_equal(state[BEFORE], before[: BEFORE.stop - BEFORE.start])
    apart = np.linalg.norm(data.body("rightclaw").xpos - data.body("leftclaw").xpos)
    assert state[OPENING] == pytest.approx(np.clip(apart / 0.1, 0, 1), abs=1e-3)
    np.testing.assert_array_equal(full[STATE], state[: OPENING + 1])


def test_the_robot_stands_at_the_origin_and_looks_along_y(puck: Metaworld) -> None:
    state = puck.reset(seed=5)[0][PRIVILEGED]
    np.testing.assert_allclose(puck._data.body("base").xpos, 0)
    assert state[OBJECT][1] > 0.5
    for action in ([0, 1, 0, -1], [-1, 0, 0, -1], [0, 0, 1, -1]):
        for _ in range(10):
            observation = puck.step(np.array(action))[0]
        moved = observation[PRIVILEGED][HAND] - state[HAND]
        assert np.argmax(np.abs(moved)) == np.argmax(np.abs(action[:3]))
        assert moved @ action[:3] > 0.02
        state = observation[PRIVILEGED]


def test_the_same_seed_is_the_same_episode_whatever_ran_before(puck: Metaworld) -> None:
    variation = puck.variation_space.variation({"object_mass": 3.0, "light_intensity": 0.5, "object_friction": 0.5})
    nominal, varied = episode(puck, 7), episode(puck, 7, variation=variation)
    assert nominal != varied
    episode(puck, 8, variation=puck.variation_space.variation({"table_color": "blue", "camera_fov": 70}))
    stored = puck.snapshot()
    puck.reset(seed=9)
    puck.pictures(VIEWS, 32, stored)
    puck.observe(stored, variation)
    assert episode(puck, 7) == nominal
    assert episode(puck, 7, variation=variation) == varied


def test_what_stands_elsewhere_in_every_episode_is_put_back(drawer: Metaworld) -> None:
    one = episode(drawer, 1)
    places = {tuple(drawer.reset(seed=seed)[0][PRIVILEGED][OBJECT]) for seed in range(5)}
    assert len(places) == 5
    assert episode(drawer, 1) == one


def test_what_is_seen_does_not_change_where_things_start(puck: Metaworld) -> None:
    nominal = puck.reset(seed=9)[0]
    variation = puck.variation_space.variation({"object_color": "blue", "light_color": "red"})
    varied = puck.reset(seed=9, options={"variation": variation})[0]
    np.testing.assert_array_equal(nominal[PRIVILEGED], varied[PRIVILEGED])
    assert not np.array_equal(nominal[IMAGE], varied[IMAGE])


def test_another_process_sees_the_same_episode_and_prints_nothing_else(puck: Metaworld) -> None:
    code = (
        "from faultfield.envs.metaworld import Metaworld; from tests.envs.test_metaworld import episode\n"
        "print(episode(Metaworld('pick-place-v3'), 21))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == episode(puck, 21)
    assert run.stderr == ""


@pytest.mark.parametrize("fixture", ["puck", "drawer"])
def test_a_stored_state_is_observed_as_it_was(fixture: str, request: pytest.FixtureRequest) -> None:
    env: Metaworld = request.getfixturevalue(fixture)
    observation = env.reset(seed=2)[0]
    stored = [(observation, env.snapshot(), env.pictures(VIEWS, 40))]
    for action in actions(30, seed=3):
        observation = env.step(action)[0]
    stored.append((observation, env.snapshot(), env.pictures(VIEWS, 40)))
    env.reset(seed=3)
    env.step(np.ones(4))
    for then, snapshot, pictures in pickle.loads(pickle.dumps(stored)):
        again = env.observe(snapshot, NOMINAL)
        assert again.keys() == then.keys()
        for name, array in then.items():
            np.testing.assert_array_equal(again[name], array, err_msg=name)
        for name, picture in env.pictures(VIEWS, 40, snapshot).items():
            np.testing.assert_array_equal(picture, pictures[name], err_msg=name)


def test_observing_does_not_disturb_the_episode(drawer: Metaworld) -> None:
    def run(disturbed: bool) -> list[np.ndarray]:
        heavy = drawer.variation_space.variation({"robot_color": "blue"})
        drawer.reset(seed=6)
        other = drawer.snapshot()
        states = [drawer.reset(seed=5, options={"variation": heavy})[0][PRIVILEGED]]
        for action in actions(20, seed=2):
            if disturbed:
                drawer.observe(other, NOMINAL)
                drawer.pictures(["front"], 32, other)
            states.append(drawer.step(action)[0][PRIVILEGED])
        return states

    np.testing.assert_array_equal(run(False), run(True))


def test_a_stored_state_can_be_seen_under_any_variation(puck: Metaworld) -> None:
    puck.reset(seed=4)
    snapshot, blue = puck.snapshot(), puck.variation_space.variation({"table_color": "blue"})
    varied = puck.observe(snapshot, blue)
    np.testing.assert_array_equal(puck.reset(seed=4, options={"variation": blue})[0][IMAGE], varied[IMAGE])


@pytest.mark.parametrize("camera", VIEWS)
def test_the_object_is_seen_where_a_pinhole_camera_would_see_it(puck: Metaworld, camera: str) -> None:
    variation = puck.variation_space.variation({"object_color": "magenta"})
    for seed in (1, 2, 3):
        puck.reset(seed=seed, options={"variation": variation})
        for _ in range(30):
            # Out of the way: up, and back towards the robot.
            state = puck.step(np.array([0, -0.3, 1, -1]))[0][PRIVILEGED]
        pixels = magenta(puck.pictures([camera], 120)[camera])
        np.testing.assert_allclose(pixels.mean(axis=0), projected(puck, camera, state[OBJECT], 120), atol=2)


@pytest.mark.parametrize("camera", ["front", "overhead", "corner", "corner2", "corner3", "corner4"])
def test_up_is_up_in_the_picture(puck: Metaworld, camera: str) -> None:
    puck.reset(seed=1, options={"variation": puck.variation_space.variation({"object_color": "magenta"})})
    rows = []
    for height in (0.02, 0.12):
        puck._data.qpos[puck._model.joint("objjoint").qposadr[0] + 2] = height
        mujoco.mj_forward(puck._model, puck._data)
        rows.append(magenta(puck.pictures([camera], 240)[camera])[:, 0].mean())
    assert rows[1] < rows[0] - 6


def test_pictures_can_be_had_where_observations_have_none(drawer: Metaworld) -> None:
    assert not any(name.startswith("observation.images") for name in drawer.reset(seed=0)[0])
    pictures = drawer.pictures(VIEWS, 64)
    assert [picture.shape for picture in pictures.values()] == [(64, 64, 3)] * 3
    assert len({picture.tobytes() for picture in pictures.values()}) == 3
    assert all(picture.std() > 20 for picture in pictures.values())


def test_doing_nothing_is_cut_at_the_horizon() -> None:
    env = Metaworld(images=False, horizon=3)
    env.reset(seed=0)
    ends = [env.step(np.zeros(4))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(EnvError, match="reset"):
        env.step(np.zeros(4))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "Lift"}, "no metaworld task 'Lift'.*pick-place-v3"),
        ({"camera": "agentview"}, "no camera 'agentview'.*front"),
        ({"size": 4}, "at least 8"),
        ({"horizon": 0}, "horizon 1"),
    ],
)
def test_what_cannot_be_built_is_said(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(EnvError, match=words):
        Metaworld(images=False, **arguments)


@pytest.mark.parametrize("action", [np.zeros(7), np.full(4, np.nan), np.zeros((1, 4))])
def test_wrong_actions_are_refused(drawer: Metaworld, action: np.ndarray) -> None:
    drawer.reset(seed=0)
    with pytest.raises(EnvError, match="four finite numbers"):
        drawer.step(action)


def test_foreign_variations_snapshots_and_cameras_are_refused(drawer: Metaworld, puck: Metaworld) -> None:
    with pytest.raises(VariationError, match="object_color"):
        drawer.reset(options={"variation": Variation({"object_colour": "red"})})
    with pytest.raises(VariationError, match="object_mass"):
        drawer.reset(options={"variation": puck.variation_space.variation({"object_mass": 2.0})})
    puck.reset(seed=0)
    for snapshot in (puck.snapshot(), {"state": np.zeros(3)}):
        with pytest.raises(EnvError, match="another environment"):
            drawer.observe(snapshot, NOMINAL)
    with pytest.raises(EnvError, match="no camera 'birdview'"):
        drawer.pictures(["birdview"], 32)
    with pytest.raises(EnvError, match="images=False"):
        drawer.render()


@pytest.mark.parametrize(
    ("setup", "environment", "words"),
    [
        ("sys.modules['metaworld.env_dict'] = None", {}, "pip install 'faultfield[metaworld]'"),
        # What the EGL loader meets on a machine without any driver.
        ("", {"__EGL_VENDOR_LIBRARY_DIRS": "/nonexistent"}, "libegl1"),
    ],
)
def test_what_is_missing_is_named_in_one_sentence(setup: str, environment: dict[str, str], words: str) -> None:
    code = (
        f"import sys; {setup}\n"
        "from faultfield.envs.metaworld import Metaworld\n"
        "from faultfield.errors import SetupError\n"
        "try:\n    Metaworld()\nexcept SetupError as error:\n    print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment)
    assert words in run.stdout, run.stderr
    assert run.stdout.count("\n") == 1
