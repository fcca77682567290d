"""Main memory that does not grow with the number of pictures encoded."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE = 1 << 20
"""Bytes from which on an allocation is one of its own, which the system gets back when it is freed."""

_USUAL = 32 << 20
"""What glibc's own thresholds come to in a process that allocates much."""


@contextmanager
def large_given_back() -> Iterator[bool]:
    """Whatever large is allocated inside goes back to the system when it is freed; whether the C library can do that.

    By itself, glibc puts large allocations on its heap once some were freed. There the few kilobytes that a training
    keeps of each sample come to lie in the gaps that its patches (4 MB) leave, so that the next patches do not fit any
    more: 12 GB after 2000 samples of which 0.4 are used. Everywhere it would double the time of a training step, whose
    tensors are as large. Where the C library is another one, nothing happens.
    """
    try:
        known = bool(ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE))
    except (AttributeError, OSError, TypeError):
        known = False
    try:
        yield known
    finally:
        if known:
            ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _USUAL)
            ctypes.CDLL(None).mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
