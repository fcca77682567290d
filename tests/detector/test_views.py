from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faultfield.detector.views import Picture, Video, Viewer
from faultfield.errors import DetectorError
from faultfield.faults import collage
from faultfield.rollouts.clip import Clip
from tests.detector import pockets
from tests.shell import Shell


def clip(time: int = 9, cameras: tuple[str, ...] = ("front", "wrist"), rate: float = 4.0) -> Clip:
    rng = np.random.default_rng(0)
    frames = {camera: rng.integers(0, 255, (time, 30, 40, 3), dtype=np.uint8) for camera in cameras}
    return Clip(frames, np.arange(time) / rate, "Lift.", "a")


def test_collage_is_the_one_of_the_data() -> None:
    view = Viewer("collage", frames=4, cell=20)(clip())
    assert isinstance(view, Picture)
    assert np.array_equal(view.pixels, collage.of_clip(clip(), columns=4, cell=20))


def test_video_has_cameras_side_by_side_and_tells_its_rate() -> None:
    view = Viewer("video", frames=5, cell=16)(clip())
    assert isinstance(view, Video)
    # 9 pictures at 4 Hz are 2 s; 5 of them over 2 s are 2 Hz.
    assert view.fps == pytest.approx(2.0)
    steps = clip().frames
    for place, step in enumerate([0, 2, 4, 6, 8]):
        expected = np.concatenate([collage.resize(steps[camera][step], 16) for camera in ("front", "wrist")], axis=1)
        assert np.array_equal(view.frames[place], expected)


def test_cameras_that_are_asked_for() -> None:
    view = Viewer("video", cell=16, cameras=("wrist", "overhead"))(clip())
    assert isinstance(view, Video)
    assert view.frames.shape == (8, 16, 16, 3)
    with pytest.raises(DetectorError, match="'a' has none of the cameras overhead"):
        Viewer("video", cameras=("overhead",))(clip())


def test_one_picture_alone() -> None:
    view = Viewer("video", cell=16)(clip(time=1))
    assert isinstance(view, Video)
    assert view.frames.shape[0] == 1
    assert view.fps > 0


def test_settings() -> None:
    viewer = Viewer("video", 6, 28, ("front",))
    assert Viewer.from_json(viewer.to_json()) == viewer
    with pytest.raises(DetectorError, match="no setting of a view 'columns'"):
        Viewer.from_json({"columns": 3})
    for told in ({"frames": "eight"}, {"cameras": 3}):
        with pytest.raises(DetectorError, match="setting of a view"):
            Viewer.from_json(told)
    for wrong in ({"frames": 1}, {"cell": 2}, {"kind": "film"}, {"cameras": ()}):
        with pytest.raises(DetectorError, match="A view is"):
            Viewer(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("view", "cell"), [("{kind: video}", 320), ("{kind: video, cell: 56}", 56), ("{}", 84)])
def test_the_papers_videos_have_320_pixels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, view: str, cell: int
) -> None:
    def begin(name: str, samples: Any, shown: dict[str, Any], *_: object) -> None:
        raise DetectorError(f"cells of {Viewer.from_json(shown).cell} pixels")

    monkeypatch.setattr("faultfield.detector.training.run.begin", begin)
    data = pockets.conversations(tmp_path / "data.json", pockets.samples(2))
    arguments = ("detector", "train", "--data", data, "--out", tmp_path / "out", "--paper", "--view", view)
    # Accelerate takes one precision a process, and other tests have taken float32.
    code, _, err = Shell(capsys, monkeypatch)(*arguments, "--settings", "{bf16: false}")
    assert code == 2
    assert f"cells of {cell} pixels" in err
