"""A small collected study, its episodes, and recordings made by a plain loop of our own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from faultfield.exports.recording import Recording
from faultfield.rollouts.episode import Episode
from faultfield.study import Silent, Study, StudyConfig, stages
from tests.toy import PointPolicy, PointReach

STUDY = """
policy: {type: "tests.toy:PointPolicy"}
environment: {type: "tests.toy:PointReach"}
known: {goal_color: [red, green], brightness: [0.5]}
unseen: {brightness: [0.4]}
rollouts: {per_variation: 3, nominal: 3, workers: 1}
controls: {expert: {type: "tests.toy:PointExpert"}, per_variation: 2}
"""


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study(StudyConfig.parse(STUDY, "here"), tmp_path_factory.mktemp("study") / "point")
    stages.collect(study, Silent())
    return study


@pytest.fixture(scope="session")
def episodes(study: Study) -> list[Episode]:
    """The policy's, with their first pictures; some succeeded and some failed."""
    found = study.ledger.episodes(policy=study.identity["policy"])
    assert {episode.success for episode in found} == {True, False}
    return found


@pytest.fixture(scope="session")
def recordings(episodes: list[Episode]) -> list[Recording]:
    return [by_hand(episode) for episode in episodes]


def by_hand(episode: Episode) -> Recording:
    """The episode, stepped without the runner."""
    env, policy = PointReach(), PointPolicy()
    observation, _ = env.reset(seed=episode.seed, options={"variation": episode.variation})
    seen, actions, rewards, states = [observation], [], [], [env.snapshot()]
    over = False
    while not over:
        action = policy.infer(observation)["actions"][0]
        observation, reward, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
        actions.append(action)
        rewards.append(reward)
        seen.append(observation)
        states.append(env.snapshot())

    def stacked(rows: list[dict[str, Any]]) -> dict[str, Any]:
        return {name: np.stack([row[name] for row in rows]) for name in rows[0]}

    pictures = {"front": stacked(seen)["observation.images.top"][:8]}
    return Recording(episode, stacked(seen), np.stack(actions), np.array(rewards), stacked(states), pictures)


def place(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder
