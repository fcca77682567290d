"""Pictures on demand."""

import numpy as np
import pytest

from faultfield.envs.robosuite import Robosuite
from faultfield.errors import EnvError
from tests.envs.models import begin

IMAGE = "observation.images.agentview"
VIEWS = ("front", "wrist", "overhead")


@pytest.fixture(params=["lift", "stack", "can"])
def env(request: pytest.FixtureRequest) -> Robosuite:
    return request.getfixturevalue(request.param)


def blue(picture: np.ndarray) -> np.ndarray:
    """Where the pixels are that are blue, shape (n, 2)."""
    red, green, blue = picture.astype(int).transpose(2, 0, 1)
    return np.argwhere((blue > 2 * red + 20) & (blue > 2 * green + 20))


def test_the_observing_camera_shows_the_observation(env: Robosuite) -> None:
    observation = begin(env)
    pictures = env.pictures(("agentview", *VIEWS), 84)
    np.testing.assert_array_equal(pictures["agentview"], observation[IMAGE])
    for view, camera in env.task.views.items():
        np.testing.assert_array_equal(pictures[view], env.pictures((camera,), 84)[camera])
    assert list(env.task.views) == list(VIEWS)


def test_pictures_of_any_size_leave_observations_as_they_are(env: Robosuite) -> None:
    alone = begin(env)
    for size in (32, 128, 84):
        pictures = env.pictures(VIEWS, size)
        assert list(pictures) == list(VIEWS)
        assert all(p.shape == (size, size, 3) and p.dtype == np.uint8 for p in pictures.values())
    np.testing.assert_array_equal(begin(env)[IMAGE], alone[IMAGE])
    np.testing.assert_array_equal(env.pictures(("agentview",), 84)["agentview"], alone[IMAGE])


def test_a_larger_picture_shows_the_same(lift: Robosuite) -> None:
    begin(lift)
    small, large = (lift.pictures(VIEWS, size) for size in (64, 256))
    for view in VIEWS:
        averaged = large[view].reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
        assert np.abs(averaged - small[view]).mean() < 6


def test_a_stored_state_looks_as_it_did(env: Robosuite) -> None:
    begin(env, 3)
    for _ in range(4):
        env.step(np.array([0.5, 0.5, -1, 0, 0, 0, 1]))
    then, snapshot = env.pictures(VIEWS, 48), env.snapshot()
    for _ in range(4):
        env.step(np.array([-1, 0.5, 1, 0, 0, 1, -1]))
    now = env.pictures(VIEWS, 48)
    for view, picture in env.pictures(VIEWS, 48, snapshot).items():
        np.testing.assert_array_equal(picture, then[view])
        assert np.abs(picture.astype(int) - now[view]).mean() > 0.5
    np.testing.assert_array_equal(env.pictures(VIEWS, 48)["wrist"], now["wrist"])


def test_every_view_shows_the_thing_and_overhead_shows_where_it_lies(env: Robosuite) -> None:
    color = env.task.factors[0].name
    columns, rows, truths = [], [], []
    for seed in range(6):
        truths.append(begin(env, seed, **{color: "blue"})["observation.environment_state"][:2])
        pictures = env.pictures(VIEWS, 84)
        assert len(blue(pictures["front"])) >= 12, seed
        found = blue(pictures["overhead"])
        assert len(found) >= 12, seed
        rows.append(found[:, 0].mean())
        columns.append(found[:, 1].mean())
    # Away from the robot is down, and what is to the robot's left (y) is to the right.
    x, y = np.array(truths).T
    assert np.corrcoef(x, rows)[0, 1] > 0.98
    assert np.corrcoef(y, columns)[0, 1] > 0.98


def test_the_camera_factor_moves_the_observing_camera_alone(lift: Robosuite) -> None:
    begin(lift)
    before = lift.pictures(("agentview", *VIEWS), 48)
    begin(lift, camera_shift=[0.05, 0.05, 0.0])
    after = lift.pictures(("agentview", *VIEWS), 48)
    assert np.abs(after["agentview"].astype(int) - before["agentview"]).mean() > 2
    for view in VIEWS:
        np.testing.assert_array_equal(after[view], before[view])


def test_pictures_need_no_pictures_in_the_observation(blind_lift: Robosuite, lift: Robosuite) -> None:
    begin(blind_lift, 4)
    begin(lift, 4)
    ours, theirs = blind_lift.pictures(VIEWS, 64), lift.pictures(VIEWS, 64)
    for view in VIEWS:
        np.testing.assert_array_equal(ours[view], theirs[view])
    with pytest.raises(EnvError, match="images=False"):
        blind_lift.render()


def test_simplified_meshes_show_the_same_scene(can: Robosuite) -> None:
    detailed = Robosuite("PickPlaceCan", fast=False, images=False)
    begin(detailed, 2)
    begin(can, 2)
    ours, theirs = can.pictures(VIEWS, 84), detailed.pictures(VIEWS, 84)
    assert can._model.mesh_facenum.sum() < 0.3 * detailed._model.mesh_facenum.sum()
    for view in VIEWS:
        difference = ours[view].astype(float) - theirs[view]
        assert np.median(np.abs(difference)) <= 1
        # Edges are jagged without multisampling; averaged over patches of 6 x 6 pixels that is gone.
        assert np.abs(difference.reshape(14, 6, 14, 6, 3).mean(axis=(1, 3))).mean() < 5
    detailed.close()


def test_cameras_and_snapshots_that_are_not_there(lift: Robosuite, stack: Robosuite) -> None:
    begin(lift)
    with pytest.raises(EnvError, match=r"no camera 'side'; it has .*overhead"):
        lift.pictures(("side",), 84)
    with pytest.raises(EnvError, match="another environment"):
        lift.pictures(VIEWS, 84, stack.snapshot())
