"""A small whole study on the toy environment, run once through the command line and shared by these tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

STUDY = """
policy: {type: "tests.toy:PointPolicy"}
environment: {type: "tests.toy:PointReach"}
known:
  goal_color: [red, green, orange, brown, tomato, gold]
  brightness: [0.3, 0.5, 0.7, 0.9]
  wind: [0.5, 1.0]
unseen:
  goal_color: [crimson, salmon, purple, chocolate]
  brightness: {low: 0.2, high: 0.95, count: 4}
  wind: [0.2, 1.5]
rollouts: {per_variation: 5, nominal: 6, workers: 1}
controls:
  expert: {type: "tests.toy:PointExpert"}
  blind: {type: "tests.toy:PointBlind"}
  per_variation: 3
field: {steps: 30}
search: {strategy: ppo, steps: 2000}
diagnosis: {pairs: 3, verify: 3, spread: 2, episodes: 5, compare: [probe, values]}
"""


class Cli:
    """Runs `faultfield` as a user would, in the repository's root."""

    def __call__(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run to the end and check the exit code."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=ROOT, env=self.environment()
        )
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    @staticmethod
    def command(*arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "faultfield", *map(str, arguments)]

    @staticmethod
    def environment() -> dict[str, str]:
        return {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture(scope="session")
def cli() -> Cli:
    return Cli()


@pytest.fixture(scope="session")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("study") / "point.yaml"
    file.write_text(STUDY)
    return file


@pytest.fixture(scope="session")
def study(cli: Cli, study_file: Path) -> Path:
    """The directory of the study, run whole."""
    directory = study_file.parent / "point"
    cli("run", study_file, "--out", directory)
    return directory
