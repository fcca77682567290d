import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultfield.errors import DetectorError
from faultfield.faults.collage import make, of_clip, resize, split
from faultfield.rollouts.clip import CAMERAS, Clip


def pictures(count: int, size: int, seed: int = 0) -> dict[str, NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    return {camera: rng.integers(0, 250, (count, size, size, 3), dtype=np.uint8) for camera in CAMERAS}


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 12), st.integers(0, 4), st.integers(8, 40), st.integers(0, 100))
def test_split_takes_apart_what_make_put_together(count: int, spare: int, cell: int, seed: int) -> None:
    frames = pictures(count, cell, seed)
    image = make(frames, columns=count + spare, cell=cell)
    assert image.shape == (3 * cell, (count + spare) * cell, 3)
    clip = split(image, columns=count + spare)
    assert len(clip) == count
    for camera in CAMERAS[1:]:
        np.testing.assert_array_equal(clip.frames[camera], frames[camera])
    # In the first row stand the numbers: nothing else may differ, and they stay in the corner.
    changed = (clip.frames["front"] != frames["front"]).any(axis=-1)
    assert not changed[:, cell // 2 + 2 :].any()


def test_every_cell_where_it_belongs() -> None:
    frames = {c: np.full((4, 20, 20, 3), 10 * (row + 1), np.uint8) for row, c in enumerate(CAMERAS)}
    for column in range(4):
        for camera in CAMERAS:
            frames[camera][column] += 40 * column
    image = make(frames, columns=6, cell=20)
    for row in range(3):
        for column in range(6):
            middle = image[row * 20 + 10, column * 20 + 15]
            assert (middle == (10 * (row + 1) + 40 * column if column < 4 else 255)).all()


def test_columns_are_numbered_readably() -> None:
    dark, light = (make({"front": np.full((2, 84, 84, 3), level, np.uint8)}, columns=2) for level in (0, 240))
    corner = (slice(0, 16), slice(0, 16))
    assert dark[corner].max() == 255
    assert light[corner].min() == 0
    one, two = dark[:16, :16], dark[:16, 84:100]
    assert (one != two).any()
    assert (dark[30:84, :] == 0).all()


def test_a_camera_that_is_not_there_stays_white() -> None:
    image = make({"front": pictures(3, 16)["front"]}, columns=3, cell=16)
    assert (image[16:] == 255).all()
    assert set(split(image, columns=3).frames) == {"front"}


def test_a_clip_of_any_length() -> None:
    frames = {"front": np.arange(40, dtype=np.uint8)[:, None, None, None].repeat(20, 1).repeat(20, 2).repeat(3, 3)}
    image = of_clip(Clip(frames, np.arange(40) / 20, "Lift.", "a"), columns=5, cell=20)
    assert [int(image[15, 20 * k + 15, 0]) for k in range(5)] == [0, 10, 20, 29, 39]


def test_blank_cells_as_aha_draws_them() -> None:
    image = make(pictures(3, 60), columns=5, cell=60)
    for row in range(3):
        for column in (3, 4):
            cell = image[row * 60 : row * 60 + 60, column * 60 : column * 60 + 60]
            cell[:1], cell[-1:], cell[:, :1], cell[:, -1:] = 0, 0, 0, 0
            cell[5:14, 5:11] = 40
    noise = np.random.default_rng(0).integers(-6, 7, image.shape)
    clip = split(np.clip(image.astype(int) + noise, 0, 255).astype(np.uint8), columns=5)
    assert len(clip) == 3
    assert set(clip.frames) == set(CAMERAS)


def test_a_bright_table_is_not_blank() -> None:
    frames = pictures(3, 20)
    frames["wrist"][:] = 250
    clip = split(make(frames, columns=3, cell=20), columns=3)
    np.testing.assert_array_equal(clip.frames["wrist"], frames["wrist"])


def test_resizing_keeps_what_fits_and_averages_what_shrinks() -> None:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2, :2] = 200
    assert resize(picture, 4) is picture
    np.testing.assert_array_equal(resize(picture, 2)[..., 0], [[200, 0], [0, 0]])
    assert resize(picture, 9).shape == (9, 9, 3)


def test_what_is_no_collage() -> None:
    with pytest.raises(DetectorError, match="1 to 2 pictures"):
        make(pictures(3, 16), columns=2, cell=16)
    with pytest.raises(DetectorError, match="pictures"):
        make({}, columns=2)
    with pytest.raises(DetectorError, match="pictures"):
        make({"front": np.zeros((2, 8, 8, 3), np.uint8), "wrist": np.zeros((3, 8, 8, 3), np.uint8)})
    with pytest.raises(DetectorError, match="white everywhere"):
        split(np.full((30, 80, 3), 255, np.uint8))
    with pytest.raises(DetectorError, match="no collage"):
        split(np.zeros((3, 5, 3), np.uint8))
