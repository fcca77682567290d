"""What a detector watches: pictures over time, whatever they came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import DetectorError
from faultfield.rollouts.episode import Episode

CAMERAS = ("front", "wrist", "overhead")
"""Cameras in the order of a collage's rows. A plain video has only the first."""

RATE = 20.0
"""Pictures a second in an episode's video where nobody says otherwise: robosuite's control steps."""


@dataclass(frozen=True)
class Clip:
    """An episode to be judged.

    Attributes:
        frames: Pictures over time by camera (`CAMERAS`), each uint8 (time, height, width, 3), all of one length.
        times: When each was taken, seconds, float64 (time,), not falling.
        instruction: What the robot was asked to do.
        id: A name to report it by.

    Raises:
        DetectorError: No pictures, shapes that do not fit, or times that run backwards.

    Example:
        >>> clip = Clip({"front": np.zeros((4, 8, 8, 3), np.uint8)}, np.arange(4) / 5, "Lift the cube.", "a")
        >>> len(clip)
        4
    """

    frames: Mapping[str, NDArray[np.uint8]]
    times: NDArray[np.float64]
    instruction: str
    id: str

    def __post_init__(self) -> None:
        if not self.frames or len(self.times) == 0:
            raise DetectorError(f"The clip '{self.id}' has no pictures.")
        for camera, pictures in self.frames.items():
            if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
                raise DetectorError(
                    f"The clip '{self.id}' needs pictures uint8 (time, height, width, 3) of the camera '{camera}', not "
                    f"{pictures.dtype} {pictures.shape}."
                )
            if len(pictures) != len(self.times):
                raise DetectorError(
                    f"The clip '{self.id}' has {len(pictures)} pictures of '{camera}' at {len(self.times)} times."
                )
        if not np.isfinite(self.times).all() or (np.diff(self.times) < 0).any():
            raise DetectorError(f"The times of the clip '{self.id}' must be finite and not run backwards.")

    def __len__(self) -> int:
        return len(self.times)

    def at(self, steps: NDArray[np.int64]) -> "Clip":
        """The same clip at some of its time steps, int64 (n,)."""
        return Clip(
            {camera: pictures[steps] for camera, pictures in self.frames.items()},
            self.times[steps],
            self.instruction,
            self.id,
        )

    def seen_by(self, cameras: Sequence[str]) -> "Clip":
        """The same clip by some of its cameras alone.

        Raises:
            DetectorError: It has none of them.
        """
        kept = {camera: pictures for camera, pictures in self.frames.items() if camera in cameras}
        if not kept:
            raise DetectorError(
                f"The clip '{self.id}' has none of the cameras {', '.join(cameras)}; it has {', '.join(self.frames)}."
            )
        return Clip(kept, self.times, self.instruction, self.id)

    def spread(self, count: int) -> "Clip":
        """`count` pictures, evenly over the clip with its first and its last; all of it where it has no more.

        A film of a varying rate is spread over its seconds, not over its pictures: one that stood still comes again.

        Raises:
            DetectorError: `count` is below 2.
        """
        if len(self) <= count:
            return self
        steps = spread(len(self), count)
        moments = np.linspace(self.times[0], self.times[-1], count)
        if np.abs(self.times[steps] - moments).max() > moments[1] - moments[0]:
            steps = np.searchsorted(self.times, moments, side="right").astype(np.int64) - 1
        return self.at(steps)

    @classmethod
    def of_video(
        cls,
        path: str | Path,
        instruction: str,
        *,
        id: str | None = None,
        most: int | None = None,
    ) -> "Clip":
        """A video file as a clip of the front camera.

        Args:
            path: Of the file.
            instruction: What the robot was asked to do.
            id: Its name; the file's by default.
            most: Pictures to keep at most, evenly over the video.

        Raises:
            DetectorError: The video cannot be read; `video.read` says when.
        """
        from faultfield.rollouts.video import read

        pictures, times = read(path, most=most)
        return cls({CAMERAS[0]: pictures}, times, instruction, Path(path).stem if id is None else id)

    @classmethod
    def of_episode(cls, episode: Episode, instruction: str, *, rate: float = RATE) -> "Clip":
        """The video of an episode as a clip of the front camera.

        Args:
            episode: Rolled out with `keep_video`.
            instruction: What the robot was asked to do: `env.instruction`.
            rate: Pictures a second.

        Raises:
            DetectorError: The episode has no video.
        """
        name = episode_id(episode)
        if episode.video is None:
            raise DetectorError(f"The episode '{name}' has no video; roll it out with keep_video, and load all of it.")
        return cls({CAMERAS[0]: episode.video}, np.arange(len(episode.video)) / rate, instruction, name)


def episode_id(episode: Episode) -> str:
    """A name for an episode that no other of its ledger has: policy, environment, variation and seed."""
    return "-".join(str(part) for part in episode.key)


def spread(length: int, count: int) -> NDArray[np.int64]:
    """`count` places, evenly from 0 to `length` − 1, both among them, int64; each place once where `length` allows.

    Raises:
        DetectorError: `count` is below 2, or `length` below 1.
    """
    if count < 2 or length < 1:
        raise DetectorError(f"Pictures are spread over at least 2 columns and 1 picture, not {count} and {length}.")
    places: NDArray[np.int64] = np.rint(np.linspace(0, length - 1, count)).astype(np.int64)
    return places
