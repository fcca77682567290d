"""What kind of policy lies at a path."""

from pathlib import Path

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
