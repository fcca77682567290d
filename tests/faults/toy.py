"""A small world with a gripper and two cubes, and an expert with phases: fast, exact, and pictured by formula.

The gripper is a point that moves by a twentieth of its action. It holds a cube that it closes on within `REACH`, unless
it is turned by more than `SKEW`. The red cube must come to rest within `CLOSE` of the goal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from faultfield.envs.base import PRIVILEGED, STATE, Observation, Snapshot, VariableEnv
from faultfield.faults.task import FaultTask, Option
from faultfield.policies.base import Actions
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.variations import NOMINAL, Color, Variation, VariationSpace, color_rgb

REACH = 0.03
SKEW = 0.3
CLOSE = 0.06
SPEED = 0.05
HEIGHT = 0.2
VIEWS = {
    "side": (0, 2), "back": (1, 2), "top": (0, 1),
    # Real environments have the cameras of a collage by their names there.
    "front": (1, 2), "wrist": (0, 2), "overhead": (0, 1),
}  # fmt: skip


class PickAndPlace(VariableEnv):
    """Bring the red cube to the goal; a green one lies beside it."""

    instruction = "Put the red cube on the mark."

    def __init__(self, horizon: int = 60) -> None:
        self.horizon = horizon
        self.variation_space = VariationSpace(
            [Color("table_color", "Change the table to {}.", nominal=(0.8, 0.8, 0.8))]
        )
        self.action_space = spaces.Box(-1.0, 1.0, (7,), np.float32)
        self.observation_space = spaces.Dict({
            STATE: spaces.Box(-np.inf, np.inf, (7,), np.float32),
            PRIVILEGED: spaces.Box(-np.inf, np.inf, (9,), np.float32),
        })  # fmt: skip
        self._variation = NOMINAL

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        super().reset(seed=seed)
        self._variation = self.variation_space.validate((options or {}).get("variation", NOMINAL))
        self._hand = np.array([0.0, 0.0, HEIGHT])
        self._turned = np.zeros(3)
        self._open = 1.0
        self._held = -1
        red = np.append(self.np_random.uniform(-0.3, 0.0, 2), 0.0)
        self._cubes = np.stack([red, red + np.array([0.15, -0.15, 0.0])])
        self._goal = np.array([0.3, 0.3, 0.0])
        self._steps = 0
        return self._observe(), {"success": False}

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        command = np.clip(np.asarray(action, dtype=np.float64), -1.0, 1.0)
        self._hand = self._hand + SPEED * command[:3]
        self._hand[2] = max(self._hand[2], 0.0)
        self._turned = self._turned + 0.5 * command[3:6]
        self._open = float(np.clip(self._open - 0.5 * command[6], 0.0, 1.0))
        near = np.linalg.norm(self._cubes - self._hand, axis=1) < REACH
        if self._open > 0.1:
            self._held = -1
        elif self._held < 0 and near.any() and np.linalg.norm(self._turned) < SKEW:
            self._held = int(np.argmax(near))
        for cube in range(2):
            self._cubes[cube] = self._hand if cube == self._held else self._cubes[cube] * (1, 1, 0)
        self._steps += 1
        success = self._held < 0 and bool(np.linalg.norm(self._cubes[0] - self._goal) < CLOSE)
        return (
            self._observe(),
            float(success),
            success,
            not success and self._steps >= self.horizon,
            {"success": success},
        )

    def snapshot(self) -> Snapshot:
        return {"hand": self._hand, "open": np.array(self._open), "cubes": self._cubes, "turned": self._turned}

    def observe(self, snapshot: Snapshot, variation: Variation) -> dict[str, NDArray[Any]]:
        return self._observe(snapshot)

    def pictures(
        self, cameras: Sequence[str], size: int, snapshot: Snapshot | None = None
    ) -> Mapping[str, NDArray[np.uint8]]:
        seen = self.snapshot() if snapshot is None else snapshot
        return {name: self._draw(seen, VIEWS[name], size) for name in cameras}

    def _draw(self, seen: Snapshot, axes: tuple[int, int], size: int) -> NDArray[np.uint8]:
        centers = (np.arange(size) + 0.5) / size - 0.5
        across, up = np.meshgrid(centers, -centers)
        picture = np.empty((size, size, 3))
        picture[:] = color_rgb(self._variation.get("table_color", (0.8, 0.8, 0.8)))  # type: ignore[arg-type]
        for place, radius, color in (
            (self._goal, 0.06, (0.2, 0.2, 0.9)),
            (seen["cubes"][0], 0.05, (0.9, 0.1, 0.1)),
            (seen["cubes"][1], 0.05, (0.1, 0.8, 0.1)),
            (seen["hand"], 0.02 + 0.03 * float(seen["open"]), (0.1, 0.1, 0.1)),
        ):  # fmt: skip
            inside = (place[axes[0]] - across) ** 2 + (place[axes[1]] - up) ** 2 < radius**2
            picture[inside] = color
        return (255 * picture).astype(np.uint8)

    def _observe(self, seen: Snapshot | None = None) -> dict[str, NDArray[Any]]:
        seen = self.snapshot() if seen is None else seen
        return {
            STATE: np.concatenate([seen["hand"], seen["turned"], [seen["open"]]]).astype(np.float32),
            PRIVILEGED: np.concatenate([*seen["cubes"], self._goal]).astype(np.float32),
        }


class Expert:
    """Approach, grasp, lift, move, place: the next phase begins where the last has come to its end.

    Args:
        stubborn: Never succeeds.
        lost: Never leaves its first phase where the red cube lies behind this, metres along x.

    Attributes:
        order: The phases that it goes through.
    """

    phases = ("approach", "grasp", "lift", "move", "place")
    objects = ("red cube", "green cube")

    def __init__(self, stubborn: bool = False, lost: float = -1.0) -> None:
        self.stubborn, self.lost, self.order = stubborn, lost, self.phases
        self.reset()

    def reset(self) -> None:
        self._todo = list(self.order)
        self._steps = 0

    @property
    def phase(self) -> str:
        return self._todo[0]

    def infer(self, observation: Observation) -> Actions:
        hand, state = observation[STATE][:3].astype(float), observation[PRIVILEGED].astype(float)
        cube, goal, up = state[:3], state[6:9], np.array([0, 0, HEIGHT])
        wanted, grip = {
            "approach": (cube, -1.0),
            "grasp": (cube, 1.0),
            "lift": (hand * (1, 1, 0) + up, 1.0),
            "move": (goal + up, 1.0),
            "place": (goal, -1.0 if np.linalg.norm(hand - goal) < 0.02 else 1.0),
        }[self.phase]
        self._steps += 1
        done = (
            np.linalg.norm(hand - wanted) < 0.02
            and self.phase != "place"
            and (self.phase != "grasp" or self._steps > 3)
            and (self.phase != "approach" or cube[0] > self.lost)
        )
        if done and len(self._todo) > 1:
            self._todo.pop(0)
            self._steps = 0
            return self.infer(observation)
        action = np.zeros(7)
        action[:3] = np.clip((wanted - hand) / SPEED, -1, 1)
        action[6] = grip
        if self.stubborn:
            action[6] = -1.0
        return {"actions": action.astype(np.float32)[None]}


def _moved(phase: str, *things: str) -> tuple[Option, ...]:
    return tuple(Option(f"translation_{axis}", phase, "red cube", 0.05, 0.15, things, signs=signs)
                 for axis, signs in (("x", (-1, 1)), ("y", (-1, 1)), ("z", (1,))))  # fmt: skip


def pick(stubborn: bool = False, lost: float = -1.0, name: str = "tests.faults.toy:pick") -> FaultTask:
    """The task with every fault that it allows."""
    return FaultTask(
        name=name,
        environment=EnvSpec("tests.faults.toy:PickAndPlace"),
        expert=PolicySpec("tests.faults.toy:Expert", {"stubborn": stubborn, "lost": lost}),
        cameras={"front": "back", "wrist": "side", "overhead": "top"},
        phases=Expert.phases,
        things={"red cube": 0, "green cube": 3, "goal": 6},
        options=(
            *_moved("approach", "red cube"),
            *_moved("move", "goal"),
            Option("no_grasp", "grasp", "red cube"),
            Option("slip", "lift", "red cube", delays=(0, 2)),
            Option("slip", "move", "red cube", delays=(0, 3)),
            *(Option(f"rotation_{axis}", "approach", "red cube", 0.4, 0.8) for axis in "xyz"),
            Option("wrong_object", "approach", "green cube", things=("red cube", "green cube"), target="red cube"),
            *(Option("wrong_sequence", phase, "red cube") for phase in ("grasp", "lift")),
        ),
        varied=("table_color",),
    )


def unsolved() -> FaultTask:
    """A task whose expert never succeeds."""
    return pick(stubborn=True, name="tests.faults.toy:unsolved")


def losing() -> FaultTask:
    """A task whose expert, in one of four episodes, fails before it comes to the second phase."""
    return pick(lost=-0.22, name="tests.faults.toy:losing")


def namesake() -> FaultTask:
    """A task under the name of another one, and with shorter episodes."""
    return replace(pick(), environment=EnvSpec("tests.faults.toy:PickAndPlace", {"horizon": 58}))


def unseen() -> FaultTask:
    """The same under another name."""
    return pick(name="tests.faults.toy:unseen")
