import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faultfield.envs.base import PRIVILEGED, STATE, Observation
from faultfield.errors import PolicyError
from faultfield.policies.attempts import Attempt, AttemptStore
from faultfield.policies.base import Actions
from faultfield.policies.bc import VisualBC
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.demos import gather
from faultfield.policies.experts import LiftExpert, PatientLift
from faultfield.policies.training import train
from tests.repair.toy import untaught
from tests.ruins import ruined
from tests.toy import PointExpert, PointReach

SMALL = {"size": 32}
TOY = "tests.repair.toy"


class Lazy:
    """An expert that never moves."""

    def reset(self) -> None:
        pass

    def infer(self, observation: Observation) -> Actions:
        return {"actions": np.zeros((1, 7), np.float32)}


class Choosy(LiftExpert):
    """An expert that only lifts cubes that begin left of the middle."""

    def reset(self) -> None:
        self._refuses: bool | None = None

    def infer(self, observation: Observation) -> Actions:
        if self._refuses is None:
            self._refuses = bool(observation[PRIVILEGED][1] > 0.0)
        return Lazy().infer(observation) if self._refuses else super().infer(observation)


class Unseen(PointReach):
    """A toy that cannot picture a stored state."""

    observe = None  # type: ignore[assignment]


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Demonstrations, list[tuple[int, int]]]]:
    path = tmp_path_factory.mktemp("demos") / "demos.npz"
    calls: list[tuple[int, int]] = []
    demos = gather(path, episodes=3, seed=7, environment_arguments=SMALL, on_progress=lambda *done: calls.append(done))
    return path, demos, calls


def same(a: Demonstrations, b: Demonstrations) -> bool:
    return all(np.array_equal(getattr(a, n), getattr(b, n)) for n in ("pictures", "states", "actions", "episodes"))


def test_the_file_holds_what_was_gathered(gathered: tuple[Path, Demonstrations, list[tuple[int, int]]]) -> None:
    path, demos, calls = gathered
    assert same(Demonstrations.load(path), demos)
    assert demos.pictures.shape == (len(demos), 32, 32, 3)
    assert demos.pictures.dtype == np.uint8
    assert demos.states.shape == (len(demos), 9)
    assert demos.actions.shape == (len(demos), 7)
    assert sorted(set(demos.episodes)) == [0, 1, 2]
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert list(path.parent.iterdir()) == [path]


def test_every_demonstration_grasps_and_ends_with_the_cube_in_the_air(
    gathered: tuple[Path, Demonstrations, list[tuple[int, int]]],
) -> None:
    demos = gathered[1]
    for episode in range(3):
        rows = demos.episodes == episode
        gripper, height = demos.actions[rows, -1], demos.states[rows, 2]
        assert gripper[0] == -1
        assert gripper[-1] == 1
        # The last row is the one before success, with the cube (4.2 cm wide, resting at 0.821 m) between the fingers.
        opening = demos.states[rows, 7] - demos.states[rows, 8]
        assert 0.04 < opening[-1] < 0.0625
        assert height[-1] > height[gripper == 1].min() + 0.008


def test_truths_tell_where_the_cube_was(gathered: tuple[Path, Demonstrations, list[tuple[int, int]]]) -> None:
    demos = gathered[1]
    loaded = Demonstrations.load(gathered[0])
    assert demos.truths is not None
    assert demos.truths.shape == (len(demos), 7)
    assert loaded.truths is not None
    assert np.array_equal(loaded.truths, demos.truths)
    for episode in range(3):
        rows = demos.episodes == episode
        # While it is held, just before success, the cube is where the gripper is.
        np.testing.assert_allclose(demos.truths[rows][-1, :3], demos.states[rows][-1, :3], atol=0.02)
    without = dataclasses.replace(demos, truths=None)
    assert Demonstrations.join([demos, without]).truths is None
    both = Demonstrations.join([demos, demos]).truths
    assert both is not None
    assert len(both) == 2 * len(demos)


def test_labels_are_the_experts_own_and_not_the_noisy_ones(
    gathered: tuple[Path, Demonstrations, list[tuple[int, int]]],
) -> None:
    demos = gathered[1]
    assert not demos.actions[:, 3:6].any()
    # With noise on the label of every step, a saturated command would almost never stay exactly at its limit.
    assert (np.abs(demos.actions[:, :3]) == 1.0).mean() > 0.2


def test_the_workers_do_not_show_in_the_file(
    gathered: tuple[Path, Demonstrations, list[tuple[int, int]]], tmp_path: Path
) -> None:
    again = gather(tmp_path / "two.npz", episodes=3, seed=7, workers=2, environment_arguments=SMALL)
    assert same(again, gathered[1])
    other = gather(tmp_path / "other.npz", episodes=1, seed=8, environment_arguments=SMALL)
    assert not np.array_equal(other.states[0], again.states[0])


def test_failures_are_discarded_and_replaced(tmp_path: Path) -> None:
    demos = gather(
        tmp_path / "d.npz", episodes=2, seed=1, noise=0.0, pushed=0.0, expert=f"{__name__}:Choosy",
        environment_arguments={**SMALL, "horizon": 60},
    )  # fmt: skip
    assert demos.recipe[0]["attempts"] > 2
    assert sorted(set(demos.episodes)) == [0, 1]
    assert not (demos.actions == 0).all(axis=1).any()


def test_a_broken_expert_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match="succeeded in 0 of 12 attempts"):
        gather(tmp_path / "d.npz", episodes=1, expert=f"{__name__}:Lazy", environment_arguments={**SMALL, "horizon": 9})
    assert not list(tmp_path.iterdir())


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"no 'observation\.images\.wrist'.*agentview"):
        gather(tmp_path / "d.npz", episodes=1, camera="wrist", environment_arguments=SMALL)


def test_an_only_camera_is_named_and_what_learned_from_it_finds_it(tmp_path: Path) -> None:
    how = {"expert": f"{TOY}:GripExpert", "environment": f"{TOY}:GripReach"}
    demos = gather(tmp_path / "d.npz", episodes=2, **how)  # type: ignore[arg-type]
    assert demos.camera == demos.recipe[0]["camera"] == "top"
    train(tmp_path / "d.npz", tmp_path / "bc", steps=1)
    assert VisualBC(str(tmp_path / "bc")).architecture.camera == "top"
    dataclasses.replace(demos, recipe=({**demos.recipe[0], "camera": None},)).save(tmp_path / "old.npz")
    with pytest.raises(PolicyError, match="do not say which camera"):
        train(tmp_path / "old.npz", tmp_path / "none", steps=1)
    assert not (tmp_path / "none").exists()


def test_files_that_are_no_demonstrations(
    gathered: tuple[Path, Demonstrations, list[tuple[int, int]]], tmp_path: Path
) -> None:
    with pytest.raises(PolicyError, match="There is no file of demonstrations"):
        Demonstrations.load(tmp_path / "none.npz")
    for name, content in ruined(gathered[0].read_bytes()).items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(PolicyError, match="damaged or is not"):
            Demonstrations.load(tmp_path / name)
    np.savez(tmp_path / "foreign.npz", weights=np.zeros(3))
    with pytest.raises(PolicyError, match="damaged or is not"):
        Demonstrations.load(tmp_path / "foreign.npz")


def test_joining_counts_episodes_on(gathered: tuple[Path, Demonstrations, list[tuple[int, int]]]) -> None:
    demos = gathered[1]
    both = Demonstrations.join([demos, demos])
    assert len(both) == 2 * len(demos)
    assert sorted(set(both.episodes)) == [0, 1, 2, 3, 4, 5]
    assert len(both.recipe) == 2
    with pytest.raises(PolicyError, match="at least one file"):
        Demonstrations.join([])


def rows_of(camera: str | None, size: int = 4) -> Demonstrations:
    """Two rows of one demonstration that do not matter."""
    pictures, numbers = np.zeros((2, size, size, 3), np.uint8), np.zeros((2, 3), np.float32)
    return Demonstrations(pictures, numbers, numbers, np.zeros(2, np.int64), ({"camera": camera, "episodes": 1},))


def test_demonstrations_of_different_kinds_are_not_joined() -> None:
    top, side, unnamed = rows_of("top"), rows_of("side"), rows_of(None)
    assert len(Demonstrations.join([top, unnamed, top])) == 6
    mixed = dataclasses.replace(top, recipe=(*top.recipe, *side.recipe))
    for wrong in ([top, side], [top, unnamed, side], [mixed], [top, rows_of("top", 8)]):
        with pytest.raises(PolicyError, match="differ in camera, picture size, state or action"):
            Demonstrations.join(wrong)


def test_states_are_what_the_robot_feels(gathered: tuple[Path, Demonstrations, list[tuple[int, int]]]) -> None:
    # Fingers lie symmetrically and within the gripper's stroke; the cube's true pose is not among the nine numbers.
    states = gathered[1].states
    np.testing.assert_allclose(states[:, 7], -states[:, 8], atol=0.01)
    assert STATE == "observation.state"
    assert np.abs(states[:, 7:]).max() < 0.05


class Mortal(PatientLift):
    """An expert that dies in its third attempt, once."""

    died = False
    resets = 0

    def reset(self) -> None:
        super().reset()
        Mortal.resets += 1
        if Mortal.resets == 3 and not Mortal.died:
            Mortal.died = True
            raise KeyboardInterrupt


def test_a_killed_gathering_goes_on_where_it_was(tmp_path: Path) -> None:
    settings = {"episodes": 3, "seed": 7, "environment_arguments": SMALL}
    mortal = f"{__name__}:Mortal"
    with pytest.raises(KeyboardInterrupt):
        gather(tmp_path / "demos.npz", expert=mortal, **settings)  # type: ignore[arg-type]
    assert not (tmp_path / "demos.npz").exists()
    resumed = gather(tmp_path / "demos.npz", expert=mortal, **settings)  # type: ignore[arg-type]
    # Two attempts were kept: of the three that are needed, one alone was made anew.
    assert Mortal.resets == 4
    assert list(tmp_path.iterdir()) == [tmp_path / "demos.npz"]
    whole = gather(tmp_path / "whole.npz", **settings)  # type: ignore[arg-type]
    assert same(resumed, whole)


def test_attempts_of_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    store = AttemptStore(tmp_path / "kept", {"seed": 1})
    pictures, ones = np.zeros((2, 4, 4, 3), np.uint8), np.ones((2, 7), np.float32)
    one = Attempt(True, pictures, np.zeros((2, 9), np.float32), ones, 2 * ones)
    store.put(5, one)
    again = AttemptStore(tmp_path / "kept", {"seed": 1}).get(5)
    assert again is not None
    assert np.array_equal(again.actions, one.actions)
    assert np.array_equal(again.truths, one.truths)
    file = tmp_path / "kept" / "000005.npz"
    for content in ruined(file.read_bytes()).values():
        file.write_bytes(content)
        assert AttemptStore(tmp_path / "kept", {"seed": 1}).get(5) is None
    assert AttemptStore(tmp_path / "kept", {"seed": 2}).get(5) is None


def test_as_many_under_each_variation_as_were_asked_for(tmp_path: Path) -> None:
    space = PointReach().variation_space
    under = [(space.variation({"goal_color": "green"}), 4), (space.variation({"brightness": 0.2}), 2)]
    whose = {"expert": "tests.policies.halting:Halting", "environment": "tests.repair.toy:GripReach", "camera": "top"}
    made = [gather(tmp_path / f"{n}.npz", under=under, seed=3, workers=n, **whose) for n in (1, 2)]  # type: ignore[arg-type]
    assert same(*made)
    demos = made[0]
    assert demos.recipe[0]["attempts"] > 6, "failures are replaced under their own variation"
    assert demos.episodes.max() == 5
    first = [demos.pictures[np.flatnonzero(demos.episodes == n)[0]].astype(int) for n in range(6)]
    greener = [(picture[..., 1] - picture[..., 0] > 60).any() for picture in first]
    assert greener == [True] * 4 + [False] * 2
    assert max(picture.max() for picture in first[4:]) < 80 < min(picture.max() for picture in first[:4])
    assert len({demos.states[np.flatnonzero(demos.episodes == n)[0]].tobytes() for n in range(6)}) == 6
    with pytest.raises(PolicyError, match="episodes and workers of at least 1"):
        gather(tmp_path / "x.npz", under=under, episodes=3)
    with pytest.raises(PolicyError, match=r"in 0 of 15 attempts under \{'goal_color': 'green'\}"):
        gather(tmp_path / "x.npz", under=under, **{**whose, "expert": "tests.policies.halting:Never"})  # type: ignore[arg-type]
    assert not (tmp_path / "x.npz.attempts").exists()


def test_what_an_expert_draws_depends_on_the_attempt_alone(tmp_path: Path) -> None:
    how = {"expert": "tests.policies.halting:Wavering", "environment": f"{TOY}:GripReach", "camera": "top", "seed": 3}
    made = [gather(tmp_path / f"{n}.npz", episodes=4, workers=n, **how) for n in (1, 2)]  # type: ignore[arg-type]
    assert same(*made)
    again = gather(tmp_path / "again.npz", episodes=1, **how)  # type: ignore[arg-type]
    np.testing.assert_array_equal(again.actions, made[0].actions[made[0].episodes == 0])
    firsts = [made[0].actions[made[0].episodes == number][0, 2] for number in range(4)]
    assert len(set(firsts)) == 4


def test_a_demonstration_is_pictured_under_other_looks_and_stays_the_same(tmp_path: Path) -> None:
    env = PointReach()
    space = env.variation_space
    under = [(space.variation({"goal_color": "green", "wind": 0.2}), 2), (space.variation({"brightness": 0.5}), 1)]
    looks = [(space.variation({"goal_color": "blue"}), 1.0), (space.variation({"brightness": 0.4}), 3.0)]
    how = {"under": under, "environment": f"{TOY}:GripReach", "expert": f"{TOY}:GripExpert", "seed": 4}
    plain = gather(tmp_path / "plain.npz", **how)
    both = gather(tmp_path / "both.npz", looks=looks, looks_each=2, **how)
    assert (plain.count, both.count, len(both)) == (3, 3, 3 * len(plain))
    assert int(both.episodes.max()) + 1 == 9
    assert both.recipe[0]["looks_each"] == 2
    for number in range(3):
        own = plain.episodes == number
        takes = [both.episodes == 3 * number + take for take in range(3)]
        np.testing.assert_array_equal(both.pictures[takes[0]], plain.pictures[own])
        for take in takes:
            for what in ("states", "actions", "truths"):
                np.testing.assert_array_equal(getattr(both, what)[take], getattr(plain, what)[own])
    # The toy's goal is of the colour of the look, or nominal where the look does not change it.
    seen = {tuple(np.unique(both.pictures[both.episodes == take].reshape(-1, 3), axis=0)[-1] > 60) for take in (1, 2)}
    assert len(seen) == 2
    again = gather(tmp_path / "again.npz", looks=looks, looks_each=2, workers=2, **how)
    assert same(again, both)
    assert gather(tmp_path / "few.npz", looks=looks[:1], looks_each=5, **how).recipe[0]["looks_each"] == 1
    own = [(space.variation({"goal_color": "green"}), 9.0), (space.variation({"brightness": 0.5}), 1.0)]
    others = gather(tmp_path / "own.npz", looks=own, looks_each=2, **how)
    # Each demonstration is as one of the two targets look: its own look is no further one.
    assert (others.count, int(others.episodes.max()) + 1) == (3, 6)


def test_looks_need_an_environment_that_pictures_states(tmp_path: Path) -> None:
    space = PointReach().variation_space
    with pytest.raises(PolicyError, match="cannot picture a state under another look"):
        gather(
            tmp_path / "demos.npz", episodes=1, environment="tests.policies.test_demos:Unseen", camera="front",
            looks_each=1, looks=[(space.variation({"brightness": 0.4}), 1.0)], expert=f"{TOY}:GripExpert",
        )  # fmt: skip


def test_a_file_is_not_gathered_again_and_written_over_only_where_that_is_meant(tmp_path: Path) -> None:
    path, how = tmp_path / "demos.npz", {"episodes": 1, "environment_arguments": SMALL, "over": False}
    first, calls = gather(path, seed=7, **how), []  # type: ignore[arg-type]
    content = path.read_bytes()
    again = gather(path, seed=7, on_progress=lambda *done: calls.append(done), **how)  # type: ignore[arg-type]
    assert (calls, again.recipe) == ([], first.recipe)
    with pytest.raises(PolicyError, match="holds other demonstrations already; name another file"):
        gather(path, seed=8, **how)  # type: ignore[arg-type]
    assert path.read_bytes() == content
    assert gather(path, seed=8, **{**how, "over": True}).recipe[0]["seed"] == 8  # type: ignore[arg-type]
    path.write_bytes(b"no demonstrations")
    with pytest.raises(PolicyError, match="damaged"):
        gather(path, seed=8, **how)  # type: ignore[arg-type]
    assert path.read_bytes() == b"no demonstrations"


def test_a_file_of_an_expert_that_was_changed_since_is_gathered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "own_expert.py"
    source.write_text(f"from {TOY} import GripExpert as Own\n\n\nclass Expert(Own):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    path, calls = tmp_path / "demos.npz", []
    how = {"episodes": 1, "environment": f"{TOY}:GripReach", "expert": "own_expert:Expert"}
    first = gather(path, **how)  # type: ignore[arg-type]

    def again(over: bool = True) -> int:
        calls.clear()
        gather(path, over=over, on_progress=lambda *done: calls.append(done), **how)  # type: ignore[arg-type]
        return len(calls)

    assert again() == 0
    source.write_text(source.read_text() + "\n# Another expert.\n")
    with pytest.raises(PolicyError, match="holds other demonstrations already"):
        again(over=False)
    assert (again(), again(over=False)) == (1, 0)
    (entry,) = first.recipe
    dataclasses.replace(first, recipe=({k: v for k, v in entry.items() if k != "who"},)).save(path)
    assert again(over=False) == 0, "a file from before this was told is taken as it is"


def test_a_learners_demonstrations_are_kept_as_long_as_it_is_the_same(tmp_path: Path) -> None:
    learner = untaught(tmp_path / "learner")
    how = {"episodes": 1, "environment": f"{TOY}:GripReach", "expert": f"{TOY}:GripExpert", "learner": learner}
    path = tmp_path / "demos.npz"
    first = gather(path, camera="top", over=False, **how)  # type: ignore[arg-type]
    assert gather(path, camera="top", over=False, **how).recipe == first.recipe  # type: ignore[arg-type]
    (entry,) = first.recipe
    dataclasses.replace(first, recipe=({k: v for k, v in entry.items() if k != "who"},)).save(path)
    with pytest.raises(PolicyError, match="does not say what the learner was"):
        gather(path, camera="top", over=False, **how)  # type: ignore[arg-type]
    first.save(path)
    (learner / "config.json").write_text((learner / "config.json").read_text() + " ")
    with pytest.raises(PolicyError, match="holds other demonstrations already"):
        gather(path, camera="top", over=False, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("handover", [2, 4])
def test_a_learner_hands_over_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handover: int) -> None:
    asked: list[int] = []
    untold = VisualBC.infer

    def counted(self: VisualBC, observation: Observation) -> Actions:
        asked[-1] += 1
        return untold(self, observation)

    def begun(self: PointExpert) -> None:
        asked.append(0)

    monkeypatch.setattr(VisualBC, "infer", counted)
    monkeypatch.setattr(PointExpert, "reset", begun)
    how = {"environment": f"{TOY}:GripReach", "expert": f"{TOY}:GripExpert", "learner": untaught(tmp_path / "learner")}
    gather(tmp_path / "demos.npz", episodes=12, camera="top", handover=handover, **how)  # type: ignore[arg-type]
    assert max(asked) == handover - 1
    with pytest.raises(PolicyError, match="a handover of at least 2"):
        gather(tmp_path / "demos.npz", episodes=12, camera="top", handover=1, **how)  # type: ignore[arg-type]


def test_where_the_learner_spoils_too_much_it_is_said_whose_fault_it_is(tmp_path: Path) -> None:
    how = {"environment": f"{TOY}:GripReach", "expert": f"{TOY}:GripExpert", "learner": untaught(tmp_path / "learner")}
    with pytest.raises(PolicyError, match=r"Where '.*learner' begins, the expert .* without a learner"):
        gather(tmp_path / "demos.npz", episodes=3, camera="top", handover=200, **how)  # type: ignore[arg-type]


def test_who_counts_phases_corrects_no_learner(tmp_path: Path) -> None:
    stack = {"environment_arguments": {"task": "Stack", "size": 32}, "learner": untaught(tmp_path / "learner")}
    with pytest.raises(PolicyError, match="ScriptedStack' goes through phases"):
        gather(tmp_path / "demos.npz", episodes=1, **stack)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("demos*"))
