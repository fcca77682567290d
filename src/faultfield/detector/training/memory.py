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
    more: measured, 200 collages take 780 MB, and 6 MB with this. It is for encoding alone: a training step, whose
    tensors are as large, took twice its time where all from 128 KB on was given back. With another C library nothing
    happens.
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
