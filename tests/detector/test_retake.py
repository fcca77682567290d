"""Episodes watched again, against the same episodes as the detector's data are made of them."""

from dataclasses import replace

import numpy as np
import pytest

from faultfield.detector.retake import Again, Retaker, Shoot
from faultfield.detector.views import Viewer
from faultfield.faults import collage
from faultfield.faults.injection import inject
from faultfield.faults.llava import Problem
from faultfield.faults.record import moments, photograph, take
from faultfield.rollouts.clip import CAMERAS, Clip, episode_id
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job, Setting, Worker
from faultfield.variations import NOMINAL
from tests.faults.toy import PickAndPlace, pick
from tests.toy import PointReach

WORLD = EnvSpec("tests.faults.toy:PickAndPlace", {"horizon": 80})
EXPERT = Setting.of(WORLD, PolicySpec("tests.faults.toy:Expert"))
STUBBORN = Setting.of(WORLD, PolicySpec("tests.faults.toy:Expert", {"stubborn": True}))
POINT = Setting.of(EnvSpec("tests.toy:PointReach"), PolicySpec("tests.toy:PointPolicy"))


@pytest.fixture(scope="module")
def retaker() -> Retaker:
    return Retaker()


def first_time(setting: Setting, seed: int = 3) -> Episode:
    return Worker().run(Job(NOMINAL, seed, "known"), setting)


def watched(retaker: Retaker, setting: Setting, episode: Episode, viewer: Viewer | None = None) -> Clip | Problem:
    return retaker.run(Again.of(episode), Shoot.of(setting, "Put it there.", viewer or Viewer(frames=5, cell=20)))


def test_it_shows_what_data_made_of_the_same_episode_show(retaker: Retaker) -> None:
    episode = first_time(EXPERT)
    env = PickAndPlace(80)
    taken = take(env, inject(pick(), None), 3)
    assert taken.steps == episode.steps
    frames = photograph(env, taken, moments(taken, 5), dict(zip(CAMERAS, CAMERAS, strict=True)), 20)
    clip = watched(retaker, EXPERT, episode)
    assert isinstance(clip, Clip)
    assert (clip.id, clip.instruction, list(clip.frames)) == (episode_id(episode), "Put it there.", list(CAMERAS))
    for camera in CAMERAS:
        np.testing.assert_array_equal(clip.frames[camera], frames[camera])
    np.testing.assert_array_equal(clip.times, np.array(moments(taken, 5)) / 20)
    np.testing.assert_array_equal(collage.of_clip(clip, columns=5, cell=20), collage.make(frames, columns=5, cell=20))


def test_what_ends_at_rest_is_shown_up_to_its_last_movement_as_in_the_data(retaker: Retaker) -> None:
    episode = first_time(STUBBORN)
    assert (episode.success, episode.steps) == (False, 80)
    taken = take(PickAndPlace(80), inject(pick(stubborn=True), None), 3, patience=20)
    clip = watched(retaker, STUBBORN, episode)
    assert isinstance(clip, Clip)
    assert taken.steps < 60
    assert abs(clip.times[-1] * 20 - taken.steps) <= 1


@pytest.mark.parametrize(("changed", "said"), [
    ({"success": False}, "was a failure after"), ({"steps": 5}, "was a success after 5 steps"),
])  # fmt: skip
def test_an_episode_that_does_not_repeat_itself_is_left_out(retaker: Retaker, changed: dict, said: str) -> None:
    problem = watched(retaker, EXPERT, replace(first_time(EXPERT), **changed))
    assert isinstance(problem, Problem)
    assert said in problem.text
    assert "seed 3 under the variation {}" in problem.text


def test_without_pictures_it_is_what_the_policys_camera_saw(retaker: Retaker) -> None:
    episode = first_time(POINT)
    clip = watched(retaker, POINT, episode)
    assert isinstance(clip, Clip)
    assert list(clip.frames) == ["front"]
    assert len(clip) == episode.steps + 1
    first, _ = PointReach().reset(seed=3)
    np.testing.assert_array_equal(clip.frames["front"][0], first["observation.images.top"])


def test_what_breaks_on_the_way_is_a_problem_of_that_episode_alone(retaker: Retaker) -> None:
    broken = Setting.of(POINT.env_spec, PolicySpec("tests.broken:NanPolicy"))
    episode = replace(first_time(POINT), policy=broken.policy_id)
    problem = watched(retaker, broken, episode)
    assert isinstance(problem, Problem)
    assert "cannot be watched" in problem.text
    assert "not finite" in problem.text
