"""Which of a few points is nearest to each of many: exact, and most of what a step of the virtual MDP costs."""

import numpy as np
from numpy.typing import NDArray

# Where less than this share of ‖a‖² is left of the difference, single precision has cancelled too much of it.
_CANCELLED = 0.01


class Nearest:
    """The point nearest to each query, by one matrix product; the first of several equally near.

    Args:
        points: float32 (m, d).
    """

    def __init__(self, points: NDArray[np.float32]) -> None:
        import torch

        self._torch = torch
        self._points = points
        # argmin ‖a − e‖² = argmax 2 a·e − ‖e‖², and ‖a‖² less that maximum is the squared distance.
        self._doubled = torch.from_numpy(2.0 * points)
        self._squares = torch.from_numpy(np.einsum("md,md->m", points, points)[:, None])
        # m for the first point down to 1 for the last, in as few bits as will do.
        count = len(points)
        self._codes = np.arange(count, 0, -1).astype(np.min_scalar_type(count))[:, None]

    def __call__(self, queries: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Indices of the nearest points, int64 (n,), and the distances to them, float32 (n,).

        Args:
            queries: float32 (n, d), finite.
        """
        torch = self._torch
        rows = torch.from_numpy(queries)
        lengths = torch.linalg.vector_norm(rows, dim=1).numpy()
        lengths *= lengths
        # Its product is faster than numpy's, and points times queries faster than queries times points.
        scores = torch.addmm(self._squares, self._doubled, rows.T, beta=-1).numpy()
        best = scores.max(axis=0)
        # Comparing, coding and maximising run on vector registers; argmax over the first axis does not.
        codes = ((scores == best).view(np.uint8) * self._codes).max(axis=0)
        reached = np.subtract(len(self._points), codes, dtype=np.int64)
        squares = lengths - best
        close = np.flatnonzero(squares < _CANCELLED * lengths)
        if close.size:
            gaps = queries[close] - self._points[reached[close]]
            squares[close] = np.einsum("nd,nd->n", gaps, gaps)
        return reached, np.sqrt(squares, out=squares)
