import itertools
import subprocess
import sys

import numpy as np
import pytest

from faultfield.envs.base import PRIVILEGED, STATE, Observation
from faultfield.envs.metaworld import GOAL, HAND, OBJECT, OPENING, TASKS, Metaworld
from faultfield.errors import EnvError, PolicyError
from faultfield.policies.base import Policy, check_actions
from faultfield.policies.metaworld import PHASES, READS_GOAL, MetaworldExpert

TRIED = ("push-v3", "bin-picking-v3", "assembly-v3", "drawer-open-v3", "plate-slide-v3", "hand-insert-v3",
         "pick-out-of-hole-v3", "window-open-v3", "faucet-open-v3", "button-press-v3")  # fmt: skip


@pytest.fixture(scope="module")
def envs() -> dict[str, Metaworld]:
    return {task: Metaworld(task, images=False) for task in TRIED}


def run(env: Metaworld, expert: MetaworldExpert, seed: int) -> tuple[bool, list[str], list[np.ndarray]]:
    """Success, the phases in the order in which they came, and all that the simulator knows at every step."""
    observation, info = env.reset(seed=seed)
    expert.reset()
    phases, states, over = [expert.phase], [observation[PRIVILEGED]], False
    while not over:
        action = check_actions(expert.infer(observation), 4)[0]
        if phases[-1] != expert.phase:
            phases.append(expert.phase)
        observation, _, terminated, truncated, info = env.step(action)
        states.append(observation[PRIVILEGED])
        over = terminated or truncated
    return info["success"], phases, states


@pytest.mark.parametrize("task", TRIED)
def test_it_solves_its_task_phase_by_phase(envs: dict[str, Metaworld], task: str) -> None:
    expert = MetaworldExpert(task)
    assert isinstance(expert, Policy)
    assert expert.objects == envs[task].objects
    solved = [run(envs[task], expert, seed) for seed in range(10, 14)]
    assert [success for success, _, _ in solved] == [True] * 4
    assert [phases for _, phases, _ in solved].count(list(expert.phases)) >= 3


def test_the_object_leaves_the_ground_when_lifting_begins(envs: dict[str, Metaworld]) -> None:
    expert, env = MetaworldExpert("bin-picking-v3"), envs["bin-picking-v3"]
    observation, _ = env.reset(seed=3)
    expert.reset()
    heights: dict[str, list[float]] = {}
    over = False
    while not over:
        action = expert.infer(observation)["actions"][0]
        heights.setdefault(expert.phase, []).append(float(observation[PRIVILEGED][OBJECT][2]))
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
    rest = heights["approach"][0]
    assert max(heights["grasp"]) < rest + 0.015
    assert min(heights["lift"]) > rest + 0.008
    assert min(heights["move"]) > rest + 0.05


def test_the_gripper_closes_to_grasp_and_not_before(envs: dict[str, Metaworld]) -> None:
    expert, env = MetaworldExpert("push-v3"), envs["push-v3"]
    observation, _ = env.reset(seed=11)
    expert.reset()
    commands: dict[str, list[float]] = {}
    over = False
    while not over:
        action = expert.infer(observation)["actions"][0]
        commands.setdefault(expert.phase, []).append(float(action[3]))
        observation, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
    assert max(commands["approach"]) <= 0
    assert commands["grasp"][-1] > 0
    assert min(commands["push"]) > 0


class Mistaken:
    """Hands the expert a false place of the object or the goal."""

    def __init__(self, expert: MetaworldExpert, place: slice, offset: tuple[float, float, float]) -> None:
        self._expert, self._place, self._offset = expert, place, offset
        self.reset, self.phases = expert.reset, expert.phases

    @property
    def phase(self) -> str:
        return self._expert.phase

    def infer(self, observation: Observation) -> dict[str, np.ndarray]:
        state = observation[PRIVILEGED].copy()
        state[self._place] += self._offset
        return self._expert.infer({**observation, PRIVILEGED: state})


def test_it_goes_where_it_believes_the_object_to_be(envs: dict[str, Metaworld]) -> None:
    mistaken = Mistaken(MetaworldExpert("push-v3"), OBJECT, (0.08, 0.0, 0.0))
    success, _, states = run(envs["push-v3"], mistaken, seed=10)  # type: ignore[arg-type]
    assert not success
    lowest = min(states, key=lambda state: state[HAND][2])
    np.testing.assert_allclose((lowest[HAND] - lowest[OBJECT])[:2], (0.08 - 0.005, 0.0), atol=0.03)


def test_it_goes_where_it_believes_the_goal_to_be(envs: dict[str, Metaworld]) -> None:
    mistaken = Mistaken(MetaworldExpert("push-v3"), GOAL, (-0.1, 0.0, 0.0))
    success, _, states = run(envs["push-v3"], mistaken, seed=10)  # type: ignore[arg-type]
    assert not success
    np.testing.assert_allclose((states[-1][OBJECT] - states[-1][GOAL])[:2], (-0.1, 0.0), atol=0.03)


@pytest.mark.parametrize("task", TASKS)
def test_what_it_reads_of_the_goal_is_as_told(task: str) -> None:
    expert = MetaworldExpert(task)
    read = set()
    # Hand, object and goal as they come up on the way: the hand at the object or behind it, low and high, before a wall
    # and past it, the goal near or far.
    ways = itertools.product(
        ((-0.02, 0.0), (0.0, 0.0), (0.0, -0.055)),
        (0.0, 0.03, 0.05),
        (0.5, 1.0),
        ((0.65, 0.02), (0.65, 0.16), (0.65, 0.32), (0.85, 0.32)),
        ((0.005, 0.02, 0.0), (-0.15, 0, -0.14)),
    )
    for aside, gap, opening, place, far in ways:
        state = np.zeros(39)
        state[HAND] = (0.05, *place)
        state[OBJECT], state[GOAL] = state[HAND] - (*aside, gap), state[HAND] + far
        state[OPENING] = opening
        for axis, by in itertools.product(range(3), (-0.03, 0.005)):
            other = state.copy()
            other[GOAL.start + axis] += by
            if not np.array_equal(*(expert.infer({PRIVILEGED: seen})["actions"] for seen in (state, other))):
                read.add("xyz"[axis])
    assert "".join(sorted(read)) == READS_GOAL.get(task, "")


def test_every_task_has_an_expert_and_phases() -> None:
    assert set(PHASES) == set(TASKS)
    for task in TASKS:
        expert = MetaworldExpert(task)
        assert expert.phase == expert.phases[0]


def test_losing_the_object_begins_anew() -> None:
    expert = MetaworldExpert("pick-place-v3")
    state = np.zeros(39, np.float32)
    state[OBJECT], state[GOAL] = (0.0, 0.6, 0.02), (0.0, 0.8, 0.2)

    def phase(hand: tuple[float, float, float], height: float) -> str:
        state[HAND], state[OBJECT.start + 2] = hand, height
        expert.infer({PRIVILEGED: state})
        return expert.phase

    assert phase((0.1, 0.5, 0.2), 0.02) == "approach"
    assert phase((0.0, 0.6, 0.05), 0.02) == "grasp"
    assert phase((0.0, 0.6, 0.12), 0.1) == "move"
    assert phase((0.0, 0.6, 0.05), 0.02) == "move"
    assert phase((0.0, 0.7, 0.2), 0.02) == "approach"
    assert phase((0.0, 0.6, 0.05), 0.02) == "grasp"
    expert.reset()
    assert expert.phase == "approach"


def test_the_observation_is_left_as_it_was() -> None:
    # metaworld's policy for doors writes into what it is given.
    state = np.linspace(0.0, 0.9, 39, dtype=np.float32)
    given = state.copy()
    MetaworldExpert("door-open-v3").infer({PRIVILEGED: given})
    np.testing.assert_array_equal(given, state)


def test_it_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    MetaworldExpert("reach-v3").infer({PRIVILEGED: np.full(39, 5.0, np.float32)})
    assert not recwarn.list


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(EnvError, match="no metaworld task 'Lift'"):
        MetaworldExpert("Lift")
    with pytest.raises(PolicyError, match=r"observation\.environment_state.*missing"):
        MetaworldExpert("reach-v3").infer({STATE: np.zeros(4, np.float32)})
    with pytest.raises(PolicyError, match=r"\(39,\), not \(7,\)"):
        MetaworldExpert("reach-v3").infer({PRIVILEGED: np.zeros(7, np.float32)})


def test_a_missing_metaworld_is_named_in_one_sentence() -> None:
    code = (
        "import sys; sys.modules['metaworld.policies'] = None\n"
        "from faultfield.policies.metaworld import MetaworldExpert\n"
        "from faultfield.errors import SetupError\n"
        "try:\n    MetaworldExpert('reach-v3')\nexcept SetupError as error:\n    print(error)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert "pip install 'faultfield[metaworld]'" in told
    assert told.count("\n") == 1
