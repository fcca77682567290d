"""Episodes as conversations, read back with our own reader."""

from pathlib import Path

import numpy as np
import pytest

from faultfield.errors import DetectorError
from faultfield.exports import llava
from faultfield.exports.recording import Recording
from faultfield.faults import collage
from faultfield.faults.llava import read
from faultfield.faults.pictures import read_picture
from faultfield.rollouts.clip import episode_id
from faultfield.rollouts.video import read as read_video
from tests.exports.conftest import place


def test_verdicts_are_the_tasks_own_and_reasons_stand_beside_failures(
    recordings: list[Recording], tmp_path: Path
) -> None:
    folder = place(tmp_path)
    lost = next(each.episode for each in recordings if not each.episode.success)
    won = next(each.episode for each in recordings if each.episode.success)
    reasons = {episode_id(lost): "The point stood still.", episode_id(won): "A false alarm."}
    counts = llava.write(folder, recordings, "move the point", reasons=reasons)
    found = read(folder / llava.FILE)
    assert found.problems == ()
    assert counts == {"conversations": 12, "failed": sum(not r.episode.success for r in recordings), "reasons": 1}
    for item, recording in zip(found.items, recordings, strict=True):
        assert item.id == episode_id(recording.episode)
        assert item.failed is not recording.episode.success
        assert item.reason == ("The point stood still." if recording.episode == lost else None)
        assert item.instruction == "move the point"
        assert item.image is not None
        picture = read_picture(item.image).astype(int)
        made = collage.make(recording.pictures)
        assert picture.shape == made.shape
        assert np.abs(picture - made).mean() < 4, "but for JPEG"


def test_videos_show_every_step(recordings: list[Recording], tmp_path: Path) -> None:
    folder = place(tmp_path)
    llava.write(folder, recordings[:2], "move the point", media="video", rate=10)
    for item, recording in zip(read(folder / llava.FILE).items, recordings, strict=False):
        assert item.video is not None
        frames, times = read_video(item.video)
        assert len(frames) == recording.steps + 1
        assert np.allclose(np.diff(times), 0.1, atol=1e-3)


def test_nothing_to_show_is_told(recordings: list[Recording], tmp_path: Path) -> None:
    blind = Recording(**{**vars(recordings[0]), "pictures": {}})
    with pytest.raises(DetectorError, match="has no pictures"):
        llava.write(place(tmp_path), [blind], "")
