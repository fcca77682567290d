"""What the model is shown of a clip: one picture, or a video."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faultfield.detector.settings import read_settings
from faultfield.errors import DetectorError
from faultfield.faults import collage
from faultfield.rollouts.clip import CAMERAS, Clip


@dataclass(frozen=True)
class Picture:
    """A still picture, such as a collage.

    Attributes:
        pixels: uint8 (height, width, 3).
    """

    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class Video:
    """Pictures over time.

    Attributes:
        frames: uint8 (time, height, width, 3).
        fps: How many of them a second.
    """

    frames: NDArray[np.uint8]
    fps: float


View = Picture | Video


@dataclass(frozen=True)
class Viewer:
    """Makes the view that a model was trained on; a part of the model.

    Attributes:
        kind: A collage of all cameras, or a video with the cameras side by side.
        frames: Time steps, evenly over the clip: columns of the collage, pictures of the video.
        cell: Height and width to which each picture is resized, pixels.
        cameras: Cameras of the video that are shown where the clip has them; a collage has all of its rows.

    Raises:
        DetectorError: A value that it cannot have.
    """

    kind: Literal["collage", "video"] = "collage"
    frames: int = collage.COLUMNS
    cell: int = collage.CELL
    cameras: tuple[str, ...] = CAMERAS

    def __post_init__(self) -> None:
        if self.kind not in ("collage", "video") or self.frames < 2 or self.cell < 8 or not self.cameras:
            raise DetectorError(
                f"A view is a collage or video of at least 2 time steps, 8 pixels and a camera, not {asdict(self)}."
            )

    def __call__(self, clip: Clip) -> View:
        """What is shown of a clip.

        Raises:
            DetectorError: The clip has none of the cameras.
        """
        if self.kind == "collage":
            return Picture(collage.of_clip(clip, columns=self.frames, cell=self.cell))
        few = clip.spread(self.frames)
        shown = [few.frames[camera] for camera in self.cameras if camera in few.frames]
        if not shown:
            raise DetectorError(f"The clip '{clip.id}' has none of the cameras {', '.join(self.cameras)}.")
        rows = [np.stack([collage.resize(picture, self.cell) for picture in each]) for each in shown]
        seconds = float(few.times[-1] - few.times[0])
        # Times that stand still say nothing about the rate.
        fps = (len(few) - 1) / seconds if seconds > 0 else 1.0
        return Video(np.concatenate(rows, axis=2), fps)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Viewer":
        """What `to_json` wrote.

        Raises:
            DetectorError: An unknown setting, or a value that it cannot have.
        """
        return read_settings(cls, values, "setting of a view")
