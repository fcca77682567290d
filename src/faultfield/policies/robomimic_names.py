"""What observations are called by us and by robomimic."""

from collections.abc import Mapping

from faultfield.envs.base import IMAGE_PREFIX, PRIVILEGED, STATE

PARTS: Mapping[str, slice] = {
    "robot0_eef_pos": slice(0, 3),
    "robot0_eef_quat": slice(3, 7),
    "robot0_gripper_qpos": slice(7, 9),
}
"""Where robosuite's names, which robomimic's own data sets use, lie in our robosuite's `observation.state`."""


def observation_name(name: str) -> str:
    """What robomimic calls an observation of ours: pictures end in `_image`, as its configurations expect.

    Example:
        >>> observation_name("observation.images.agentview"), observation_name("observation.environment_state")
        ('agentview_image', 'object')
    """
    if name.startswith(IMAGE_PREFIX):
        return f"{name.removeprefix(IMAGE_PREFIX)}_image"
    return {STATE: "state", PRIVILEGED: "object"}.get(name, name.removeprefix("observation."))


def our_name(name: str) -> str:
    """What we call an observation of robomimic's: the way back from `observation_name`; the whole state for `PARTS`.

    Example:
        >>> our_name("agentview_image"), our_name("robot0_eef_pos")
        ('observation.images.agentview', 'observation.state')
    """
    if name.endswith("_image"):
        return IMAGE_PREFIX + name.removesuffix("_image")
    if name in PARTS:
        return STATE
    return {"state": STATE, "object": PRIVILEGED}.get(name, f"observation.{name}")
