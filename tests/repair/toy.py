"""The toy as something to be mended: a gripper that does nothing, an image policy, and a diagnosis written by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray

from faultfield.diagnosis.context import EnvironmentInfo, PolicyInfo, StudyInfo
from faultfield.diagnosis.entries import Known, Ranked, Rate, ranked
from faultfield.diagnosis.result import Diagnosis
from faultfield.envs.base import Observation
from faultfield.policies.base import Actions
from faultfield.policies.bc import Architecture, save_checkpoint
from faultfield.policies.demos import gather
from faultfield.policies.training import train
from faultfield.study import Study, StudyConfig
from tests.toy import SIZE, PointExpert, PointReach

TEXT = """
policy: {{type: "{policy}", {arguments}}}
environment: {{type: "tests.repair.toy:GripReach"}}
known: {{goal_color: [green, blue, orange], brightness: [0.5]}}
unseen: {{goal_color: [cyan, magenta, [0.0, 0.8, 0.1]]}}
rollouts: {{per_variation: 3, nominal: 10, workers: 1}}
controls: {{expert: {{type: "tests.repair.toy:GripExpert"}}, per_variation: 3}}
"""


class GripReach(PointReach):
    """PointReach with actions as a robot arm's: x, y, a third number and a gripper, of which only two matter."""

    def __init__(self, horizon: int = 20) -> None:
        super().__init__(horizon)
        self.action_space = spaces.Box(-1.0, 1.0, (4,), np.float32)

    def step(self, action: NDArray[Any]) -> tuple[dict[str, NDArray[Any]], float, bool, bool, dict[str, Any]]:
        return super().step(np.asarray(action)[:2])


class GripExpert(PointExpert):
    """PointExpert for it."""

    def infer(self, observation: Observation) -> Actions:
        x, y = super().infer(observation)["actions"][0]
        return {"actions": np.array([[x, y, 0.0, -1.0]], np.float32)}


class Idle(PointExpert):
    """Never moves."""

    def infer(self, observation: Observation) -> Actions:
        return {"actions": np.zeros((1, 4), np.float32)}


def demonstrations(path: Path, episodes: int | None, **settings: Any) -> Path:
    """Nominal demonstrations."""
    gather(
        path, episodes=episodes, expert="tests.repair.toy:GripExpert", environment="tests.repair.toy:GripReach",
        camera="top", **settings,
    )  # fmt: skip
    return path


def taught(directory: Path, demos: Path, steps: int = 500) -> Path:
    """A checkpoint that has only seen the nominal picture."""
    train(demos, directory, steps=steps, jitter=False, learning_rate=2e-3)
    return directory


def untaught(directory: Path) -> Path:
    """A checkpoint of random weights, for tests that never ask it."""
    architecture = Architecture("top", SIZE, 2, 4)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_checkpoint(directory, architecture, architecture.build(), {})
    return directory


def study(directory: Path, checkpoint: Path | None = None, *, fails: bool = True, policy: str | None = None) -> Study:
    """A diagnosed study of a checkpoint, or of another policy; its diagnosis says what everybody knows of the toy."""
    policy = policy or ("tests.toy:PointPolicy" if checkpoint is None else "faultfield.policies.bc:VisualBC")
    arguments = f"checkpoint: {checkpoint}" if checkpoint is not None else ""
    made = Study(StudyConfig.parse(TEXT.format(policy=policy, arguments=arguments), "here"), directory)
    write_diagnosis(made, fails=fails)
    return made


def write_diagnosis(made: Study, *, fails: bool = True) -> None:
    """Green, blue, cyan and another green fail; orange and dim do not; a strong wind is infeasible."""
    space = made.space
    bad = 10 if fails else 0
    known = [
        Known.counted(space.variation({"goal_color": "green"}), bad, 10, expert=(0, 3)),
        Known.counted(space.variation({"goal_color": "blue"}), bad * 9 // 10, 10, expert=(0, 3)),
        Known.counted(space.variation({"goal_color": "orange"}), 1, 10, expert=(0, 3)),
        Known.counted(space.variation({"brightness": 0.5}), 0, 10, expert=(0, 3)),
        Known.counted(space.variation({"wind": 2.0}), 10, 10, expert=(3, 3), infeasible=True),
    ]
    ranking = [
        Ranked.estimated(space.variation({"goal_color": [0.0, 0.8, 0.1]}), bad / 11, 0.0, 1.0, 0.9, infeasible=False),
        Ranked.estimated(space.variation({"goal_color": "cyan"}), bad / 12, 0.0, 1.0, 0.9, infeasible=False),
        Ranked.estimated(space.variation({"goal_color": "magenta"}), 0.1, 0.0, 1.0, 0.9, infeasible=False),
        Ranked.estimated(space.variation({"wind": 1.9}), 0.95, 0.0, 1.0, 0.9, infeasible=True),
    ]
    Diagnosis(
        study=StudyInfo(name=made.name, hash="0" * 16, command="faultfield run"),
        policy=PolicyInfo(type=made.policy_spec.type, fingerprint=made.identity["policy"], arguments={}),
        environment=EnvironmentInfo(
            type=made.env_spec.type, fingerprint=made.identity["environment"], arguments={},
            instruction=made.env.instruction, factors=[],
        ),
        nominal=Rate.of(0, 10),
        known=known,
        ranking=ranked(ranking),
    ).write(made.directory / "diagnosis.json")  # fmt: skip
