"""From the policy's answers at stored states to a few numbers that foretell failure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultfield.rollouts.states import GRIPPER_FROM, PHASES

FEATURES: tuple[str, ...] = (*PHASES, "grasp", "bias_x", "bias_y", "bias_z", "turn", "flips")
"""Names of the probe's features, in order.

- `far`, `near`, `close`, `lift`: how much the arm's translation changes, by phase: log(1 + mean ‖Δ‖ / `RESOLUTION`).
- `grasp`: the mean of `near` and `close`, the best single predictor.
- `bias_x`, `bias_y`, `bias_z`: which way it changes near the grasp: tanh of the mean change of the first three numbers
  of the action over `BIAS`, signed. A small change that points the same way at every state moves the grasp by as much,
  while a large one that points anywhere is corrected on the way; and a policy that grasps a little off anyway has more
  room on one side than on the other.
- `turn`: how much the arm's rotation changes near the grasp, as the first four.
- `flips`: share of the moments near the grasp at which the gripper would be commanded the other way.
"""

RESOLUTION = 0.02
"""Changes well below this share of a full action are as good as none: the logarithms flatten out there."""

BIAS = 0.15
"""A consistent change of this share of a full action is large: the signed features saturate from there on."""


def features(
    nominal: NDArray[np.float32], actions: NDArray[np.float32], phases: Sequence[str] | NDArray[np.str_]
) -> NDArray[np.float64]:
    """Compare answers under candidates with those on the nominal picture.

    The first three numbers of an action translate the arm, those up to the last turn it, the last commands the gripper;
    actions of fewer than four numbers have no gripper and do not turn. A full action is the largest translation among
    the nominal answers, so that units do not matter.

    Args:
        nominal: Answers on the nominal picture, float32 (moments, action_dim).
        actions: Answers under n candidates, float32 (n, moments, action_dim).
        phases: Phase of every moment, length moments.

    Returns:
        float64 (n, len(FEATURES)); a row of zeros where nothing changes.
    """
    phase = np.asarray(phases)
    grasp = (phase == "near") | (phase == "close")
    reference = nominal.astype(np.float64)
    answers = actions.astype(np.float64)
    gripper = nominal.shape[1] >= GRIPPER_FROM
    arm = nominal.shape[1] - 1 if gripper else nominal.shape[1]
    change = (answers - reference)[..., :arm]
    moved, turned = (np.linalg.norm(part, axis=-1) for part in (change[..., :3], change[..., 3:]))
    full = float(np.abs(reference[:, : min(arm, 3)]).max(initial=0.0)) or 1.0
    sizes = [_size(moved, phase == name, full) for name in PHASES]
    bias = np.zeros((len(answers), 3))
    if grasp.any():
        bias[:, : change[..., :3].shape[-1]] = np.tanh(change[:, grasp, :3].mean(axis=1) / (BIAS * full))
    flipped = (answers[..., -1] > 0) != (reference[:, -1] > 0)
    flips = flipped[:, grasp].mean(axis=1) if gripper and grasp.any() else np.zeros(len(answers))
    near, close = sizes[PHASES.index("near")], sizes[PHASES.index("close")]
    columns = [*sizes, (near + close) / 2, *bias.T, _size(turned, grasp, full), flips]
    return np.stack(columns, axis=1)


def _size(lengths: NDArray[np.float64], where: NDArray[np.bool_], full: float) -> NDArray[np.float64]:
    """Logarithm of the mean length over some moments, (n,); zero where there are none."""
    if not where.any():
        return np.zeros(len(lengths))
    return np.asarray(np.log1p(lengths[:, where].mean(axis=1) / (RESOLUTION * full)))
