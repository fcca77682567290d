import copy
from collections.abc import Iterator
from typing import Any

import mujoco
import numpy as np
import pytest

from faultfield.envs import PRIVILEGED
from faultfield.envs._metaworld_factors import ModelVariations
from faultfield.envs._metaworld_tasks import task_named
from faultfield.envs.metaworld import OBJECT, TASKS, Metaworld

IMAGE = "observation.images.front"
NAMES = [factor.name for factor in task_named("pick-place-v3").factors(45.0)]


@pytest.fixture(scope="module")
def puck() -> Iterator[Metaworld]:
    env = Metaworld("pick-place-v3")
    yield env
    env.close()


def arrays(model: Any) -> dict[str, np.ndarray]:
    """Every array in the model, and what it keeps outside arrays and may change."""
    found = {name: getattr(model, name) for name in dir(model) if not name.startswith("_")}
    found = {name: value.copy() for name, value in found.items() if isinstance(value, np.ndarray)}
    for part in (model.opt, model.stat, model.vis.headlight, model.vis.quality, model.vis.global_, model.vis.map):
        for name in (n for n in dir(part) if not n.startswith("_")):
            value = getattr(part, name)
            if isinstance(value, int | float | np.ndarray):
                found[f"{type(part).__name__}.{name}"] = np.array(value)
    return found


def begin(env: Metaworld, seed: int = 1, **values: object) -> dict[str, np.ndarray]:
    return env.reset(seed=seed, options={"variation": env.variation_space.variation(values)})[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_leaves_no_trace(puck: Metaworld, name: str) -> None:
    begin(puck)
    before = arrays(puck._model)
    for value in puck.variation_space.factor(name).grid(3):
        begin(puck, **{name: value})
    changed = arrays(puck._model)
    assert any(not np.array_equal(before[key], changed[key]) for key in before)
    begin(puck)
    after = arrays(puck._model)
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


def test_all_factors_at_once_leave_no_trace(puck: Metaworld) -> None:
    begin(puck, seed=0)
    before = arrays(puck._model)
    for variation in puck.variation_space.sample(np.random.default_rng(0), 5, order=len(NAMES)):
        puck.reset(seed=0, options={"variation": variation})
    begin(puck, seed=0)
    after = arrays(puck._model)
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


@pytest.mark.parametrize("task", [
    "reach-v3", "basketball-v3", "drawer-close-v3", "button-press-topdown-v3", "plate-slide-v3", "window-open-v3",
    "faucet-open-v3", "handle-press-v3", "coffee-button-v3",
])  # fmt: skip
def test_the_object_named_is_the_one_painted(task: str) -> None:
    env = Metaworld(task, size=64)
    nominal = begin(env, seed=2)[IMAGE].astype(int)
    magenta = begin(env, seed=2, object_color="magenta")[IMAGE].astype(int)
    touched = np.abs(magenta - nominal).max(axis=2) > 10
    red, green, blue = magenta[touched].mean(axis=0)
    assert 3 < touched.sum() < 1500
    assert min(red, blue) > 3 * green
    position = env._data.site("goal").xpos if task == "reach-v3" else begin(env, seed=2)[PRIVILEGED][OBJECT]
    view = env._data.camera("front")
    x, y, z = view.xmat.reshape(3, 3).T @ (position - view.xpos)
    focal = 32 / np.tan(np.radians(45.0) / 2)
    pixel = np.array([32 - focal * y / -z - 0.5, 32 + focal * x / -z - 0.5])
    assert np.linalg.norm(np.argwhere(touched) - pixel, axis=1).min() < 3
    env.close()


@pytest.mark.parametrize("task", TASKS)
def test_every_task_names_its_object_in_words(task: str) -> None:
    known = task_named(task)
    factors = {factor.name: factor for factor in known.factors(45.0)}
    assert known.objects[0] in factors["object_color"].text("blue")
    assert ("object_mass" in factors) == known.loose


@pytest.mark.parametrize("name", ["red", "green", "blue", "gray", "black"])
def test_a_table_color_is_the_color_of_the_table(puck: Metaworld, name: str) -> None:
    table = begin(puck, table_color=name)[IMAGE][60:, 10:60].reshape(-1, 3).astype(float)
    wanted = np.array(puck.variation_space.factor("table_color").rgb(name))
    # What shines on it is white, so the darkest pixels show best what it reflects by itself.
    darkest = np.percentile(table, 20, axis=0)
    assert np.ptp(darkest[wanted > 0]) < 8 if wanted.any() else darkest.max() < 60
    if wanted.any() and not wanted.all():
        assert darkest[wanted > 0].min() > darkest[wanted == 0].max() + 80


def test_robot_color_paints_the_robot_alone(puck: Metaworld) -> None:
    before = begin(puck)[IMAGE].astype(int)
    after = begin(puck, robot_color="blue")[IMAGE].astype(int)
    touched = np.abs(after - before).max(axis=2) > 10
    assert touched.sum() > 150
    assert not touched[60:].any()
    red, green, blue = after[touched].mean(axis=0)
    assert blue > 2 * max(red, green)


def test_light_scales_and_tints_the_whole_picture(puck: Metaworld) -> None:
    lights: dict[str, dict[str, object]] = {
        "nominal": {},
        "half": {"light_intensity": 0.5},
        "red": {"light_color": "red"},
    }
    # A dark gray table does not saturate, so brightness is proportional to the light.
    table = {
        name: begin(puck, table_color=[0.3, 0.3, 0.3], **light)[IMAGE][60:, 10:60].astype(float).mean(axis=(0, 1))
        for name, light in lights.items()
    }
    np.testing.assert_allclose(table["half"], table["nominal"] / 2, rtol=0.05)
    np.testing.assert_allclose(table["red"], table["nominal"] * [1, 0, 0], atol=4)


@pytest.mark.parametrize(
    "values",
    [
        {"camera_shift": [0.05, -0.08, 0.1]},
        {"camera_fov": 60.0},
        {"camera_fov": 35.0, "camera_shift": [0.03, 0, 0]},
    ],
)
def test_the_puck_is_seen_where_the_moved_camera_would_see_it(puck: Metaworld, values: dict[str, Any]) -> None:
    begin(puck)
    nominal = puck._model.camera("front")
    place, turn = nominal.pos.copy(), np.empty(9)
    mujoco.mju_quat2Mat(turn, nominal.quat)
    observation = begin(puck, seed=3, object_color="magenta", **values)
    offset = observation[PRIVILEGED][OBJECT] - place - values.get("camera_shift", 0.0)
    x, y, z = turn.reshape(3, 3).T @ offset
    focal = 42 / np.tan(np.radians(values.get("camera_fov", 45.0)) / 2)
    red, green, blue = observation[IMAGE].astype(int).transpose(2, 0, 1)
    pixels = np.argwhere(np.minimum(red, blue) > 2 * green + 30)
    np.testing.assert_allclose(pixels.mean(axis=0), [42 - focal * y / -z - 0.5, 42 + focal * x / -z - 0.5], atol=1.5)


def test_the_camera_on_the_hand_can_be_shifted_too() -> None:
    env = Metaworld("pick-place-v3", camera="wrist", size=32)
    nominal = begin(env)["observation.images.wrist"]
    place = env._data.camera("wrist").xpos.copy()
    shifted = begin(env, camera_shift=[0.0, 0.05, -0.02])["observation.images.wrist"]
    np.testing.assert_allclose(env._data.camera("wrist").xpos - place, [0.0, 0.05, -0.02], atol=1e-9)
    assert np.abs(shifted.astype(int) - nominal).mean() > 3
    assert env.variation_space.factor("camera_fov").nominal == 90
    env.close()


@pytest.mark.parametrize("task", ["pick-place-v3", "coffee-push-v3"])
def test_a_changed_mass_is_the_one_that_mujoco_derives_everything_from(task: str) -> None:
    env = Metaworld(task, images=False)
    rebuilt = copy.deepcopy(env._model)
    root = env._model.body("obj").id
    bodies = [b for b in range(rebuilt.nbody) if root in (b, rebuilt.body_parentid[b])]
    rebuilt.body_mass[bodies] *= 4.0
    rebuilt.body_inertia[bodies] *= 4.0
    mujoco.mj_setConst(rebuilt, mujoco.MjData(rebuilt))
    env._variations.apply(env.variation_space.variation({"object_mass": 4.0}))
    expected, found = arrays(rebuilt), arrays(env._model)
    assert found["body_mass"][bodies].sum() > 0
    # How things are drawn, which must not change, and what only a camera or light that follows a centre of mass reads.
    drawn = {f"MjStatistic.{name}" for name in ("meanmass", "meansize", "extent", "center")}
    unused = drawn | {"cam_poscom0", "light_poscom0"}
    for key in expected.keys() - unused:
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-9, atol=1e-12, err_msg=key)


def test_only_a_slippery_puck_slides_down_a_slope(puck: Metaworld) -> None:
    def speed(**values: object) -> float:
        """Of the puck on the table after 0.2 s on a slope of 30 degrees."""
        begin(puck, **values)
        model, data = puck._model, puck._data
        gravity = model.opt.gravity.copy()
        model.opt.gravity[:] = 9.81 * np.array([0.5, 0.0, -np.sqrt(0.75)])
        try:
            for _ in range(80):
                mujoco.mj_step(model, data)
        finally:
            model.opt.gravity[:] = gravity
        return float(data.qvel[model.joint("objjoint").dofadr[0]])

    assert speed() == pytest.approx(0.0, abs=0.02)
    # g (sin 30° − µ cos 30°) t, with metaworld's µ = 1 scaled to 0.3.
    assert speed(object_friction=0.3) == pytest.approx(9.81 * (0.5 - 0.3 * np.sqrt(0.75)) * 0.2, rel=0.1)


def test_applying_the_same_variation_to_a_model_twice_changes_nothing(puck: Metaworld) -> None:
    begin(puck)
    model, space = puck._model, puck.variation_space
    variations = ModelVariations(model, task_named("pick-place-v3"), space, "front")
    variation = space.variation({"light_intensity": 0.5, "object_friction": 2.0})
    variations.apply(variation)
    once = arrays(model)
    variations.apply(variation)
    for key, array in arrays(model).items():
        np.testing.assert_array_equal(array, once[key], err_msg=key)
    variations.restore()
