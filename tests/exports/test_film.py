"""Films: what is in them does not hang on how a processor's assembler rounds."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from faultfield.exports.film import KEY_EVERY, QUALITY, Film


def _packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_a_film_is_coded_as_x264_in_c_codes_it_on_one_thread(tmp_path: Path) -> None:
    # So much noise that the assembler, where there is one, codes it otherwise.
    frames = np.random.default_rng(0).integers(0, 256, (12, 96, 96, 3)).astype(np.uint8)
    film = Film(tmp_path / "film" / "a.mp4", 20)
    film.add(frames)
    film.close()
    with av.open(str(tmp_path / "c.mp4"), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(20))
        stream.width = stream.height = 96
        stream.pix_fmt = "yuv420p"
        plain = f"no-asm=1:threads=1:crf={QUALITY}:keyint={KEY_EVERY}:bframes=0"
        stream.options = {"x264-params": plain}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    assert _packets(tmp_path / "film" / "a.mp4") == _packets(tmp_path / "c.mp4")
