"""A clip as one picture: a row a camera, a column a time step, as Duan et al. 2025 (AHA) show episodes to a model."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import DetectorError
from faultfield.rollouts.clip import CAMERAS, Clip

CELL = 84
"""Height and width of a cell, pixels."""

COLUMNS = 8
"""Time steps."""

WHITE = 255
NEARLY_WHITE = 245
"""What is left of white in a JPEG."""
BLANK = 0.85
"""A cell with a larger share of nearly white pixels is blank, if the cells above and below it are."""

_DIGITS = (
    "111101101101111", "010110010010111", "111001111100111", "111001111001111", "101101111001001",
    "111100111001111", "111100111101111", "111001010010010", "111101111101111", "111101111001111",
)  # fmt: skip
"""0 to 9, five rows of three dots. Drawn by ourselves: a font would differ from machine to machine."""


def make(
    frames: Mapping[str, NDArray[np.uint8]],
    *,
    columns: int = COLUMNS,
    cell: int = CELL,
    cameras: Sequence[str] = CAMERAS,
) -> NDArray[np.uint8]:
    """Lay pictures out as a collage.

    Args:
        frames: Pictures over time by camera, uint8 (time, height, width, 3); of the same times, at most `columns`.
        columns: Columns; those beyond the pictures stay white: steps that have not happened.
        cell: Height and width to which each picture is resized, pixels.
        cameras: Rows, from top to bottom; one that `frames` lacks stays white.

    Returns:
        uint8 (rows × cell, columns × cell, 3), each column numbered from 1 at its top left.

    Raises:
        DetectorError: No pictures, more than there are columns, or cameras of different length.
    """
    shown = [camera for camera in cameras if camera in frames]
    lengths = {len(frames[camera]) for camera in shown}
    if not shown or len(lengths) != 1 or not 0 < max(lengths) <= columns or cell < 8:
        raise DetectorError(
            f"A collage of {columns} columns takes 1 to {columns} pictures of each of {', '.join(cameras)}, and cells "
            f"of at least 8 px, not { ({name: len(pictures) for name, pictures in frames.items()}) } at {cell} px."
        )
    canvas = np.full((len(cameras) * cell, columns * cell, 3), WHITE, np.uint8)
    for row, camera in enumerate(cameras):
        for column, picture in enumerate(frames.get(camera, ())):
            top, left = row * cell, column * cell
            canvas[top : top + cell, left : left + cell] = resize(picture, cell)
    for column in range(max(lengths)):
        _number(canvas[:cell, column * cell : (column + 1) * cell], column + 1)
    return canvas


def split(
    image: NDArray[np.uint8],
    *,
    rows: int = len(CAMERAS),
    columns: int = COLUMNS,
    instruction: str = "",
    id: str = "collage",
    cameras: Sequence[str] = CAMERAS,
) -> Clip:
    """A collage back as a clip, one picture a column; times are the columns, counted from 0.

    White columns at the end are left out (AHA's have a number and a frame in them), and so is a row that is nothing but
    white.

    Args:
        image: uint8 (height, width, 3), as `make` or AHA's scripts lay it out; cells are cut by equal division.
        rows: Rows in it.
        columns: Columns in it.
        instruction: What the robot was asked to do.
        id: The clip's name.
        cameras: Names of the rows.

    Raises:
        DetectorError: The picture cannot be divided so, or is white everywhere.
    """
    height, width = image.shape[0] // rows, image.shape[1] // columns
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or height < 2 or width < 2:
        raise DetectorError(
            f"A picture {image.dtype} {image.shape} is no collage of {rows} rows and {columns} columns."
        )
    if rows > len(cameras):
        raise DetectorError(f"A collage of {rows} rows needs as many names of cameras, not {', '.join(cameras)}.")
    cells = image[: rows * height, : columns * width].reshape(rows, height, columns, width, 3).swapaxes(1, 2)
    # A bright table may fill a picture, but not those of all cameras.
    bright = (cells >= NEARLY_WHITE).all(axis=4).mean(axis=(2, 3)) > BLANK
    filled = np.flatnonzero(~bright.all(axis=0))
    if len(filled) == 0:
        raise DetectorError(f"The collage '{id}' is white everywhere: nothing has happened in it.")
    last = int(filled[-1]) + 1
    frames = {cameras[row]: cells[row, :last] for row in range(rows) if (cells[row] != WHITE).any()}
    return Clip(frames, np.arange(last, dtype=np.float64), instruction, id)


def of_clip(clip: Clip, *, columns: int = COLUMNS, cell: int = CELL) -> NDArray[np.uint8]:
    """A collage of any clip: as many of its pictures as there are columns, evenly over it."""
    return make(clip.spread(columns).frames, columns=columns, cell=cell)


def resize(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """The picture as uint8 (size, size, 3), by area when it shrinks."""
    if picture.shape[:2] == (size, size):
        return picture
    from PIL import Image

    shrinks = min(picture.shape[:2]) >= size
    method = Image.Resampling.BOX if shrinks else Image.Resampling.BICUBIC
    return np.asarray(Image.fromarray(picture).resize((size, size), method))


def _number(cell: NDArray[np.uint8], number: int) -> None:
    """Write the number into the top left of a cell, black where it is light and white where it is dark."""
    dot = max(1, len(cell) // 42)
    glyphs = [np.array(list(_DIGITS[int(digit)])).reshape(5, 3) == "1" for digit in str(number)]
    text = np.concatenate([np.pad(glyph, ((0, 0), (0, 1))) for glyph in glyphs], axis=1)
    text = text.repeat(dot, axis=0).repeat(dot, axis=1)
    # A number wider than its cell is cut.
    text = text[: len(cell) - dot, : cell.shape[1] - dot]
    place = cell[dot : dot + text.shape[0], dot : dot + text.shape[1]]
    place[text] = 0 if place.mean() > 127 else WHITE
