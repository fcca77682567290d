"""LeRobotDataset v3, read as its files are: tables, JSON, and a video."""

import json
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from faultfield.exports import lerobot
from faultfield.exports.recording import Recording
from faultfield.rollouts.video import read as read_video
from tests.exports.conftest import place

CAMERA = "observation.images.top"


@pytest.fixture(scope="module")
def data(recordings: list[Recording], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = place(tmp_path_factory.mktemp("lerobot"))
    counts = lerobot.write(folder, recordings, "move the point", rate=10, robot="Point")
    assert (counts["episodes"], counts["frames"]) == (12, sum(each.steps for each in recordings))
    return folder


def test_frames_are_the_steps_and_the_last_of_a_success_says_so(data: Path, recordings: list[Recording]) -> None:
    frames = parquet.read_table(data / "data/chunk-000/file-000.parquet").to_pydict()
    start = 0
    for number, recording in enumerate(recordings):
        rows = slice(start, start + recording.steps)
        assert np.array_equal(frames["action"][rows], recording.actions)
        assert np.array_equal(frames["observation.state"][rows], recording.observations["observation.state"][:-1])
        assert set(frames["episode_index"][rows]) == {number}
        assert frames["frame_index"][rows] == list(range(recording.steps))
        assert np.allclose(frames["timestamp"][rows], np.arange(recording.steps) / 10)
        assert sum(frames["next.success"][rows]) == recording.episode.success == frames["next.success"][rows][-1]
        assert np.flatnonzero(frames["next.done"][rows]).tolist() == [recording.steps - 1]
        start += recording.steps
    assert frames["index"] == list(range(start))


def test_episodes_say_where_their_frames_are(data: Path, recordings: list[Recording]) -> None:
    rows = parquet.read_table(data / lerobot.EPISODES).to_pylist()
    film, times = read_video(data / "videos" / CAMERA / "chunk-000/file-000.mp4")
    assert len(film) == rows[-1]["dataset_to_index"]
    for row, recording in zip(rows, recordings, strict=True):
        assert row["length"] == row["dataset_to_index"] - row["dataset_from_index"] == recording.steps
        assert row["tasks"] == ["move the point"]
        assert (row["success"], row["seed"]) == (recording.episode.success, recording.episode.seed)
        shown = film[row["dataset_from_index"] : row["dataset_to_index"]].astype(int)
        assert np.abs(shown - recording.images["top"][:-1]).mean() < 6, "but for H.264's colours"
        assert times[row["dataset_from_index"]] == pytest.approx(row[f"videos/{CAMERA}/from_timestamp"], abs=1e-6)
        mean = np.mean(recording.observations["observation.state"][:-1], axis=0)
        assert np.allclose(row["stats/observation.state/mean"], mean, atol=1e-6)


def test_meta_describes_what_is_there(data: Path, recordings: list[Recording]) -> None:
    info = json.loads((data / "meta/info.json").read_text())
    frames = parquet.read_table(data / info["data_path"].format(chunk_index=0, file_index=0))
    assert (info["codebase_version"], info["fps"], info["robot_type"]) == ("v3.0", 10, "Point")
    assert info["total_frames"] == frames.num_rows
    assert info["splits"] == {"train": "0:12"}
    assert set(info["features"]) - set(frames.column_names) == {CAMERA}
    assert info["features"][CAMERA]["shape"] == [32, 32, 3]
    assert info["features"][CAMERA]["info"]["video.fps"] == 10
    assert info["features"]["action"] == {"dtype": "float32", "shape": [2], "names": ["action_0", "action_1"]}
    stats = json.loads((data / "meta/stats.json").read_text())
    actions = np.concatenate([each.actions for each in recordings])
    assert np.allclose(stats["action"]["std"], actions.std(axis=0), atol=1e-6)
    assert stats[CAMERA]["count"] == [len(actions)]
    tasks = parquet.read_table(data / "meta/tasks.parquet").to_pandas()
    assert tasks.loc["move the point", "task_index"] == 0
