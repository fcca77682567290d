"""NutAssemblySquare: success as robosuite has it, and what its own factors do to the physics."""

import mujoco
import numpy as np
import pytest

from faultfield.envs import PRIVILEGED
from faultfield.envs._robosuite_tasks import NUT_ASSEMBLY_SQUARE
from faultfield.envs.robosuite import Robosuite
from tests.envs.models import begin

NUT = 9
"""Where in `qpos` the nut begins, after seven joints and two fingers."""
PEG = np.array([0.23, 0.1])


@pytest.fixture(scope="module")
def unseen() -> Robosuite:
    return Robosuite("NutAssemblySquare", images=False)


def dropped(env: Robosuite, x: float, y: float, z: float = 1.1, steps: int = 250, **values: object) -> float:
    """The height at which the nut comes to rest when it is let go beside, or above, the peg's middle."""
    begin(env, **values)
    data = env._data
    data.qpos[NUT : NUT + 7] = (PEG[0] + x, PEG[1] + y, z, 1, 0, 0, 0)
    for _ in range(steps):
        mujoco.mj_step(env._model, data)
    return float(data.qpos[NUT + 2])


def test_a_nut_around_the_peg_is_what_robosuite_calls_success(unseen: Robosuite) -> None:
    unseen.reset(seed=0)
    data, rng, found = unseen._data, np.random.default_rng(0), set()
    for index in range(300):
        place = np.array([*PEG, 0.85]) + rng.uniform(-1, 1, 3) * (0.045, 0.045, 0.04)
        data.qpos[NUT : NUT + 3] = place
        # Half of the time the arm reaches over to the pegs.
        data.qpos[:7] = np.array([0.1, 1.45, 0.05, -0.45, -0.05, 1.9, 0.95]) + rng.normal(0, 0.1, 7)
        if index % 2:
            data.qpos[0] = 1.5
        mujoco.mj_forward(unseen._model, data)
        if index % 4 == 0:
            data.site_xpos[unseen._robosuite.robots[0].eef_site_id["right"]] = place + rng.uniform(-0.04, 0.04, 3)
        ours = NUT_ASSEMBLY_SQUARE.success(unseen._world)
        assert ours == bool(unseen._robosuite._check_success()), index
        around = np.abs(place[:2] - PEG).max() < 0.03 and place[2] < 0.87
        found.add((bool(around), ours))
    # Around it and let go, around it and in the hand, beside it.
    assert found == {(True, True), (True, False), (False, False)}


def test_the_nut_falls_over_a_peg_that_fits_and_lies_on_one_that_does_not(unseen: Robosuite) -> None:
    assert dropped(unseen, 0, 0) == pytest.approx(0.83, abs=2e-3)
    assert dropped(unseen, 0, 0, peg_size=[0.02, 0.13]) == pytest.approx(0.83, abs=2e-3)
    # It tips, for its handle is heavy, but does not fall.
    assert dropped(unseen, 0, 0, peg_size=[0.03, 0.08]) > 0.85 + 0.06
    # Outside the nominal peg's bounds, where a contact would be missed were they not widened.
    assert dropped(unseen, -0.09, 0.09, peg_size=[0.15, 0.1]) == pytest.approx(0.96, abs=2e-3)
    assert dropped(unseen, -0.09, 0.09) == pytest.approx(0.83, abs=2e-3)


def test_the_truth_tells_where_the_peg_ends(unseen: Robosuite) -> None:
    tall, nominal = (begin(unseen, **values)[PRIVILEGED] for values in ({"peg_size": [0.016, 0.15]}, {}))
    np.testing.assert_allclose(nominal[7:], [*PEG, 0.95], atol=1e-6)
    np.testing.assert_allclose(tall[7:], [*PEG, 1.0], atol=1e-6)
    np.testing.assert_array_equal(tall[:7], nominal[:7])


def test_a_heavier_nut_falls_as_fast_and_is_harder_to_push_and_to_turn(unseen: Robosuite) -> None:
    def acceleration(push: float, **values: object) -> np.ndarray:
        begin(unseen, **values)
        data, body = unseen._data, unseen._model.body("SquareNut_main").id
        data.qpos[NUT + 2] += 0.3
        data.xfrc_applied[body] = (push, 0, 0, 0, 0, 1e-3 * push)
        mujoco.mj_forward(unseen._model, data)
        first = unseen._model.joint("SquareNut_joint0").dofadr[0]
        return np.array(data.qacc[first : first + 6])

    nominal = acceleration(0.1)
    assert acceleration(0.0, nut_mass=4.0)[2] == pytest.approx(-9.81, rel=1e-3)
    np.testing.assert_allclose(acceleration(0.1, nut_mass=4.0)[[0, 5]], nominal[[0, 5]] / 4, rtol=1e-2)


def test_only_a_slippery_nut_slides_down_a_slope(unseen: Robosuite) -> None:
    def speed(**values: object) -> float:
        """Of the nut on the table after 0.2 s on a slope of 30 degrees."""
        begin(unseen, **values)
        model, data = unseen._model, unseen._data
        data.qpos[NUT : NUT + 7] = (-0.1, 0.1, 0.83, 1, 0, 0, 0)
        gravity = model.opt.gravity.copy()
        model.opt.gravity[:] = 9.81 * np.array([0.5, 0.0, -np.sqrt(0.75)])
        try:
            for _ in range(100):
                mujoco.mj_step(model, data)
        finally:
            model.opt.gravity[:] = gravity
        return float(data.qvel[model.joint("SquareNut_joint0").dofadr[0]])

    assert speed() == pytest.approx(0.0, abs=0.01)
    # g (sin 30° − µ cos 30°) t, with the table's µ = 1 scaled to 0.3.
    assert speed(nut_friction=0.3) == pytest.approx(9.81 * (0.5 - 0.3 * np.sqrt(0.75)) * 0.2, rel=0.1)


def test_the_nut_lies_off_a_table_that_is_too_small(unseen: Robosuite) -> None:
    """Two of RoboMD's variations leave no table where the nut is laid: nobody can solve those."""
    assert dropped(unseen, -0.28, 0.05, 0.84, table_size=[0.8, 0.2, 0.025]) < 0.7
    assert dropped(unseen, -0.28, 0.05, 0.84) == pytest.approx(0.83, abs=2e-3)
