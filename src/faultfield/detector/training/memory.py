"""Main memory that does not grow with the number of pictures seen."""

import ctypes

_MMAP_THRESHOLD = -3
_LARGE = 1 << 20
"""Bytes from which on an allocation goes back to the system when it is freed."""


def give_back_large() -> bool:
    """Let glibc give every large allocation back as soon as it is freed, in this process; whether it will.

    By itself it keeps such allocations on its heap once some were freed. There each sample's few kilobytes that a
    training keeps come to lie in the gaps that its patches (4 MB) leave, so that the next patches do not fit any more:
    12 GB after 2000 samples of which 0.4 are used. Where the C library is another one, nothing happens.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE))
    except (AttributeError, OSError, TypeError):
        return False
