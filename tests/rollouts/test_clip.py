from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.errors import DetectorError
from faultfield.rollouts import rollout
from faultfield.rollouts.clip import Clip, episode_id, spread
from faultfield.rollouts.video import write
from faultfield.variations import NOMINAL
from tests.toy import PointExpert, PointReach

PICTURES = np.zeros((4, 8, 8, 3), np.uint8)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(2, 20))
def test_spread_is_even_and_has_both_ends(length: int, count: int) -> None:
    places = spread(length, count)
    assert (len(places), places[0], places[-1]) == (count, 0, length - 1)
    gaps = np.diff(places)
    assert gaps.max() - gaps.min() <= 1
    if length >= count:
        assert gaps.min() >= 1


def test_a_film_of_a_varying_rate_is_spread_over_its_seconds() -> None:
    # Nine pictures in the first second, then one that stands still, then the last.
    times = np.array([*np.arange(9) / 9, 4.0, 8.0])
    pictures = np.tile(np.arange(11, dtype=np.uint8)[:, None, None, None], (1, 8, 8, 3))
    few = Clip({"front": pictures}, times, "Lift.", "a").spread(5)
    assert few.frames["front"][:, 0, 0, 0].tolist() == [0, 8, 9, 9, 10]
    # Even but for its last picture, as a film that is cut at an episode's end: over its pictures, as ever.
    times = np.array([*np.arange(10) / 5, 1.85])
    few = Clip({"front": pictures}, times, "Lift.", "a").spread(10)
    assert few.frames["front"][:, 0, 0, 0].tolist() == spread(11, 10).tolist()


def test_what_is_no_clip() -> None:
    with pytest.raises(DetectorError, match="no pictures"):
        Clip({}, np.arange(4.0), "Lift.", "a")
    with pytest.raises(DetectorError, match=r"float64 \(4, 8, 8, 3\)"):
        Clip({"front": PICTURES.astype(np.float64)}, np.arange(4.0), "Lift.", "a")  # type: ignore[dict-item]
    with pytest.raises(DetectorError, match="4 pictures of 'front' at 3 times"):
        Clip({"front": PICTURES}, np.arange(3.0), "Lift.", "a")
    with pytest.raises(DetectorError, match="backwards"):
        Clip({"front": PICTURES}, np.array([0.0, 2.0, 1.0, 3.0]), "Lift.", "a")


def test_a_clip_by_some_of_its_cameras() -> None:
    whole = Clip({"front": PICTURES, "wrist": PICTURES + 1}, np.arange(4.0), "Lift.", "a")
    alone = whole.seen_by(["wrist", "overhead"])
    assert list(alone.frames) == ["wrist"]
    assert (alone.frames["wrist"] == 1).all()
    assert (alone.instruction, alone.id, len(alone)) == ("Lift.", "a", 4)
    with pytest.raises(DetectorError, match="none of the cameras overhead; it has front, wrist"):
        whole.seen_by(["overhead"])


def test_a_video_as_a_clip(tmp_path: Path) -> None:
    write(tmp_path / "lift 7.mp4", np.zeros((20, 32, 32, 3), np.uint8), fps=10)
    clip = Clip.of_video(tmp_path / "lift 7.mp4", "Lift the cube.", most=11)
    assert clip.frames["front"].shape == (11, 32, 32, 3)
    assert (clip.times[0], clip.times[-1]) == pytest.approx((0.0, 1.9))
    assert (clip.id, clip.instruction) == ("lift 7", "Lift the cube.")


def test_an_episode_that_has_a_video_as_a_clip() -> None:
    episode = rollout(
        PointReach(), PointExpert(), NOMINAL, 0, policy_id="p", env_id="e", stage="check", keep_video=True
    )
    clip = Clip.of_episode(episode, PointReach.instruction, rate=10.0)
    assert (clip.id, len(clip)) == (episode_id(episode), episode.steps + 1)
    np.testing.assert_array_equal(clip.frames["front"], episode.video)
    assert clip.times[-1] == pytest.approx(episode.steps / 10)
    with pytest.raises(DetectorError, match="keep_video"):
        Clip.of_episode(replace(episode, video=None), "Lift.")


def test_fewer_pictures_keep_their_times() -> None:
    clip = Clip({"front": np.arange(10, dtype=np.uint8)[:, None, None, None].repeat(3, 3)}, np.arange(10.0), "L.", "a")
    some = clip.spread(4)
    np.testing.assert_array_equal(some.times, [0, 3, 6, 9])
    np.testing.assert_array_equal(some.frames["front"][:, 0, 0, 0], [0, 3, 6, 9])
    assert clip.spread(10) is clip
