import numpy as np
import pytest

from faultfield.envs.base import PRIVILEGED, STATE
from faultfield.envs.robosuite import Robosuite
from faultfield.errors import PolicyError
from faultfield.policies.base import check_actions
from faultfield.policies.experts import LiftExpert, PatientLift
from tests.policies.episodes import succeeds


def seen(
    gripper: tuple[float, float, float], cube: tuple[float, float, float], opening: float
) -> dict[str, np.ndarray]:
    state = np.array([*gripper, 1, 0, 0, 0, opening / 2, -opening / 2], dtype=np.float32)
    return {STATE: state, PRIVILEGED: np.array([*cube, 0, 0, 0, 1], dtype=np.float32)}


def test_lifts_the_cube_wherever_it_lies(unseen_lift: Robosuite) -> None:
    assert [succeeds(unseen_lift, LiftExpert(), seed) for seed in range(8)] == [True] * 8


def test_lifts_the_cube_when_its_arm_is_shaken(unseen_lift: Robosuite) -> None:
    assert [succeeds(unseen_lift, LiftExpert(), seed, noise=0.3) for seed in range(100, 108)] == [True] * 8


@pytest.mark.parametrize("scale", [0.7, 1.1])
def test_lifts_smaller_and_larger_cubes_that_fit_its_gripper(unseen_lift: Robosuite, scale: float) -> None:
    variation = unseen_lift.variation_space.variation({"cube_size": scale})
    expert, lifted = LiftExpert(), 0
    for seed in range(4):
        observation, info = unseen_lift.reset(seed=seed, options={"variation": variation})
        over = False
        while not over:
            observation, _, terminated, over, info = unseen_lift.step(expert.infer(observation)["actions"][0])
            over = over or terminated
        lifted += info["success"]
    assert lifted >= 3


def test_remembers_nothing() -> None:
    expert, one, other = LiftExpert(), seen((0, 0, 1), (0.1, 0, 0.82), 0.08), seen((0, 0, 0.82), (0, 0, 0.82), 0.045)
    first = expert.infer(one)["actions"]
    expert.infer(other)
    assert np.array_equal(expert.infer(one)["actions"], first)
    assert check_actions({"actions": first}, 7).shape == (1, 7)


def test_what_it_does_by_where_the_cube_is() -> None:
    expert = LiftExpert()
    far = expert.infer(seen((0, 0, 0.9), (0.1, -0.1, 0.82), 0.08))["actions"][0]
    assert far[0] == 1
    assert far[1] == -1
    assert far[6] == -1
    between = expert.infer(seen((0, 0, 0.82), (0, 0, 0.82), 0.08))["actions"][0]
    assert between[6] == 1
    assert abs(between[2]) < 1e-6
    held = expert.infer(seen((0, 0, 0.82), (0, 0, 0.82), 0.043))["actions"][0]
    diagonally = expert.infer(seen((0, 0, 0.82), (0, 0, 0.82), 0.0594))["actions"][0]
    assert held[6] == 1
    assert held[2] > diagonally[2] > 0


def test_needs_the_truth() -> None:
    with pytest.raises(PolicyError, match=r"observation\.environment_state.*missing"):
        LiftExpert().infer({STATE: np.zeros(9, np.float32)})


def lifted(env: Robosuite, expert: LiftExpert, seeds: range, **changed: float) -> tuple[int, float]:
    """How many cubes it lifted, and in how many steps on average."""
    variation, done, steps = env.variation_space.variation(changed), 0, 0
    for seed in seeds:
        observation, info = env.reset(seed=seed, options={"variation": variation})
        expert.reset()
        over = False
        while not over:
            observation, _, terminated, truncated, info = env.step(expert.infer(observation)["actions"][0])
            over, steps = terminated or truncated, steps + 1
        done += info["success"]
    return done, steps / len(seeds)


def test_who_waits_for_the_fingers_lifts_any_cube_at_once(unseen_lift: Robosuite) -> None:
    assert [succeeds(unseen_lift, PatientLift(), seed, noise=0.3) for seed in range(100, 106)] == [True] * 6
    seeds = range(1000, 1006)
    hasty, patient = (lifted(unseen_lift, who(), seeds, cube_size=0.5) for who in (LiftExpert, PatientLift))
    assert patient[0] == 6
    assert patient[1] < 0.8 * hasty[1]
    hasty, patient = (lifted(unseen_lift, who(), seeds, cube_size=1.3) for who in (LiftExpert, PatientLift))
    assert patient[0] >= hasty[0]
    assert patient[1] < hasty[1] - 2


def test_fingers_that_still_close_or_have_not_begun_hold_nothing() -> None:
    expert = PatientLift()

    def rise(opening: float) -> float:
        return float(expert.infer(seen((0, 0, 0.82), (0, 0, 0.82), opening))["actions"][0][2])

    # At first, while they close on a small cube, and at rest: on a small one, on a large one, and wide open.
    assert [rise(opening) for opening in (0.043, 0.043, 0.03, 0.021, 0.0205)] == pytest.approx([0, 0.7, 0, 0, 0.7])
    expert.reset()
    assert [rise(opening) for opening in (0.06, 0.0595, 0.079, 0.079)] == pytest.approx([0, 0.7, 0, 0])
    # Nor do fingers that open.
    assert [rise(opening) for opening in (0.03, 0.045, 0.06)] == pytest.approx([0, 0, 0])
