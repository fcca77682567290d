import dataclasses

import mujoco
import numpy as np
import pytest

from faultfield.envs import PRIVILEGED
from faultfield.envs._robosuite_factors import ModelVariations
from faultfield.envs._robosuite_model import build
from faultfield.envs._robosuite_tasks import LIFT, BoxSize, Direction
from faultfield.envs.robosuite import Robosuite
from faultfield.errors import VariationError
from faultfield.variations import VariationSpace
from tests.envs.models import arrays, begin

IMAGE = "observation.images.agentview"
NAMES = [factor.name for factor in LIFT.factors]
SPACE = VariationSpace(LIFT.factors)
CUBE = 9
"""Where the cube's position begins in `qpos`, after seven joints and two fingers."""

ROBOMD_LIFT = [
    *({"cube_color": c} for c in ("red", "green", "blue", "gray")),
    *({"table_color": c} for c in ("green", "blue", "red", "gray")),
    *({"table_size": s} for s in ([0.8, 0.2, 0.025], [0.2, 0.8, 0.025])),
    *({"cube_size": s} for s in ([0.04, 0.04, 0.04], [0.01, 0.01, 0.01], [0.04, 0.01, 0.01])),
    *({"robot_color": c} for c in ("red", "green", "cyan", "gray")),
    *({"light_color": c} for c in ("red", "green", "blue", "gray")),
]


def settle(env: Robosuite, steps: int = 25, **values: object) -> np.ndarray:
    """Where the cube is after it was let fall, its centre and turn."""
    observation = begin(env, **values)
    for _ in range(steps):
        observation = env.step(np.array([0, 0, 0, 0, 0, 0, -1]))[0]
    return observation[PRIVILEGED]


@pytest.mark.parametrize("name", NAMES)
def test_a_factor_leaves_no_trace(lift: Robosuite, name: str) -> None:
    begin(lift)
    before = arrays(lift._model)
    for value in lift.variation_space.factor(name).grid(5):
        begin(lift, **{name: value})
    changed = arrays(lift._model)
    assert any(not np.array_equal(before[key], changed[key]) for key in before)
    begin(lift)
    after = arrays(lift._model)
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


def test_all_factors_at_once_leave_no_trace(lift: Robosuite) -> None:
    before = arrays(lift._model)
    rng = np.random.default_rng(0)
    for variation in lift.variation_space.sample(rng, 5, order=len(NAMES)):
        lift.reset(seed=0, options={"variation": variation})
    begin(lift)
    after = arrays(lift._model)
    for key, array in before.items():
        np.testing.assert_array_equal(array, after[key], err_msg=key)


def test_robomds_21_variations_can_be_said_and_seen(lift: Robosuite) -> None:
    assert len(ROBOMD_LIFT) == 21
    nominal = begin(lift)[IMAGE].astype(int)
    for values in ROBOMD_LIFT:
        assert np.abs(begin(lift, **values)[IMAGE] - nominal).max() > 20, values


@pytest.mark.parametrize("size", [0.5, 0.8, 1.3, 2.0, [0.03, 0.02, 0.01], [0.01, 0.02, 0.04]])
def test_a_resized_cube_rests_on_its_own_half_height(blind_lift: Robosuite, size: object) -> None:
    half = SPACE.factor("cube_size").half_sizes(SPACE.variation({"cube_size": size})["cube_size"])
    assert settle(blind_lift, cube_size=size)[2] == pytest.approx(0.8 + half[2], abs=1e-3)


def test_a_resized_cube_is_the_one_that_a_rebuilt_model_has(blind_lift: Robosuite) -> None:
    begin(blind_lift, cube_size=1.5)
    rebuilt = build(dataclasses.replace(LIFT, half_size=1.5 * LIFT.half_size), "Panda").sim.model._model
    ours = blind_lift._model
    for name in ("body_mass", "body_inertia", "body_invweight0", "dof_M0", "geom_rbound", "geom_aabb", "geom_size"):
        np.testing.assert_allclose(getattr(ours, name), getattr(rebuilt, name), rtol=1e-9, atol=1e-12, err_msg=name)
    data = mujoco.MjData(rebuilt)
    data.qpos[:] = blind_lift._data.qpos
    # Squeeze the cube sideways between table and gripper, far outside the nominal cube's bounds.
    for _ in range(300):
        mujoco.mj_step(rebuilt, data)
        mujoco.mj_step(ours, blind_lift._data)
    assert data.ncon > 0
    np.testing.assert_allclose(blind_lift._data.qpos, data.qpos, atol=1e-6)


def test_success_means_the_same_height_above_rest_for_every_size(blind_lift: Robosuite) -> None:
    for size in (0.5, 1.0, 2.0):
        begin(blind_lift, cube_size=size)
        for above, expected in ((0.018, False), (0.020, True)):
            blind_lift._data.qpos[CUBE + 2] = 0.8 + size * LIFT.half_size + above
            blind_lift._derive(blind_lift._data)
            assert LIFT.success(blind_lift._world) is expected


def test_the_table_top_stays_at_its_height_and_ends_at_its_rim(blind_lift: Robosuite) -> None:
    size = [0.8, 0.2, 0.025]
    heights = []
    for y in (0.0, 0.09, 0.15):
        begin(blind_lift, table_size=size)
        data = blind_lift._data
        data.qpos[CUBE : CUBE + 7] = (0.0, y, 0.825, 1, 0, 0, 0)
        for _ in range(400):
            mujoco.mj_step(blind_lift._model, data)
        heights.append(float(data.qpos[CUBE + 2]))
    assert heights[:2] == pytest.approx([0.821, 0.821], abs=1e-3)
    assert heights[2] < 0.6


def test_only_a_slippery_cube_slides_down_a_slope(blind_lift: Robosuite) -> None:
    def speed(**values: object) -> float:
        """Of the cube on the table after 0.2 s on a slope of 30 degrees."""
        begin(blind_lift, **values)
        model, data = blind_lift._model, blind_lift._data
        data.qpos[CUBE : CUBE + 7] = (0.0, 0.0, 0.821, 1, 0, 0, 0)
        gravity = model.opt.gravity.copy()
        model.opt.gravity[:] = 9.81 * np.array([0.5, 0.0, -np.sqrt(0.75)])
        try:
            for _ in range(100):
                mujoco.mj_step(model, data)
        finally:
            model.opt.gravity[:] = gravity
        return float(data.qvel[model.joint("cube_joint0").dofadr[0]])

    assert speed() == pytest.approx(0.0, abs=0.01)
    # g (sin 30° − µ cos 30°) t, with robosuite's µ = 1 scaled to 0.3.
    assert speed(cube_friction=0.3) == pytest.approx(9.81 * (0.5 - 0.3 * np.sqrt(0.75)) * 0.2, rel=0.1)


def test_a_heavier_cube_is_harder_to_push(blind_lift: Robosuite) -> None:
    def acceleration(**values: object) -> float:
        begin(blind_lift, **values)
        data = blind_lift._data
        data.xfrc_applied[blind_lift._model.body("cube_main").id, 0] = 1.0
        data.qpos[CUBE + 2] += 0.1
        mujoco.mj_forward(blind_lift._model, data)
        return float(data.qacc[blind_lift._model.joint("cube_joint0").dofadr[0]])

    nominal = acceleration()
    assert acceleration(cube_mass=4.0) == pytest.approx(nominal / 4, rel=1e-3)
    assert acceleration(cube_mass=2.0, cube_size=2.0) == pytest.approx(nominal / 16, rel=1e-3)


def cube_pixels(image: np.ndarray) -> np.ndarray:
    red, green, blue = image.astype(int).transpose(2, 0, 1)
    return np.argwhere((blue > 2 * red + 20) & (blue > 2 * green + 20))


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"camera_shift": [0.05, -0.08, 0.1]},
        {"camera_fov": 60.0},
        {"camera_fov": 35.0, "camera_shift": [0.03, 0, 0]},
    ],
)
def test_the_cube_is_seen_where_a_pinhole_camera_would_see_it(lift: Robosuite, values: dict[str, object]) -> None:
    observation = begin(lift, cube_color="blue", **values)
    camera = np.array([0.5, 0.0, 1.35]) + values.get("camera_shift", 0.0)
    turn = np.empty(9)
    mujoco.mju_quat2Mat(turn, np.array([0.653, 0.271, 0.271, 0.653]) / np.linalg.norm([0.653, 0.271, 0.271, 0.653]))
    x, y, z = turn.reshape(3, 3).T @ (observation[PRIVILEGED][:3] - camera)
    focal = 42 / np.tan(np.radians(values.get("camera_fov", 45.0)) / 2)
    expected = [42 - focal * y / -z - 0.5, 42 + focal * x / -z - 0.5]
    np.testing.assert_allclose(cube_pixels(observation[IMAGE]).mean(axis=0), expected, atol=1.5)


@pytest.mark.parametrize(("camera", "fov"), [("agentview", 45.0), ("front", 27.0), ("wrist", 75.0)])
def test_the_nominal_field_of_view_is_the_cameras_own(camera: str, fov: float) -> None:
    env = Robosuite(camera=camera, images=False)
    space, seen = env.variation_space, env._model.camera(env._find_camera(camera)).fovy[0]
    assert space.factor("camera_fov").nominal == seen == fov
    # All else is the same whatever the camera.
    assert [f for f in space.factors.values() if f.name != "camera_fov"] == [
        f for f in SPACE.factors.values() if f.name != "camera_fov"
    ]
    env.close()


def test_the_visual_size_changes_only_what_is_seen(lift: Robosuite) -> None:
    small = len(cube_pixels(begin(lift, cube_color="blue")[IMAGE]))
    large = len(cube_pixels(begin(lift, cube_color="blue", cube_visual_size=2.0)[IMAGE]))
    assert large > 3 * small
    assert settle(lift, cube_visual_size=2.0)[2] == pytest.approx(0.821, abs=1e-3)


@pytest.mark.parametrize("name", ["red", "green", "blue", "gray", "black"])
def test_a_table_color_is_the_color_of_the_table(lift: Robosuite, name: str) -> None:
    table = begin(lift, table_color=name)[IMAGE][60:].reshape(-1, 3).mean(axis=0)
    wanted = np.array(SPACE.factor("table_color").rgb(name))
    # Nominal light shines a little brighter than 1 on the top, so a lit 0.5 lies above 0.5; the ratios stay.
    assert np.all(table[wanted == 0] < 12)
    assert np.ptp(table[wanted > 0]) < 8 if wanted.any() else True
    assert np.all(table[wanted > 0] > 100)


def test_robot_color_paints_the_robot_alone(lift: Robosuite) -> None:
    before, after = begin(lift)[IMAGE].astype(int), begin(lift, robot_color="red")[IMAGE].astype(int)
    touched = np.abs(after - before).max(axis=2) > 10
    assert touched[:30].sum() > 100
    assert not touched[45:].any()
    red = after[touched].mean(axis=0)
    assert red[0] > 3 * red[1]


def test_light_scales_and_tints_the_whole_picture(lift: Robosuite) -> None:
    # A dark gray table does not saturate, so brightness is proportional to the light.
    gray = {"table_color": [0.3, 0.3, 0.3]}
    lights: dict[str, dict[str, object]] = {
        "nominal": {},
        "half": {"light_intensity": 0.5},
        "red": {"light_color": "red"},
        "low": {"light_direction": [1, 0, -0.2]},
    }
    table = {
        name: begin(lift, **gray, **light)[IMAGE][60:].astype(float).mean(axis=(0, 1)) for name, light in lights.items()
    }
    np.testing.assert_allclose(table["half"], table["nominal"] / 2, rtol=0.05)
    np.testing.assert_allclose(table["red"], table["nominal"] * [1, 0, 0], atol=4)
    assert table["low"].mean() < 0.8 * table["nominal"].mean()


def test_every_texture_looks_different(lift: Robosuite) -> None:
    tables = [begin(lift)[IMAGE][60:]]
    tables += [begin(lift, table_texture=name)[IMAGE][60:] for name in SPACE.factor("table_texture").choices]
    for i, one in enumerate(tables):
        for other in tables[:i]:
            assert np.abs(one.astype(int) - other).mean() > 3


def test_a_color_tints_a_texture(lift: Robosuite) -> None:
    both = begin(lift, table_texture="light-wood", table_color=[0.5, 0.5, 0.5])[IMAGE][60:].astype(float)
    texture = begin(lift, table_texture="light-wood")[IMAGE][60:].astype(float)
    assert both.mean() < 0.7 * texture.mean()
    assert both.std() > 1


def test_the_order_of_names_does_not_matter(lift: Robosuite) -> None:
    values = {
        "cube_mass": 2.0,
        "cube_size": 1.4,
        "table_texture": "dirt",
        "table_color": "tan",
        "cube_visual_size": 1.2,
    }
    one = begin(lift, **values)
    other = begin(lift, **dict(reversed(values.items())))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_applying_the_same_variation_to_a_model_twice_changes_nothing(blind_lift: Robosuite) -> None:
    model = blind_lift._model
    begin(blind_lift)
    variations = ModelVariations(model, LIFT, SPACE, "agentview")
    variation = SPACE.variation({"light_intensity": 0.5, "cube_friction": 2.0})
    variations.apply(variation)
    once = arrays(model)
    variations.apply(variation)
    for key, array in arrays(model).items():
        np.testing.assert_array_equal(array, once[key], err_msg=key)
    variations.restore()


def test_box_sizes_are_scales_or_half_sizes() -> None:
    factor = BoxSize("cube_size", "Change the cube size to {}.")
    assert factor.half_sizes(factor.canonical(2)) == (0.042, 0.042, 0.042)
    assert factor.text(factor.canonical([0.04, 0.01, 0.01])) == "Change the cube size to 8 by 2 by 2 centimetres."
    assert factor.text(factor.canonical(0.8)) == "Change the cube size to 80 percent."
    np.testing.assert_allclose(factor.encode(0.8), factor.encode((0.0168, 0.0168, 0.0168)))
    rng = np.random.default_rng(0)
    for value in [*factor.grid(7), *(factor.sample(rng) for _ in range(50))]:
        factor.canonical(value)
    for wrong in (0.0, 5.0, [0.04, 0.01], [0.04, 0.01, 1.0], "large", True, [0.02, 0.02, None]):
        with pytest.raises(VariationError, match="cube_size"):
            factor.canonical(wrong)


def test_a_direction_points_somewhere() -> None:
    factor = SPACE.factor("light_direction")
    assert isinstance(factor, Direction)
    with pytest.raises(VariationError, match="light_direction"):
        factor.canonical([0, 0, 0])
    np.testing.assert_allclose(factor.encode((-0.1, -0.1, -0.5)), np.zeros(3), atol=1e-12)
