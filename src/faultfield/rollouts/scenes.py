"""Scenes of a variation's own: where all met the same few, one that is hard for a policy would decide everything."""

import zlib

from faultfield.errors import StudyError
from faultfield.variations import Variation

MOST = 1000
"""Scenes that a variation has at most."""

BEYOND, _PLACES = 10_000_000, 1_000_000
"""How far above `first` they begin, and how many sets there are: below 2³⁰, from where demonstrations are seeded."""


def own_scenes(variation: Variation, first: int, count: int) -> range:
    """Reset seeds of a variation, whichever others there are; for more of them it goes on where fewer ended.

    Of a thousand variations, one in a thousand shares its scenes with another. The nominal one's are `first` and on.

    Args:
        variation: Any.
        first: Of all that is rolled out together.
        count: How many, at most `MOST`.

    Raises:
        StudyError: `first` is 10 million or more, or `count` more than there are.
    """
    if not 0 <= first < BEYOND or count > MOST:
        raise StudyError(
            f"Scenes are counted from a seed below {BEYOND}, and a variation has at most {MOST}, not {count} from "
            f"{first}."
        )
    if not variation.is_nominal:
        first += BEYOND + MOST * (zlib.crc32(variation.key.encode()) % _PLACES)
    return range(first, first + count)
