from collections.abc import Callable

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from faultfield.envs.base import PRIVILEGED, STATE
from faultfield.envs.robosuite import Robosuite
from faultfield.errors import PolicyError
from faultfield.policies.base import Policy, check_actions
from faultfield.policies.scripted import ScriptedCan, ScriptedLift, ScriptedSquare, ScriptedStack
from faultfield.policies.scripted_phases import Scripted, yaw_of_cube

Change = Callable[[Scripted, np.ndarray], None]
"""Something done to an action before it is executed."""


@pytest.fixture(scope="module")
def unseen_stack() -> Robosuite:
    return Robosuite("Stack", images=False)


@pytest.fixture(scope="module")
def unseen_can() -> Robosuite:
    return Robosuite("PickPlaceCan", images=False)


@pytest.fixture(scope="module")
def unseen_square() -> Robosuite:
    return Robosuite("NutAssemblySquare", images=False)


class Run:
    """An episode: whether it succeeded, the phases in their order, and what was observed at each step."""

    def __init__(self, env: Robosuite, expert: Scripted, seed: int, change: Change | None = None) -> None:
        observation, info = env.reset(seed=seed)
        expert.reset()
        self.states, self.truths, phases, over = [], [], [], False
        while not over:
            action = expert.infer(observation)["actions"][0]
            if change is not None:
                change(expert, action)
            self.states.append(observation[STATE])
            self.truths.append(observation[PRIVILEGED])
            phases.append(expert.phase)
            observation, _, terminated, over, info = env.step(action)
            over = over or terminated
        self.success, self.steps = bool(info["success"]), len(phases)
        self.counts = {phase: phases.count(phase) for phase in dict.fromkeys(phases)}

    def yaw(self, phase: str) -> float:
        """Of the hand at the end of a phase, radians; the fingers open along its second axis."""
        names = list(self.counts)
        last = sum(self.counts[name] for name in names[: names.index(phase) + 1]) - 1
        fingers = Rotation.from_quat(self.states[last][3:7]).as_matrix()[:, 1]
        return float(np.arctan2(fingers[1], fingers[0]))


def test_lifts_any_cube(unseen_lift: Robosuite) -> None:
    runs = [Run(unseen_lift, ScriptedLift(), seed) for seed in range(500, 510)]
    assert all(run.success for run in runs)
    assert max(run.steps for run in runs) <= 50


@pytest.mark.slow
def test_stacks_the_cubes(unseen_stack: Robosuite) -> None:
    runs = [Run(unseen_stack, ScriptedStack(), seed) for seed in range(500, 506)]
    assert all(run.success for run in runs)
    assert max(run.steps for run in runs) <= 120
    assert list(runs[0].counts) == list(ScriptedStack.phases[:7])


@pytest.mark.slow
def test_brings_the_can(unseen_can: Robosuite) -> None:
    runs = [Run(unseen_can, ScriptedCan(), seed) for seed in range(500, 504)]
    assert all(run.success for run in runs)
    assert max(run.steps for run in runs) <= 200
    assert list(runs[0].counts) == list(ScriptedCan.phases)


@pytest.mark.slow
def test_puts_the_nut_over_the_peg(unseen_square: Robosuite) -> None:
    runs = [Run(unseen_square, ScriptedSquare(), seed) for seed in range(500, 504)]
    assert all(run.success for run in runs)
    assert max(run.steps for run in runs) <= 200
    assert list(runs[0].counts) == list(ScriptedSquare.phases[:7])


def test_the_wrist_stays_within_its_limits_whichever_way_the_nut_lies() -> None:
    expert = ScriptedSquare()
    for nut in np.linspace(-np.pi, np.pi, 73):
        expert.reset()
        state = np.array([-0.1, 0, 1, 1, 0, 0, 0, 0.04, -0.04], np.float32)
        truth = np.array([-0.05, 0.15, 0.83, *Rotation.from_euler("z", nut).as_quat(), 0.23, 0.1, 0.95], np.float32)
        expert.infer({STATE: state, PRIVILEGED: truth})
        assert all(-1.5 <= yaw <= 3.4 for yaw in (expert._angle, expert._final))
        # The fingers close on the handle's sides, and turned as far as the hand the handle points at the robot.
        assert np.sin(expert._angle - nut) == pytest.approx(0.0, abs=1e-5)
        assert np.cos(nut + expert._final - expert._angle) == pytest.approx(-1.0, abs=1e-5)
        assert abs(expert._angle) + abs(expert._final - expert._angle) <= 1.5 * np.pi + 0.1


def aslant(env: Robosuite, seed: int) -> float:
    """How far the cube of a seed is turned, in (−45, 45] degrees."""
    return float(np.degrees(yaw_of_cube(env.reset(seed=seed)[0][PRIVILEGED].astype(float))))


def test_the_hand_is_turned_to_the_cubes_sides_unless_it_keeps_its_yaw(unseen_lift: Robosuite) -> None:
    seed = next(seed for seed in range(100) if 30 <= abs(aslant(unseen_lift, seed)) <= 40)
    aligned, held = Run(unseen_lift, ScriptedLift(), seed), Run(unseen_lift, ScriptedLift(yaw=False), seed)
    start = np.arctan2(*Rotation.from_quat(held.states[0][3:7]).as_matrix()[[1, 0], 1])
    assert abs(np.degrees(held.yaw("descend") - start)) < 3
    turned = np.degrees(aligned.yaw("descend")) - aslant(unseen_lift, seed)
    assert abs((turned + 45) % 90 - 45) < 4


def test_the_fingers_keep_clear_of_the_other_cube(unseen_stack: Robosuite) -> None:
    expert = ScriptedStack()
    close = 0
    for seed in range(60):
        observation = unseen_stack.reset(seed=seed)[0]
        truth = observation[PRIVILEGED].astype(float)
        expert.reset()
        expert.infer(observation)
        way = truth[7:9] - truth[:2]
        fingers = np.array([np.sin(expert._angle), -np.cos(expert._angle)])
        # Along the line of the fingers, an open finger ends 6 cm from the cube's middle; across, it is 2 cm wide.
        along = abs(way @ fingers)
        across = float(np.sqrt(max(way @ way - along**2, 0.0)))
        close += bool(np.linalg.norm(way) < 0.09)
        assert along > 0.06 + 0.02 or across > 0.01 + 0.025, seed
    assert close > 5


def seen(cube: tuple[float, float, float], turn: float = 0.0, gripper: tuple[float, ...] = (0, 0, 1)) -> dict:
    state = np.array([*gripper, 1, 0, 0, 0, 0.04, -0.04], dtype=np.float32)
    quaternion = Rotation.from_euler("z", turn).as_quat()
    return {STATE: state, PRIVILEGED: np.array([*cube, *quaternion], dtype=np.float32)}


def test_it_believes_what_it_is_told() -> None:
    expert = ScriptedLift()
    observation = seen((0.0, 0.0, 0.82))
    straight = expert.infer(observation)["actions"][0]
    assert abs(straight[0]) < 1e-6
    expert.shifts["approach"] = np.array([0.02, -0.01, 0.0])
    misled = expert.infer(observation)["actions"][0]
    assert misled[0] == pytest.approx(2 * 0.02 / 0.05)
    assert misled[1] == pytest.approx(-2 * 0.01 / 0.05)
    expert.reset()
    assert expert.infer(observation)["actions"][0][0] == pytest.approx(2 * 0.02 / 0.05)
    expert.shifts.clear()
    expert.tilts["approach"] = np.array([0.0, 0.2, 0.0])
    tilted = expert.infer(observation)["actions"][0]
    np.testing.assert_allclose(tilted[3:6], [0, 1.5 * 0.2 / 0.5, 0], atol=1e-5)


@pytest.mark.parametrize("turn", [-0.7, -0.3, 0.0, 0.5, 0.78])
@pytest.mark.parametrize("side", [[0, 0, 0], [90, 0, 0], [0, -90, 0], [180, 0, 0]])
def test_the_yaw_of_a_cube_on_any_of_its_sides(turn: float, side: list[float]) -> None:
    turned = Rotation.from_euler("z", turn) * Rotation.from_euler("xyz", side, degrees=True)
    for quarter in range(4):
        pose = np.concatenate([np.zeros(3), (Rotation.from_euler("z", quarter * np.pi / 2) * turned).as_quat()])
        assert yaw_of_cube(pose) == pytest.approx(turn, abs=1e-6)


def test_what_is_not_above_its_place_is_lowered_where_it_is() -> None:
    def sideways(aside: float, shift: float = 0.0) -> float:
        expert = ScriptedStack(order=("lower",))
        expert.shifts["lower"] = np.array([shift, 0.0, 0.0])
        state = np.array([0.1 + aside, 0.1, 0.95, 1, 0, 0, 0, 0.02, -0.02], np.float32)
        truth = np.array([0.1 + aside, 0.1, 0.95, 0, 0, 0, 1, 0.1, 0.1, 0.825, 0, 0, 0, 1], np.float32)
        action = expert.infer({STATE: state, PRIVILEGED: truth})["actions"][0]
        assert action[2] < 0
        return float(action[0])

    assert sideways(0.02) == pytest.approx(-2 * 0.02 / 0.05)
    assert sideways(0.2) == pytest.approx(0.0, abs=1e-6)
    # Where it believes the place to be counts.
    assert sideways(0.2, shift=0.2) == pytest.approx(0.0, abs=1e-6)
    assert sideways(0.2, shift=0.19) == pytest.approx(-2 * 0.01 / 0.05, abs=1e-6)


def test_phases_come_in_the_given_order_and_never_hang() -> None:
    expert = ScriptedStack(order=("approach", "descend", "lift", "release"))
    observation = {
        STATE: np.array([0, 0, 1, 1, 0, 0, 0, 0.04, -0.04], np.float32),
        PRIVILEGED: np.array([0, 0, 5, 0, 0, 0, 1, 0.1, 0.1, 0.825, 0, 0, 0, 1], np.float32),
    }
    phases = []
    for _ in range(150):
        action = check_actions(expert.infer(observation), 7)[0]
        phases.append(expert.phase)
        assert action[6] == -1
    # A hand that never moves: every phase takes its patience, and the last one stays.
    assert list(dict.fromkeys(phases)) == ["approach", "descend", "lift", "release"]
    assert [phases.count(name) for name in ("approach", "descend", "lift")] == [45, 25, 25]


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["open fingers", "beside the cube", "slips on the way", "no grasp phase", "wrong cube", "no way down"]
)
def test_what_is_done_to_it_makes_it_fail_and_the_episode_goes_on(unseen_stack: Robosuite, fault: str) -> None:
    expert, change = ScriptedStack(), None
    if fault == "open fingers":

        def change(expert: Scripted, action: np.ndarray) -> None:
            action[6] = -1.0

    elif fault == "slips on the way":

        def change(expert: Scripted, action: np.ndarray) -> None:
            if expert.phase not in ("approach", "descend", "grasp"):
                action[6] = -1.0

    elif fault == "beside the cube":
        expert.shifts = {phase: np.array([0.05, 0.0, 0.0]) for phase in ("approach", "descend")}
    elif fault == "wrong cube":
        expert.targets = {"pick": "green cube", "place": "red cube"}
    else:
        left_out = "grasp" if fault == "no grasp phase" else "descend"
        expert.order = tuple(phase for phase in expert.phases if phase != left_out)
    run = Run(unseen_stack, expert, 501, change)
    assert not run.success
    assert run.steps == 200
    assert list(run.counts) == list(expert.order)
    if fault == "wrong cube":
        red, green = run.truths[-1][:3], run.truths[-1][7:10]
        assert green[2] > red[2] + 0.03
    # Wherever it was led, the hand stayed above the table and within reach.
    positions = np.array(run.states)[:, :3]
    assert positions[:, 2].min() > 0.8
    assert np.abs(positions[:, :2]).max() < 0.4


def test_other_names_and_orders() -> None:
    expert = ScriptedStack(objects=("blue cube", "tan cube"))
    assert expert.objects == ("blue cube", "tan cube")
    assert expert.targets == {"pick": "blue cube", "place": "tan cube"}
    assert ScriptedStack().objects == ("red cube", "green cube")
    assert isinstance(expert, Policy)
    with pytest.raises(PolicyError, match="takes 1 objects and an order of approach, descend, grasp, lift"):
        ScriptedLift(order=("approach", "move"))
    with pytest.raises(PolicyError, match="takes 2 objects"):
        ScriptedStack(objects=("cube",))


def test_needs_the_truth() -> None:
    with pytest.raises(PolicyError, match=r"observation\.environment_state.*missing"):
        ScriptedLift().infer({STATE: np.zeros(9, np.float32)})


def test_robosuite_calls_the_objects_as_the_experts_do(
    unseen_stack: Robosuite, unseen_can: Robosuite, unseen_square: Robosuite
) -> None:
    assert unseen_stack.objects == ScriptedStack().objects
    assert unseen_can.objects == ScriptedCan().objects
    assert unseen_square.objects == ScriptedSquare().objects
