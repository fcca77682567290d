"""How concentrated and how severe a policy's failures are over a set of variations (RoboMD, Section 4.2, Table 4)."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faultfield.errors import FaultfieldError

FAILING = 0.5
"""A variation counts as a failure mode where more than this share of episodes fails."""


def entropy(probabilities: ArrayLike) -> float:
    """Shannon entropy of where failures fall, in nats: 0 if one variation has them all, ln n if all n are alike.

    The failure probabilities are normalised to a distribution over variations; where none fails it is taken as uniform.
    Nats, because the paper's 2.8839 over 21 variations fits under ln 21 = 3.04 and would be low in bits.

    Args:
        probabilities: Failure probability (or rate, or any non-negative weight) of each variation, shape (n,).

    Raises:
        FaultfieldError: Empty, negative or not finite.
    """
    from scipy.stats import entropy as shannon

    values = _checked(probabilities)
    return float(shannon(values if values.sum() > 0 else np.ones(len(values))))


def failure_modes(probabilities: ArrayLike, threshold: float = FAILING) -> int:
    """Number of failure modes: variations whose failure probability exceeds `threshold`.

    Raises:
        FaultfieldError: Empty, negative or not finite.
    """
    return int((_checked(probabilities) > threshold).sum())


def severity(probabilities: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Failure severity index, Σ P(a) · W(a), W scaled so that its largest is 1.

    P is each variation's own failure probability, not a share of all failures: of shares the index could not exceed 1,
    and the paper reports 1.15.

    Args:
        probabilities: P, shape (n,), in 0–1.
        weights: W, shape (n,); P itself when None, so that the likeliest failure has weight 1.

    Returns:
        0–n; 0 where nothing fails.

    Raises:
        FaultfieldError: Either is empty, negative or not finite, or their lengths differ.
    """
    values = _checked(probabilities)
    chosen = values if weights is None else _checked(weights)
    if chosen.shape != values.shape:
        raise FaultfieldError(f"There must be one weight for each of the {len(values)} variations, not {len(chosen)}.")
    largest = chosen.max()
    return 0.0 if largest == 0 else float(values @ (chosen / largest))


def _checked(numbers: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(numbers, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all() or (values < 0).any():
        raise FaultfieldError("A failure measure takes one non-negative finite number a variation, at least one.")
    return values
