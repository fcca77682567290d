"""LeRobotDataset v3.0: all frames in one table, one video a camera, and what they are in `meta/`."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.exports.film import Film
from faultfield.exports.recording import Recording
from faultfield.exports.statistics import Numbers, PictureStatistics, VectorStatistics

VERSION = "v3.0"
DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES = "meta/episodes/chunk-000/file-000.parquet"

COUNTERS = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}
OUTCOMES = {"next.reward": "float32", "next.done": "bool", "next.success": "bool"}

Statistics = dict[str, VectorStatistics | PictureStatistics]


def write(
    folder: Path,
    recordings: Iterable[Recording],
    instruction: str,
    *,
    rate: int = 20,
    robot: str | None = None,
) -> dict[str, Any]:
    """Write a data set into a folder; one recording at a time is in memory, but for the numbers of its frames.

    A frame is what was observed before an action, the action, and what came of it: `next.reward`, `next.done`,
    `next.success`. Beside LeRobot's own columns, `meta/episodes` says of each episode its `success`, `seed`,
    `variation` (JSON), `text` and `policy`. Videos are H.264 with a key frame every two frames, so that single frames
    are quick to reach; odd heights and widths lose their last row or column.

    Args:
        folder: Where to write; it is there, and empty.
        recordings: In the order in which they are numbered; all with the same observations.
        instruction: What the robot was asked to do: the task.
        rate: Frames a second.
        robot: What LeRobot calls the robot's type.

    Returns:
        Counts: `episodes`, `frames`, `successes`, and the names of the `features`.
    """
    draft = _Draft(folder, rate)
    for recording in recordings:
        draft.add(recording)
    return draft.finish(instruction, robot)


class _Draft:
    """A data set while it is written."""

    def __init__(self, folder: Path, rate: int) -> None:
        self._folder, self._rate = folder, rate
        self._films: dict[str, Film] = {}
        self._features: dict[str, dict[str, Any]] = {}
        self._frames: Any = None
        self._episodes: list[dict[str, Any]] = []
        self._statistics: Statistics = {}
        self._total = 0

    def add(self, recording: Recording) -> None:
        """The next episode."""
        number, steps = len(self._episodes), recording.steps
        columns = self._columns(recording, number)
        pictures = {f"observation.images.{name}": frames[:steps] for name, frames in recording.images.items()}
        if not self._features:
            self._features = _features(columns, pictures)
            self._statistics = _statistics(columns, pictures)
        row: dict[str, Any] = {
            "episode_index": number, "length": steps, "data/chunk_index": 0, "data/file_index": 0,
            "dataset_from_index": self._total, "dataset_to_index": self._total + steps,
            "meta/episodes/chunk_index": 0, "meta/episodes/file_index": 0, **_about(recording),
        }  # fmt: skip
        for name, frames in pictures.items():
            film = self._films.setdefault(name, Film(self._folder / VIDEO.format(video_key=name, **_FIRST), self._rate))
            row |= {
                f"videos/{name}/chunk_index": 0, f"videos/{name}/file_index": 0,
                f"videos/{name}/from_timestamp": self._total / self._rate,
                f"videos/{name}/to_timestamp": (self._total + steps) / self._rate,
            }  # fmt: skip
            film.add(frames)
        self._write_frames(columns)
        own = _statistics(columns, pictures)
        for name, array in (columns | pictures).items():
            own[name].add(array)
            self._statistics[name].add(array)
        row |= {
            f"stats/{name}/{statistic}": value.tolist()
            for name, each in own.items()
            for statistic, value in each.result().items()
        }
        self._episodes.append(row)
        self._total += steps

    def finish(self, instruction: str, robot: str | None) -> dict[str, Any]:
        """Write what is known only now."""
        import pandas
        import pyarrow
        from pyarrow import parquet

        self._frames.close()
        for name, film in self._films.items():
            film.close()
            self._features[name]["info"] = film.about
        meta = self._folder / "meta"
        (self._folder / EPISODES).parent.mkdir(parents=True)
        rows = [row | {"tasks": [instruction]} for row in self._episodes]
        parquet.write_table(pyarrow.Table.from_pylist(rows), self._folder / EPISODES)
        pandas.DataFrame({"task_index": [0]}, index=pandas.Index([instruction])).to_parquet(meta / "tasks.parquet")
        results = {name: _plain(each.result()) for name, each in self._statistics.items()}
        (meta / "stats.json").write_text(json.dumps(results, indent=4), encoding="utf-8")
        info = {
            "codebase_version": VERSION, "robot_type": robot, "total_episodes": len(rows),
            "total_frames": self._total, "total_tasks": 1, "chunks_size": 1000, "data_files_size_in_mb": 100,
            "video_files_size_in_mb": 200, "fps": self._rate, "splits": {"train": f"0:{len(rows)}"}, "data_path": DATA,
            "video_path": VIDEO if self._films else None, "features": self._features,
        }  # fmt: skip
        (meta / "info.json").write_text(json.dumps(info, indent=4, ensure_ascii=False), encoding="utf-8")
        return {
            "episodes": len(rows), "frames": self._total, "successes": sum(bool(row["success"]) for row in rows),
            "features": list(self._features),
        }  # fmt: skip

    def _columns(self, recording: Recording, number: int) -> dict[str, NDArray[Any]]:
        """All but the pictures, a row a frame, in the types in which they are written."""
        steps = recording.steps
        last = np.arange(steps) == steps - 1
        columns: dict[str, NDArray[Any]] = {
            name: array[:steps].astype(np.float32).reshape(steps, -1) for name, array in recording.vectors.items()
        }
        columns["action"] = recording.actions.astype(np.float32)
        columns["next.reward"] = recording.rewards.astype(np.float32)
        columns["next.done"], columns["next.success"] = last, last & recording.episode.success
        columns["timestamp"] = (np.arange(steps) / self._rate).astype(np.float32)
        columns["frame_index"] = np.arange(steps)
        columns["episode_index"] = np.full(steps, number)
        columns["index"] = self._total + np.arange(steps)
        columns["task_index"] = np.zeros(steps, np.int64)
        return columns

    def _write_frames(self, columns: Mapping[str, NDArray[Any]]) -> None:
        import pyarrow
        from pyarrow import parquet

        arrays = {
            name: pyarrow.array(array)
            if array.ndim == 1
            else pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(array.ravel()), array.shape[1])
            for name, array in columns.items()
        }
        table = pyarrow.table(arrays)
        if self._frames is None:
            path = self._folder / DATA.format(**_FIRST)
            path.parent.mkdir(parents=True)
            self._frames = parquet.ParquetWriter(path, table.schema)
        self._frames.write_table(table)


_FIRST = {"chunk_index": 0, "file_index": 0}


def _features(columns: Mapping[str, NDArray[Any]], pictures: Mapping[str, NDArray[Any]]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, frames in pictures.items():
        height, width = (side // 2 * 2 for side in frames.shape[1:3])
        found[name] = {"dtype": "video", "shape": [height, width, 3], "names": ["height", "width", "channels"]}
    for name, array in columns.items():
        if array.ndim == 2:
            short = name.rpartition(".")[2]
            named: Any = [f"{short}_{i}" for i in range(array.shape[1])]
            found[name] = {"dtype": "float32", "shape": [array.shape[1]], "names": named}
        else:
            found[name] = {"dtype": (COUNTERS | OUTCOMES)[name], "shape": [1], "names": None}
    return found


def _statistics(columns: Mapping[str, NDArray[Any]], pictures: Mapping[str, NDArray[Any]]) -> Statistics:
    vectors: Statistics = {name: VectorStatistics() for name in columns}
    return vectors | {name: PictureStatistics() for name in pictures}


def _about(recording: Recording) -> dict[str, Any]:
    episode = recording.episode
    return {
        "success": episode.success, "seed": episode.seed, "variation": json.dumps(episode.variation.to_json()),
        "text": episode.variation.text, "policy": episode.policy,
    }  # fmt: skip


def _plain(numbers: Numbers) -> dict[str, Any]:
    return {name: array.tolist() for name, array in numbers.items()}
