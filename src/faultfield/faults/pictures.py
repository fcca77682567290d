"""Still pictures in and out, and one sentence where a file is no good."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.errors import DetectorError


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """A picture file as uint8 (height, width, 3), RGB; what is transparent becomes black.

    Raises:
        DetectorError: The file is missing, empty, truncated or no picture.
    """
    from PIL import Image

    check_picture(path)
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, ValueError, SyntaxError) as error:
        raise DetectorError(f"The picture '{path}' is truncated or damaged.") from error


def check_picture(path: str | Path) -> None:
    """Look whether a file is a picture, without decoding it.

    Raises:
        DetectorError: It is missing, empty, or no picture.
    """
    from PIL import Image

    file = Path(path)
    if not file.is_file():
        raise DetectorError(f"There is no picture '{path}'.")
    if file.stat().st_size == 0:
        raise DetectorError(f"The picture '{path}' is empty: a file of zero bytes.")
    try:
        with Image.open(file):
            return
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DetectorError(f"'{path}' is no picture that can be read.") from error


def write_picture(path: str | Path, pixels: NDArray[np.uint8]) -> None:
    """Write uint8 (height, width, 3) in the format that the path's suffix names, whole or not at all."""
    from PIL import Image

    with files.replacing(path) as draft:
        Image.fromarray(pixels).save(draft)
