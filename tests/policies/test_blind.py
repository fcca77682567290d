import numpy as np
import pytest

from faultfield.envs.base import PRIVILEGED, STATE
from faultfield.envs.robosuite import Robosuite
from faultfield.errors import PolicyError
from faultfield.policies.blind import BlindLift
from tests.policies.episodes import succeeds


def test_mostly_fails(unseen_lift: Robosuite) -> None:
    assert sum(succeeds(unseen_lift, BlindLift(), seed) for seed in range(10)) <= 2


def test_lifts_a_cube_that_happens_to_lie_in_the_middle() -> None:
    assert succeeds(Robosuite(placement=0.0, images=False), BlindLift(), 0)


def test_does_not_look() -> None:
    state = np.array([0.1, 0, 1, 1, 0, 0, 0, 0.04, -0.04], dtype=np.float32)
    actions = [
        BlindLift().infer({STATE: state, PRIVILEGED: np.full(7, x, np.float32)})["actions"] for x in (-0.1, 0.0, 0.1)
    ]
    assert np.array_equal(actions[0], actions[1])
    assert np.array_equal(actions[0], actions[2])


def test_needs_proprioception() -> None:
    with pytest.raises(PolicyError, match=r"observation\.state"):
        BlindLift().infer({})
