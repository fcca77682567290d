"""A long video, written episode by episode, whose single frames are quick to reach."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.rollouts.video import REPEATABLE

KEY_EVERY = 2
"""Frames from one key frame to the next: training reads single frames at random."""

QUALITY = 18
"""Of H.264: 0 is lossless, 18 looks it, 51 is worst."""


class Film:
    """An MP4 file that grows.

    Args:
        path: Of the file.
        rate: Frames a second; frame i is shown at i / rate seconds, exactly.
    """

    def __init__(self, path: Path, rate: int) -> None:
        self._path, self._rate = path, rate
        self._container: Any = None
        self._stream: Any = None
        self._frames = 0

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Append frames uint8 (n, height, width, 3), RGB; odd sides lose their last row or column."""
        import av

        height, width = (side // 2 * 2 for side in frames.shape[1:3])
        if self._container is None:
            self._path.parent.mkdir(parents=True)
            self._container = av.open(str(self._path), "w")
            self._stream = self._container.add_stream("libx264", rate=Fraction(self._rate))
            self._stream.width, self._stream.height, self._stream.pix_fmt = width, height, "yuv420p"
            self._stream.options = {"crf": str(QUALITY), "g": str(KEY_EVERY), "bf": "0", **REPEATABLE}
        for picture in frames:
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            frame.pts, frame.time_base = self._frames, Fraction(1, self._rate)
            self._container.mux(self._stream.encode(frame))
            self._frames += 1

    def close(self) -> None:
        """Write what is still held back."""
        self._container.mux(self._stream.encode())
        self._container.close()

    @property
    def about(self) -> dict[str, Any]:
        """What LeRobot notes of a video."""
        return {
            "video.height": self._stream.height, "video.width": self._stream.width, "video.codec": "h264",
            "video.pix_fmt": "yuv420p", "video.is_depth_map": False, "video.fps": self._rate, "video.channels": 3,
            "has_audio": False,
        }  # fmt: skip
