"""Main memory that does not grow with the number of pictures encoded."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGE = 1 << 20
"""Bytes from which on an allocation is one of its own, which the system gets back when it is freed."""

_USUAL = 32 << 20
"""What glibc's own thresholds come to in a process that allocates much."""

_SHARE = 0.25
"""Of the memory that is free, for what is kept only to save time."""

_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container says how much it may have, by control groups of version 2 and 1."""


def room(processes: int) -> int:
    """Bytes that each process of a training may keep things in that it could make anew: a quarter of what is free.

    Args:
        processes: How many the training has; those on this machine share its memory.
    """
    # accelerate needs it as well.
    import psutil  # type: ignore[import-untyped]

    free = int(psutil.virtual_memory().available)
    for limit in _LIMITS:
        try:
            free = min(free, int(Path(limit).read_text()))
        except (OSError, ValueError):
            # There is none, or it says "max".
            continue
    here = int(os.environ.get("LOCAL_WORLD_SIZE") or processes)
    return int(_SHARE * free) // max(1, here)


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
