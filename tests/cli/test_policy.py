"""`faultfield policy` on the toy: demonstrations under further looks, and training with strong jitter."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from faultfield.cli import app
from faultfield.errors import PolicyError
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.demos import random_looks
from faultfield.policies.jitter import STRONG
from tests.toy import PointReach

TOY = "tests.repair.toy"
WHERE = ("--environment", f"{TOY}:GripReach", "--expert", f"{TOY}:GripExpert", "--workers", "1")


def test_looks_are_drawn_from_all_that_changes_a_picture_and_nothing_else() -> None:
    looks = random_looks(f"{TOY}:GripReach", {}, 60, seed=3)
    space = PointReach().variation_space
    assert looks == random_looks(f"{TOY}:GripReach", {}, 60, seed=3)
    assert looks != random_looks(f"{TOY}:GripReach", {}, 60, seed=4)
    assert {weight for _, weight in looks} == {1.0}
    # Of the toy's factors wind changes no picture, and its goal's colour is told apart by size elsewhere.
    changed = {name for look, _ in looks for name in look}
    assert changed == {name for name in space.factors if space.factor(name).looks_only}
    assert len({look for look, _ in looks}) == len(looks) > 10
    where = {"type": f"{TOY}:GripReach", "factors": ["wind", "brightness"]}
    of_some = random_looks("faultfield.envs.randomised:Randomised", where, 60)
    assert {name for look, _ in of_some for name in look} == {"brightness"}
    where["factors"] = ["wind"]
    assert random_looks("faultfield.envs.randomised:Randomised", where, 60) == []


def test_demonstrations_are_pictured_as_further_looks_and_trained_on_strongly(tmp_path: Path) -> None:
    demos, out = tmp_path / "demos.npz", tmp_path / "policy"
    made = CliRunner().invoke(app, ["policy", "demos", "--out", str(demos), "--episodes", "2", "--looks", "3", *WHERE])
    assert made.exit_code == 0, made.output
    found = Demonstrations.load(demos)
    assert (found.count, int(found.episodes.max()) + 1) == (2, 8)
    takes = [found.pictures[found.episodes == take] for take in range(4)]
    assert all(not np.array_equal(takes[0], other) for other in takes[1:])
    train = ["policy", "train", "--demos", str(demos), "--out", str(out), "--steps", "2", "--strong"]
    assert CliRunner().invoke(app, train).exit_code == 0
    jitter = json.loads((out / "config.json").read_text())["training"]["jitter"]
    assert jitter == json.loads(json.dumps(asdict(STRONG)))


def test_strong_jitter_without_jitter_is_refused(tmp_path: Path) -> None:
    asked = ["policy", "train", "--demos", "x.npz", "--out", str(tmp_path / "out"), "--strong", "--no-jitter"]
    with pytest.raises(PolicyError, match="--no-jitter"):
        CliRunner().invoke(app, asked, catch_exceptions=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["train", "robomimic"])
def test_a_study_is_no_place_for_a_checkpoint(tmp_path: Path, command: str) -> None:
    (tmp_path / "study.yaml").write_text("name: mine\n")
    asked = ["policy", command, "--demos", "x.npz", "--out", str(tmp_path), "--steps", "2"]
    with pytest.raises(PolicyError, match="is the directory of a study; name another --out"):
        CliRunner().invoke(app, asked, catch_exceptions=False)
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]
