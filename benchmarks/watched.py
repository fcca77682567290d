"""Where a refinement's time goes: processor seconds by part, and what every round costs."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from faultfield.detector.refine import Refiner
from faultfield.detector.tree import Tree


class Clock:
    """Processor and wall seconds by name, nested times left out of the outer ones."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}
        self._open: list[list[float]] = []

    @contextmanager
    def time(self, name: str) -> Iterator[None]:
        """Count what happens inside under a name."""
        start = time.process_time()
        self._open.append([0.0])
        try:
            yield
        finally:
            spent, inner = time.process_time() - start, self._open.pop()[0]
            self.spent[name] = self.spent.get(name, 0.0) + spent - inner
            if self._open:
                self._open[-1][0] += spent

    @contextmanager
    def watch(self, owner: Any, method: str, name: str) -> Iterator[None]:
        """Count every call of a method under a name."""
        original = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.time(name):
                return original(*args, **kwargs)

        with swapped(owner, method, timed):
            yield


@contextmanager
def swapped(owner: Any, method: str, other: Callable[..., Any]) -> Iterator[None]:
    """Put another method in place of one for a while."""
    original = getattr(owner, method)
    setattr(owner, method, other)
    try:
        yield
    finally:
        setattr(owner, method, original)


def seconds(work: Callable[[], object]) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


class Watched(Refiner):
    """Notes what every round costs and what the tree keeps after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.notes: list[dict[str, float]] = []
        self.passes: list[int] = []

    @contextmanager
    def counting(self, clock: Clock | None = None) -> Iterator[None]:
        """Count the passes made inside, and tell a clock of them."""
        read = Tree.read

        def watched(tree: Tree) -> torch.Tensor:
            self.passes.append(tree.length)
            first = len(self.passes) == 1
            name = "reading the opening and first prompts" if first else "reading other prompts and answers"
            with nullcontext() if clock is None else clock.time(name):
                return read(tree)

        with swapped(Tree, "read", watched):
            yield

    def _round(self, tree: Tree, games: Any) -> None:
        before, columns, passes, answers = time.process_time(), tree.length, len(self.passes), games[0].answers
        super()._round(tree, games)
        same = [
            a == b for old, new in zip(answers, games[0].answers, strict=True) for a, b in zip(old, new, strict=False)
        ]
        self.notes.append(
            {
                "cpu": time.process_time() - before,
                "megabytes kept": tree.memory / 2**20,
                "tokens read": tree.length - columns,
                "passes": len(self.passes) - passes,
                "tokens as in the round before": statistics.fmean(same) if same else 0.0,
                "entropy": games[0].verdict().rounds[-1].reason_entropy,
            }
        )
