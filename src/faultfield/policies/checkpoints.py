"""What kind of policy lies at a path, and which policy a word on the command line means."""

from pathlib import Path
from typing import Any

VISUAL_BC = "faultfield.policies.bc:VisualBC"
ROBOMIMIC = "faultfield.policies.robomimic:Robomimic"


def kind_of(checkpoint: str | Path) -> str:
    """`module:Class` of the policy that loads it: robomimic's are `.pth` files or directories with one.

    Example:
        >>> kind_of("runs/lift_epoch_600.pth"), kind_of("models/lift-bc")
        ('faultfield.policies.robomimic:Robomimic', 'faultfield.policies.bc:VisualBC')
    """
    path = Path(checkpoint)
    return ROBOMIMIC if path.suffix == ".pth" or (path / "model.pth").is_file() else VISUAL_BC


def named(policy: str) -> tuple[str, dict[str, Any]]:
    """What builds the policy that somebody named, `module:Class` and arguments: a checkpoint's path, or `module:Class`.

    Example:
        >>> named("models/lift-bc")
        ('faultfield.policies.bc:VisualBC', {'checkpoint': 'models/lift-bc'})
        >>> named("my_robot:Policy")
        ('my_robot:Policy', {})
    """
    if ":" in policy and not Path(policy).exists():
        return policy, {}
    return kind_of(policy), {"checkpoint": policy}
