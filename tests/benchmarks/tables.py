"""A diagnosed study of the toy, and the truth of variations that it does not know, by the toy's exact rates."""

import json
from pathlib import Path

from faultfield.study import Silent, Study, StudyConfig, run_all
from tests.toy import PointPolicy, PointReach

TEXT = """
policy: {type: "tests.toy:PointPolicy"}
environment: {type: "tests.toy:PointReach"}
known: {goal_color: [red, green, blue, orange], brightness: [0.3, 0.9]}
unseen: {goal_color: [crimson, cyan, white], brightness: {low: 0.2, high: 0.95, count: 4}}
rollouts: {per_variation: 4, nominal: 8, workers: 1}
field: {steps: 10}
search: {strategy: ppo, steps: 500}
diagnosis: {estimator: probe, episodes: 4}
"""

ASKED = [
    {"goal_color": "crimson"}, {"goal_color": "cyan"}, {"goal_color": "white"}, {"goal_color": "tomato"},
    {"brightness": 0.2}, {"brightness": 0.5}, {"brightness": 0.8}, {"goal_color": "crimson", "brightness": 0.4},
]  # fmt: skip


def made(directory: Path) -> Path:
    """The study's directory, diagnosed."""
    with Study(StudyConfig.parse(TEXT, "here"), directory) as study:
        run_all(study, Silent())
    return directory


def truth(path: Path, episodes: int = 20) -> Path:
    """What `faultfield rollout --json` would print if every rate came out exactly."""
    space, policy = PointReach().variation_space, PointPolicy()
    rows = [
        {"variation": v, "episodes": episodes, "failures": round(episodes * policy.failure_rate(space.variation(v)))}
        for v in ASKED
    ]
    path.write_text(json.dumps({"variations": rows}))
    return path
