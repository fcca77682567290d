"""Video files against the frames that were written, and against files broken in every way that we know of."""

import struct
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from faultfield.errors import DetectorError
from faultfield.rollouts.video import read, write


def ramp(count: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """Flat frames, each a little lighter than the last: lossy codecs keep them, and each tells its own number."""
    levels = np.linspace(10, 240, count).astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (count, height, width, 3)).copy()


def numbers(frames: NDArray[np.uint8], count: int) -> list[int]:
    levels = frames.reshape(len(frames), -1).mean(axis=1)
    return [round((level - 10) / 230 * (count - 1)) for level in levels]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    write(path, ramp(40), fps=20)
    return path


def test_what_is_written_is_read_back(film: Path) -> None:
    frames, times = read(film)
    assert frames.shape == (40, 48, 64, 3)
    np.testing.assert_allclose(times, np.arange(40) / 20, atol=1e-6)
    assert np.abs(frames.astype(int) - ramp(40)).max() <= 3


def test_colours_and_odd_sizes(tmp_path: Path) -> None:
    picture = np.zeros((6, 33, 47, 3), np.uint8)
    picture[..., 0] = 200
    write(tmp_path / "red.mp4", picture, fps=5)
    frames, _ = read(tmp_path / "red.mp4")
    assert frames.shape == (6, 32, 46, 3)
    assert frames[..., 0].mean() > 190
    assert frames[..., 1:].mean() < 10


@pytest.mark.parametrize("most", [2, 3, 7, 8, 16, 39, 40, 100])
def test_at_most_so_many_frames_evenly(film: Path, most: int) -> None:
    frames, times = read(film, most=most)
    shown = numbers(frames, 40)
    assert len(frames) == min(most, 40)
    assert (shown[0], shown[-1]) == (0, 39)
    assert shown == [round(time * 20) for time in times]
    gaps = np.diff(shown)
    assert gaps.min() >= 1
    assert gaps.max() <= 3 * max(1, 39 / (min(most, 40) - 1))


def test_at_least_both_ends_are_kept(film: Path) -> None:
    with pytest.raises(DetectorError, match="at least 2 frames are kept, not 1"):
        read(film, most=1)


def test_the_same_frames_give_the_same_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (8, 32, 32, 3), dtype=np.uint8)
    for name in ("a.mp4", "b.mp4"):
        write(tmp_path / name, frames, fps=5)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def assert_one_sentence(path: Path, *words: str) -> None:
    with pytest.raises(DetectorError) as caught:
        read(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    assert text.endswith(".")
    for word in words:
        assert word in text


def test_missing_and_empty_files(tmp_path: Path) -> None:
    assert_one_sentence(tmp_path / "none.mp4", "no video")
    (tmp_path / "empty.mp4").touch()
    assert_one_sentence(tmp_path / "empty.mp4", "zero bytes")


def test_truncated_at_every_tenth(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    film = tmp_path / "film.mp4"
    write(film, rng.integers(0, 255, (20, 64, 64, 3), dtype=np.uint8), fps=10)
    data = film.read_bytes()
    for part in range(1, 10):
        cut = tmp_path / f"cut{part}.mp4"
        cut.write_bytes(data[: len(data) * part // 10])
        assert_one_sentence(cut, "truncated")


@pytest.mark.parametrize(("kind", "codec"), [("mkv", "libx264"), ("webm", "libvpx-vp9")])
def test_truncated_where_no_number_of_frames_is_named(tmp_path: Path, kind: str, codec: str) -> None:
    rng = np.random.default_rng(0)
    film = tmp_path / f"film.{kind}"
    write(film, rng.integers(0, 255, (60, 64, 64, 3), dtype=np.uint8), fps=10, codec=codec)
    data = film.read_bytes()
    assert len(read(film)[0]) == 60
    for part in (10, 40, 70):
        cut = tmp_path / f"cut{part}.{kind}"
        cut.write_bytes(data[: len(data) * part // 100])
        assert_one_sentence(cut, "truncated")


@pytest.mark.parametrize(("kind", "codec", "sound"), [("mkv", "libx264", "aac"), ("webm", "libvpx-vp9", "libopus")])
@pytest.mark.parametrize("longer", [0, 2])
def test_truncated_with_sound(tmp_path: Path, kind: str, codec: str, sound: str, longer: int) -> None:
    # Sound that is longer than the picture is no sign of a cut.
    rng = np.random.default_rng(0)
    film = tmp_path / f"film.{kind}"
    with av.open(str(film), "w") as container:
        stream = _filmed(container, codec)
        heard = container.add_stream(sound, rate=48_000, layout="mono")
        for number, picture in enumerate(rng.integers(0, 255, (60, 64, 64, 3), dtype=np.uint8)):
            container.mux(stream.encode(_frame(picture)))
            container.mux(heard.encode(_noise(rng, 4800, number * 4800)))
        container.mux(stream.encode())
        for second in range(longer):
            container.mux(heard.encode(_noise(rng, 48_000, 60 * 4800 + second * 48_000)))
        container.mux(heard.encode())
    data = film.read_bytes()
    assert len(read(film)[0]) == 60
    for part in (20, 50, 70):
        cut = tmp_path / f"cut{part}.{kind}"
        cut.write_bytes(data[: len(data) * part // 100])
        assert_one_sentence(cut, "truncated")


def _filmed(container: av.container.OutputContainer, codec: str) -> Any:
    stream: Any = container.add_stream(codec, rate=10)
    stream.width = stream.height = 64
    stream.pix_fmt = "yuv420p"
    return stream


def _frame(picture: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, format="rgb24")


def _noise(rng: np.random.Generator, samples: int, start: int) -> av.AudioFrame:
    sound = rng.normal(0, 0.1, (1, samples)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
    frame.sample_rate, frame.pts = 48_000, start
    return frame


def test_a_gif_that_is_cut(tmp_path: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    first, *others = map(Image.fromarray, rng.integers(0, 255, (20, 32, 32, 3), dtype=np.uint8))
    film = tmp_path / "film.gif"
    first.save(film, save_all=True, append_images=others, duration=100)
    data = film.read_bytes()
    assert len(read(film)[0]) == 20
    for part in (30, 50, 90):
        cut = tmp_path / f"cut{part}.gif"
        cut.write_bytes(data[: len(data) * part // 100])
        assert_one_sentence(cut, "truncated")


def test_truncated_where_the_index_comes_first(tmp_path: Path) -> None:
    # A streamable container can be opened when cut: only the missing frames tell.
    rng = np.random.default_rng(0)
    whole = tmp_path / "whole.mp4"
    with av.open(str(whole), "w", options={"movflags": "faststart"}) as container:
        stream = _filmed(container, "libx264")
        for picture in rng.integers(0, 255, (40, 64, 64, 3), dtype=np.uint8):
            container.mux(stream.encode(_frame(picture)))
        container.mux(stream.encode())
    data = whole.read_bytes()
    assert len(read(whole)[0]) == 40
    for part in (3, 5, 8):
        cut = tmp_path / f"cut{part}.mp4"
        cut.write_bytes(data[: len(data) * part // 10])
        assert_one_sentence(cut, "truncated")


@pytest.mark.parametrize("before", [3, 20, 36])
def test_cut_without_being_coded_anew(tmp_path: Path, before: int) -> None:
    """As `ffmpeg -ss` with `-c copy` and phones cut: what lies before the cut stays in the file, and is not shown."""
    write(tmp_path / "whole.mp4", ramp(40), fps=20)
    with av.open(str(tmp_path / "whole.mp4")) as whole, av.open(str(tmp_path / "cut.mp4"), "w") as cut:
        stream = whole.streams.video[0]
        shown = cut.add_stream_from_template(stream)
        for packet in whole.demux(stream):
            if packet.dts is None or packet.pts is None or stream.time_base is None:
                continue
            packet.pts -= round(before / 20 / stream.time_base)
            packet.dts -= round(before / 20 / stream.time_base)
            packet.stream = shown
            cut.mux(packet)
    frames, times = read(tmp_path / "cut.mp4")
    assert numbers(frames, 40) == list(range(before, 40))
    np.testing.assert_allclose(times, np.arange(40 - before) / 20, atol=1e-6)


# Rows of the display matrix: where the film's own x and y go on the screen, whose y points down.
@pytest.mark.parametrize(
    ("matrix", "corner"),
    [((0, 1, -1, 0), (0, -1)), ((-1, 0, 0, -1), (-1, -1)), ((0, -1, 1, 0), (-1, 0)), ((1, 0, 0, 1), (0, 0))],
)
def test_a_film_that_is_to_be_turned_is_read_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], corner: tuple[int, int]
) -> None:
    path = tmp_path / "phone.mp4"
    filmed = np.zeros((4, 48, 64, 3), np.uint8)
    filmed[:, :12, :16] = 255
    write(path, filmed, fps=5)
    data = bytearray(path.read_bytes())
    place = data.index(b"tkhd") + 44
    (a, b, c, d), one = matrix, 1 << 16
    data[place : place + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frames, _ = read(path)
    assert frames.shape[1:3] == ((64, 48) if a == 0 else (48, 64))
    corners = {(y, x): frames[0][y, x].mean() for y in (0, -1) for x in (0, -1)}
    assert {place for place, light in corners.items() if light > 200} == {corner}
    assert frames.flags.c_contiguous


def test_one_frame(tmp_path: Path) -> None:
    write(tmp_path / "one.mp4", ramp(1), fps=5)
    assert_one_sentence(tmp_path / "one.mp4", "1 frame;")
    assert len(read(tmp_path / "one.mp4", least=1)[0]) == 1


def test_no_video_at_all(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("this is no film, but it is called one\n" * 100)
    assert_one_sentence(tmp_path / "text.mp4", "no video")
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    assert_one_sentence(tmp_path / "sound.wav", "no video stream")


def test_a_video_that_changes_its_size_midway(tmp_path: Path) -> None:
    for name, height in (("a", 48), ("b", 96)):
        write(tmp_path / f"{name}.ts", ramp(12, height), fps=10, codec="mpeg2video")
    joined = tmp_path / "joined.mpg"
    joined.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    assert_one_sentence(joined, "changes its size midway")


def test_a_codec_that_nobody_knows(film: Path) -> None:
    data = film.read_bytes()
    broken = film.with_name("odd.mp4")
    broken.write_bytes(data.replace(b"avc1", b"zzz9"))
    assert_one_sentence(broken, "codec")


def test_wrong_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DetectorError, match="uint8"):
        write(tmp_path / "a.mp4", np.zeros((3, 8, 8, 3), np.float32), fps=5)  # type: ignore[arg-type]
    with pytest.raises(DetectorError, match="no_such_codec"):
        write(tmp_path / "a.mp4", ramp(3), fps=5, codec="no_such_codec")
    assert not list(tmp_path.iterdir())
