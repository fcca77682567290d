"""How many processor cores a command's own process computes on."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

_CHOSEN = _NAMES[0] in os.environ
"""Whether the user, or a launcher of several processes, said how many."""


def one_each() -> None:
    """One thread for each process, where nobody said otherwise, before anything numerical is imported.

    Workers then do not fight over cores, and results are the same on any number of them.
    """
    for name in _NAMES:
        os.environ.setdefault(name, "1")


@contextmanager
def all_cores() -> Iterator[None]:
    """Inside, torch computes on every core that this process may use, where nobody said otherwise.

    For a training, which has no workers beside it.
    """
    import torch

    from faultfield.rollouts.pool import cores

    before = torch.get_num_threads()
    if not _CHOSEN:
        torch.set_num_threads(cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)
