"""Video files in and out, by PyAV: the frames wanted and no more, and one sentence where a file is no good."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.errors import DetectorError

LEAST = 2
"""A video of fewer frames shows no episode."""

# The assembler now and then codes a block otherwise (10 spells in 138 000 writes; PyAV 18.1, AVX-512), C in none of
# 56 000; it takes 2 ms more for a frame of 256².
REPEATABLE = {"threads": "1", "x264-params": "no-asm=1"}
"""Of x264, so that the same frames give the same file: one thread, and C."""


def read(
    path: str | Path,
    *,
    most: int | None = None,
    least: int = LEAST,
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Decode a video, thinning it on the way: memory holds at most twice the frames that are kept.

    Args:
        path: Of the file, in any container and codec that FFmpeg reads.
        most: Frames to keep at most, evenly over the video with its first and last.
        least: Frames that it must have.

    Returns:
        Frames uint8 (time, height, width, 3), RGB; their times in seconds from the first, float64 (time,).

    Raises:
        DetectorError: The file is missing, empty, truncated, no video, has no picture in it, a codec that this machine
            cannot decode, or fewer than `least` frames.
    """
    import av

    file = Path(path)
    if not file.is_file():
        raise DetectorError(f"There is no video '{path}'.")
    if file.stat().st_size == 0:
        raise DetectorError(f"The video '{path}' is empty: a file of zero bytes.")
    try:
        with av.open(str(file)) as container:
            if not container.streams.video:
                raise DetectorError(f"'{path}' has no video stream.")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise DetectorError(f"The video '{path}' has a codec that cannot be decoded here; convert it to H.264.")
            sieve = _Sieve(most)
            damaged = _decode(container, stream, sieve)
            wanted: int = stream.frames
            damaged = damaged or _breaks_off(file, container, stream, sieve)
            if sieve.mixed:
                raise DetectorError(
                    f"The video '{path}' changes its size midway; cut it there, or convert it to one size."
                )
    except av.error.DecoderNotFoundError as error:
        raise DetectorError(
            f"The video '{path}' has a codec that cannot be decoded here; convert it to H.264."
        ) from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise DetectorError(f"'{path}' is no video that can be read, or is truncated.") from error
    if damaged:
        of = f" of {wanted}" if wanted else ""
        raise DetectorError(f"The video '{path}' is truncated or damaged: it breaks off after {sieve.seen} frames{of}.")
    if sieve.seen < least:
        word = "frame" if sieve.seen == 1 else "frames"
        raise DetectorError(f"The video '{path}' has {sieve.seen} {word}; an episode needs at least {least}.")
    return sieve.result()


def write(
    path: str | Path, frames: NDArray[np.uint8], fps: float, *, codec: str = "libx264", quality: int = 18
) -> None:
    """Write frames as a video, whole or not at all.

    Odd heights and widths lose their last row and column: H.264 halves the colours' resolution.

    Args:
        path: Of the file; its suffix names the container.
        frames: uint8 (time, height, width, 3), RGB.
        fps: Frames a second.
        codec: FFmpeg's name of the encoder.
        quality: Of H.264: 0 is lossless, 18 looks it, 51 is worst.

    Raises:
        DetectorError: No frames, another shape, or an encoder that is not here.
    """
    from fractions import Fraction

    import av

    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or min(frames.shape[:3]) < 1:
        raise DetectorError(f"A video is made of uint8 (time, height, width, 3), not {frames.dtype} {frames.shape}.")
    height, width = (max(2, side // 2 * 2) for side in frames.shape[1:3])
    try:
        with files.replacing(path) as draft, av.open(str(draft), "w") as container:
            stream: Any = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1000))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            if codec == "libx264":
                stream.options = {"crf": str(quality), **REPEATABLE}
            for picture in frames:
                cut = np.ascontiguousarray(picture[:height, :width])
                container.mux(stream.encode(av.VideoFrame.from_ndarray(cut, format="rgb24")))
            container.mux(stream.encode())
    except (av.error.FFmpegError, ValueError) as error:
        raise DetectorError(f"The video '{path}' cannot be written as {codec}: {error}.") from error


class _Sieve:
    """Keeps some of the frames that come by, evenly, without knowing how many there will be."""

    def __init__(self, most: int | None) -> None:
        if most is not None and most < LEAST:
            raise DetectorError(f"Of a video at least {LEAST} frames are kept, not {most}.")
        self._most = most
        self._stride = 1
        self._kept: list[tuple[float, NDArray[np.uint8]]] = []
        self._last: tuple[float, NDArray[np.uint8]] | None = None
        self.seen = 0
        self.until = 0.0

    @property
    def mixed(self) -> bool:
        """Whether frames of several sizes were kept."""
        return len({picture.shape for _, picture in [*self._kept, *([self._last] if self._last else [])]}) > 1

    def take(self, time: float, picture: NDArray[np.uint8]) -> None:
        """The next frame; the last one is kept in any case."""
        self.seen += 1
        self.until = max(self.until, time)
        self._last = (time, picture)
        if (self.seen - 1) % self._stride == 0:
            self._kept.append(self._last)
        if self._most is not None and len(self._kept) > 2 * self._most:
            self._kept = self._kept[::2]
            self._stride *= 2

    def result(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """What was kept."""
        kept = list(self._kept)
        if self._last is not None and kept[-1] is not self._last:
            kept.append(self._last)
        if self._most is not None and len(kept) > self._most:
            kept = [kept[round(place)] for place in np.linspace(0, len(kept) - 1, self._most)]
        times = np.array([time for time, _ in kept])
        return np.stack([picture for _, picture in kept]), times - times[0]


_GIF_ENDS = b"\x3b"


def _breaks_off(file: Path, container: Any, stream: Any, sieve: "_Sieve") -> bool:
    """Whether frames end well before the film says it does.

    A film that was cut without coding it anew still holds, and counts, the frames before the cut, which are never
    shown: where frames are lacking, what is left must end too soon as well. Matroska and WebM name no number of frames;
    sound may be longer than the picture, so that of a film with sound all that is in it must end too soon. A GIF says
    no more than that it has ended.
    """
    if stream.codec_context.name == "gif":
        return not file.read_bytes().rstrip(b"\0").endswith(_GIF_ENDS)
    if stream.frames:
        if sieve.seen >= 0.9 * stream.frames:
            return False
        length = None if stream.duration is None else float(stream.duration * stream.time_base)
    elif container.duration is None:
        return False
    else:
        length = float(container.duration) / 1_000_000
        if len(container.streams) > 1:
            return _end(file) < 0.9 * length
    # Of a film that was cut, the average rate counts what is not shown.
    frame = max(1.0 / float(stream.average_rate or 25), sieve.until / max(sieve.seen - 1, 1))
    return length is None or sieve.until + frame < 0.9 * length


def _end(file: Path) -> float:
    """When the last of a film ends, picture or sound, in seconds from its beginning; nothing is decoded."""
    import av

    with av.open(str(file)) as container:
        start = float(container.start_time or 0) / 1_000_000
        ends = (
            float((packet.pts + (packet.duration or 0)) * packet.time_base)
            for packet in container.demux()
            if packet.pts is not None
        )
        return max(ends, default=start) - start


def _decode(container: Any, stream: Any, sieve: _Sieve) -> bool:
    """Feed all frames to the sieve, upright; whether the stream broke off."""
    import av

    rate = float(stream.average_rate or 25)
    try:
        for frame in container.decode(stream):
            time = sieve.seen / rate if frame.time is None else float(frame.time)
            if frame.is_corrupt:
                return True
            # Phones film as they are held, and note how the picture is to be turned, in degrees counterclockwise.
            turns = round(frame.rotation / 90)
            picture = frame.reformat(format="rgb24", interpolation="AREA")
            sieve.take(time, np.ascontiguousarray(np.rot90(picture.to_ndarray(), turns)))
    except av.error.DecoderNotFoundError:
        raise
    except av.error.FFmpegError:
        if sieve.seen == 0:
            raise
        return True
    return False
