"""From the policy's answers to a few numbers that foretell failure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FEATURES: tuple[str, ...] = (
    "far", "near", "close", "lift", "peak", "bias_near", "bias_close", "flips", "turn",
)  # fmt: skip
"""Names of the probe's features, in order."""

RESOLUTION = 0.02
"""Changes well below this share of a full action are as good as none: the logarithms flatten out there."""


def features(
    nominal: NDArray[np.float32], actions: NDArray[np.float32], phases: Sequence[str] | NDArray[np.str_]
) -> NDArray[np.float64]:
    """Compare answers under candidates with those on the nominal picture."""
    phase = np.asarray(phases)
    change = actions.astype(np.float64) - nominal.astype(np.float64)
    moved = np.linalg.norm(change[..., :3], axis=-1)
    turned = np.linalg.norm(change[..., 3:-1], axis=-1)
    flipped = (np.sign(actions[..., -1]) != np.sign(nominal[..., -1])).astype(float)
    grasp = (phase == "near") | (phase == "close")

    def mean(values: NDArray[np.float64], where: NDArray[np.bool_]) -> NDArray[np.float64]:
        return values[:, where].mean(axis=1) if where.any() else np.zeros(len(values))

    def log(size: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log1p(size / RESOLUTION)

    columns = [log(mean(moved, phase == name)) for name in ("far", "near", "close", "lift")]
    columns.append(log(np.quantile(moved[:, grasp], 0.9, axis=1) if grasp.any() else np.zeros(len(moved))))
    for name in ("near", "close"):
        at = phase == name
        bias = change[:, at, :3].mean(axis=1) if at.any() else np.zeros((len(moved), 3))
        columns.append(log(np.linalg.norm(bias, axis=1)))
    columns.append(mean(flipped, grasp))
    columns.append(log(mean(turned, grasp)))
    return np.stack(columns, axis=1)
