"""How a long stage says how far it is; the command line draws bars, a library user may draw nothing."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Update = Callable[[int], None]
"""Called with how much is done so far."""


class Progress(Protocol):
    """Shows one task at a time."""

    def task(self, name: str, total: int) -> AbstractContextManager[Update]:
        """Begin a task of `total` units; the context gives the function that moves it on."""
        ...


class Silent:
    """Shows nothing."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Update]:
        """A task that nobody watches."""
        yield lambda done: None
