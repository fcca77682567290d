from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from faultfield.envs import VariableEnv
from faultfield.errors import CheckpointError
from faultfield.field.scenes import SHARD, draw_variation, render, render_many
from faultfield.rollouts.specs import EnvSpec
from faultfield.variations import Categorical, Continuous, VariationSpace
from tests.toy import CAMERA, PointReach

SPEC = EnvSpec("tests.toy:PointReach")


class Unobservable(VariableEnv):
    """The toy without stored states: it can only be reset."""

    def __init__(self) -> None:
        self._env = PointReach()
        self.variation_space, self.instruction = self._env.variation_space, self._env.instruction
        self.action_space, self.observation_space = self._env.action_space, self._env.observation_space

    def reset(self, *, seed=None, options=None):  # type: ignore[no-untyped-def]
        return self._env.reset(seed=seed, options=options)


def brightness_of(picture: np.ndarray) -> float:
    return float(picture.max()) / 255


def test_scenes_show_what_they_say_and_nothing_invisible() -> None:
    scenes = render(PointReach(), 300, seed=0)
    assert scenes.pictures.shape == (300, 32, 32, 3)
    assert not any("wind" in variation for variation in scenes.variations)
    told = np.array([float(v.get("brightness", 1.0)) for v in scenes.variations])  # type: ignore[arg-type]
    shown = np.array([brightness_of(picture) for picture in scenes.pictures])
    assert np.corrcoef(told, shown)[0, 1] > 0.8


def test_an_environment_without_stored_states_is_reset_for_each_scene() -> None:
    scenes = render(Unobservable(), 20, seed=0)
    told = np.array([float(v.get("brightness", 1.0)) for v in scenes.variations])  # type: ignore[arg-type]
    shown = np.array([brightness_of(picture) for picture in scenes.pictures])
    assert np.corrcoef(told, shown)[0, 1] > 0.8


def test_colours_come_by_name_and_by_number_and_orders_from_none_to_three() -> None:
    rng = np.random.default_rng(0)
    space = PointReach().variation_space
    drawn = [draw_variation(space, rng) for _ in range(600)]
    kinds = Counter(type(v["goal_color"]) for v in drawn if "goal_color" in v)
    assert min(kinds[str], kinds[tuple]) > 0.35 * sum(kinds.values())
    assert {len(v) for v in drawn} == {0, 1, 2, 3}
    assert all(space.validate(v) == v for v in drawn)


def test_vectors_also_move_along_one_axis_and_near_the_nominal() -> None:
    space = VariationSpace([
        Continuous("shift", "Shift by {}.", low=-0.2, high=0.2, size=3),
        Categorical("shape", "Make it a {}.", choices=("cube", "ball")),
    ])  # fmt: skip
    rng = np.random.default_rng(0)
    shifts = np.array([v["shift"] for v in (draw_variation(space, rng, order=2) for _ in range(400))])
    single = (shifts != 0).sum(axis=1) == 1
    assert 0.4 < single.mean() < 0.6
    assert (np.abs(shifts).max(axis=1) < 0.03).mean() > 0.1


def test_files_give_the_same_scenes_whatever_was_interrupted_or_who_rendered(tmp_path: Path) -> None:
    count = 2 * SHARD + 5
    seen: list[tuple[int, int]] = []
    first = render_many(SPEC, tmp_path / "a", count, seed=3, on_progress=lambda *x: seen.append(x))
    assert seen == [(SHARD, count), (2 * SHARD, count), (count, count)]
    next((tmp_path / "a").glob("scenes-3-0001-*")).unlink()
    again = render_many(SPEC, tmp_path / "a", count, seed=3)
    other = render_many(SPEC, tmp_path / "b", count, seed=3, workers=2)
    for scenes in (again, other):
        np.testing.assert_array_equal(scenes.pictures, first.pictures)
        assert scenes.variations == first.variations
    assert render_many(SPEC, tmp_path / "a", 10, seed=4).variations != first.variations[:10]


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    render_many(SPEC, tmp_path, 10, seed=0)
    path = next(tmp_path.glob("*.npz"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=path.name):
        render_many(SPEC, tmp_path, 10, seed=0)


def test_the_arm_moves_in_some_scenes() -> None:
    env = PointReach()
    assert CAMERA in env.reset(seed=0)[0]
    scenes = render(env, 400, seed=1)
    # The toy's point starts within 0.1 of the middle; its white disc leaves the middle only when it was moved.
    middle = scenes.pictures[:, 15:17, 15:17].mean(axis=(1, 2, 3)) / scenes.pictures.max(axis=(1, 2, 3))
    assert 0.05 < (middle < 0.6).mean() < 0.6
