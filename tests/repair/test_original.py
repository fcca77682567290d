"""The original demonstrations: of the right task, or made again by the checkpoint's own recipe."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faultfield.errors import PolicyError
from faultfield.policies.bc import CONFIG
from faultfield.policies.demonstrations import Demonstrations
from faultfield.repair.mending import VISUAL_BC
from faultfield.repair.original import check_mended, check_original, learned_from
from faultfield.repair.regather import gather_again, picture_again
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.variations import Variation
from tests.repair import toy

ENV = EnvSpec("tests.repair.toy:GripReach")


def with_recipe(path: Path, demos: Demonstrations, **changes: object) -> Path:
    recipe = ({**demos.recipe[0], **changes},)
    Demonstrations(demos.pictures, demos.states, demos.actions, demos.episodes, recipe).save(path)
    return path


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Demonstrations:
    return Demonstrations.load(toy.demonstrations(tmp_path_factory.mktemp("original") / "d.npz", 30, seed=4))


def checkpoint(directory: Path, *recipes: dict[str, object]) -> Path:
    directory.mkdir()
    (directory / CONFIG).write_text(json.dumps({"training": {"demonstrations": list(recipes)}}))
    return directory


def test_of_another_task_is_refused(demos: Demonstrations, tmp_path: Path) -> None:
    assert len(check_original(with_recipe(tmp_path / "same.npz", demos), ENV)) == len(demos)
    lift = EnvSpec("faultfield.envs.robosuite:Robosuite", {"size": 84})
    with pytest.raises(PolicyError, match=r"of another task \(GripReach\); the study's is Robosuite Lift"):
        check_original(tmp_path / "same.npz", lift)
    stack = with_recipe(
        tmp_path / "stack.npz", demos, environment=lift.type, environment_arguments={"task": "Stack", "size": 84}
    )
    with pytest.raises(PolicyError, match=r"\(Robosuite Stack\)"):
        check_original(stack, lift)
    varied = {"type": lift.type, "share": 0.5, "placement": 0.1}
    same = with_recipe(
        tmp_path / "varied.npz", demos, environment="faultfield.envs.randomised:Randomised",
        environment_arguments=varied,
    )  # fmt: skip
    assert check_original(same, lift), "a varied environment has the task of what it varies"


def test_a_mended_checkpoint_of_another_task_is_refused(demos: Demonstrations, tmp_path: Path) -> None:
    lift = EnvSpec("faultfield.envs.robosuite:Robosuite", {"size": 84})
    made = checkpoint(tmp_path / "c", dict(demos.recipe[0]))
    check_mended(made, ENV)
    with pytest.raises(PolicyError, match=r"c' is of another task \(GripReach\); the study's is Robosuite Lift"):
        check_mended(made, lift)
    check_mended(tmp_path, lift)  # It does not say what it learned.
    check_mended(made, lift, made)  # As the one before it did, in an environment that goes by another name by now.
    two = dict(demos.recipe[0], environment=lift.type, environment_arguments={"size": 84})
    check_mended(checkpoint(tmp_path / "both", dict(demos.recipe[0]), two), lift)


def test_made_again_they_are_the_same(demos: Demonstrations, tmp_path: Path) -> None:
    made = checkpoint(tmp_path / "c", dict(demos.recipe[0]))
    calls: list[tuple[int, int]] = []
    gather_again(tmp_path / "again.npz", made, on_progress=lambda *done: calls.append(done))
    again = Demonstrations.load(tmp_path / "again.npz")
    assert calls[-1] == (demos.count, demos.count)
    for name in ("pictures", "states", "actions", "episodes"):
        assert np.array_equal(getattr(again, name), getattr(demos, name))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.npz", "c"]
    before = (tmp_path / "again.npz").stat().st_mtime_ns
    gather_again(tmp_path / "again.npz", made)
    assert (tmp_path / "again.npz").stat().st_mtime_ns == before, "it is whole"
    # As a kill leaves it between the whole and the removal of its parts.
    shutil.copy(tmp_path / "again.npz", tmp_path / "again.0.npz")
    (tmp_path / "again.0.npz.attempts").mkdir()
    gather_again(tmp_path / "again.npz", made)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.npz", "c"]
    fewer = checkpoint(tmp_path / "fewer", {**demos.recipe[0], "episodes": 3})
    gather_again(tmp_path / "again.npz", fewer)
    assert Demonstrations.load(tmp_path / "again.npz").count == 3


def of(checkpoint: Path) -> PolicySpec:
    return PolicySpec(VISUAL_BC, {"checkpoint": str(checkpoint)})


def test_it_is_told_whether_a_checkpoint_learned_from_these(demos: Demonstrations, tmp_path: Path) -> None:
    taught = toy.taught(tmp_path / "taught", toy.demonstrations(tmp_path / "d.npz", 30, seed=4), steps=1)
    assert learned_from(of(taught), demos) is True
    pushed = demos.actions.copy()
    pushed[0, 0] += 1e-6
    assert learned_from(of(taught), replace(demos, actions=pushed)) is False
    assert learned_from(of(checkpoint(tmp_path / "silent", dict(demos.recipe[0]))), demos) is None
    assert learned_from(PolicySpec("tests.toy:PointReach"), demos) is None


def test_of_two_files_both_are_gathered(demos: Demonstrations, tmp_path: Path) -> None:
    recipe = dict(demos.recipe[0])
    made = checkpoint(tmp_path / "c", {**recipe, "episodes": 30}, {**recipe, "episodes": 10, "seed": 9})
    gather_again(tmp_path / "again.npz", made)
    again = Demonstrations.load(tmp_path / "again.npz")
    assert [r["episodes"] for r in again.recipe] == [30, 10]
    assert [r["seed"] for r in again.recipe] == [4, 9]


def test_what_a_repair_demonstrated_is_made_again_under_the_same_variations_and_looks(tmp_path: Path) -> None:
    space = toy.GripReach().variation_space
    green, dark = space.variation({"goal_color": "green", "wind": 0.2}), space.variation({"brightness": 0.5})
    looks = [(space.variation({"goal_color": "blue"}), 1.0), (dark, 3.0)]
    path = toy.demonstrations(tmp_path / "d.npz", None, under=[(green, 3), (dark, 2)], looks=looks, looks_each=1)
    first = Demonstrations.load(path)
    made = checkpoint(tmp_path / "c", dict(first.recipe[0]))
    gather_again(tmp_path / "again.npz", made)
    again = Demonstrations.load(tmp_path / "again.npz")
    assert again.recipe == first.recipe
    assert np.array_equal(again.pictures, first.pictures)
    assert (again.count, len(again)) == (5, len(first))


def test_the_original_ones_are_pictured_as_the_targets_look(tmp_path: Path) -> None:
    space = toy.GripReach().variation_space
    looks = [(space.variation({"goal_color": name}), 1.0) for name in ("green", "blue")]
    path = toy.demonstrations(tmp_path / "d.npz", 3, seed=4)
    first = Demonstrations.load(path)
    assert picture_again(tmp_path / "p.npz", path, looks, 2) is True
    pictured = Demonstrations.load(tmp_path / "p.npz")
    takes = [pictured.pictures[pictured.episodes == number] for number in range(9)]
    steps = [first.pictures[first.episodes == number] for number in range(3)]
    for number in range(3):
        own, *painted = takes[3 * number : 3 * number + 3]
        assert np.array_equal(own, steps[number])
        assert all(take.shape == own.shape and not np.array_equal(take, own) for take in painted)
    before = (tmp_path / "p.npz").stat().st_mtime_ns
    assert picture_again(tmp_path / "p.npz", path, looks, 2) is True
    assert (tmp_path / "p.npz").stat().st_mtime_ns == before, "it is whole"
    # One that was pictured already is pictured as these look alone; twice in a file it is here once.
    Demonstrations.join([first, pictured]).save(tmp_path / "both.npz")
    assert picture_again(tmp_path / "again.npz", tmp_path / "both.npz", looks, 2) is True
    assert np.array_equal(Demonstrations.load(tmp_path / "again.npz").pictures, pictured.pictures)


def test_what_cannot_be_gathered_again_is_not_pictured(demos: Demonstrations, tmp_path: Path) -> None:
    space = toy.GripReach().variation_space
    looks = [(space.variation({"goal_color": "green"}), 1.0)]

    def asked(looks: Sequence[tuple[Variation, float]] = looks, **changes: object) -> bool:
        replace(demos, recipe=({**demos.recipe[0], **changes},)).save(tmp_path / "d.npz")
        return picture_again(tmp_path / "p.npz", tmp_path / "d.npz", looks, 2)

    assert not asked(looks=[])
    assert not asked(learner=str(tmp_path / "gone"))
    assert not asked(environment="nowhere:Nothing")
    assert not asked(expert="nowhere:Nobody")
    assert not asked(looks=[(Variation({"paint": "red"}, "Paint it red."), 1.0)]), "it has no such look"
    assert not asked(expert="tests.repair.toy:Idle"), "it never succeeds"
    replace(demos, recipe=({"by": "hand"},)).save(tmp_path / "d.npz")
    assert not picture_again(tmp_path / "p.npz", tmp_path / "d.npz", looks, 2)
    assert not (tmp_path / "p.npz").exists()


def test_what_a_learner_began_is_made_again_by_the_same_learner_alone(tmp_path: Path) -> None:
    learner = toy.untaught(tmp_path / "learner")
    first = Demonstrations.load(toy.demonstrations(tmp_path / "d.npz", 4, learner=learner, handover=7))
    made = checkpoint(tmp_path / "c", dict(first.recipe[0]))
    gather_again(tmp_path / "again.npz", made)
    again = Demonstrations.load(tmp_path / "again.npz")
    assert again.recipe == first.recipe
    assert np.array_equal(again.states, first.states)
    # A file that another learner began, or none, is not taken for it.
    alone = toy.demonstrations(tmp_path / "again.npz", 4)
    gather_again(alone, made)
    assert np.array_equal(Demonstrations.load(alone).states, first.states)
    shutil.rmtree(learner)
    toy.taught(learner, toy.demonstrations(tmp_path / "few.npz", 2), steps=1)
    with pytest.raises(PolicyError, match="by now it is another one"):
        gather_again(tmp_path / "later.npz", made)


def test_a_checkpoint_that_does_not_say_how(demos: Demonstrations, tmp_path: Path) -> None:
    for number, recipes in enumerate(([], [{"camera": "top"}])):
        with pytest.raises(PolicyError, match="give them with --original FILE"):
            gather_again(tmp_path / "x.npz", checkpoint(tmp_path / str(number), *recipes))
    gone = checkpoint(tmp_path / "gone", {**demos.recipe[0], "learner": str(tmp_path / "nobody")})
    with pytest.raises(PolicyError, match=r"learner .* which is gone"):
        gather_again(tmp_path / "x.npz", gone)
