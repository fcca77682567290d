"""Factors of looks alone: whatever they are set to, the physics run as if nothing had changed."""

from typing import Any

import numpy as np
import pytest

from faultfield.envs.base import VariableEnv
from faultfield.envs.metaworld import Metaworld

LOOKS = {"light_color", "light_intensity", "robot_color", "camera_shift", "camera_fov"}


def ran(env: VariableEnv, values: dict[str, Any]) -> np.ndarray:
    """The state of the physics after some steps."""
    env.reset(seed=3, options={"variation": env.variation_space.variation(values)})
    for _ in range(4):
        env.step(np.full(env.action_space.shape, 0.4, np.float32))
    return env.snapshot()["state"]  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("name", ["lift", "stack", "can", "square", "push"])
def test_the_physics_do_not_notice_a_look(name: str, request: pytest.FixtureRequest) -> None:
    env: VariableEnv = Metaworld("push-v3") if name == "push" else request.getfixturevalue(name)
    space = env.variation_space
    looks = {factor.name for factor in space if factor.looks_only}
    assert looks >= LOOKS
    assert not any("size" in name or "mass" in name or "friction" in name for name in looks)
    nominal = ran(env, {})
    for factor in looks:
        for value in space.factor(factor).grid(2):
            np.testing.assert_array_equal(ran(env, {factor: value}), nominal, err_msg=f"{factor}: {value}")
