"""Phases against hand-made episodes; the bank's choice, its determinism, its file."""

from pathlib import Path

import numpy as np
import pytest

from faultfield.errors import CheckpointError, LedgerError
from faultfield.rollouts.episode import Episode, Trajectory
from faultfield.rollouts.states import QUOTA, StateBank, closing_step, phases_of
from faultfield.variations import NOMINAL, Variation


def grasp(open_steps: int, closed_steps: int, dim: int = 7, sign: float = 1.0) -> np.ndarray:
    actions = np.zeros((open_steps + closed_steps, dim), dtype=np.float32)
    actions[:, 0] = np.arange(len(actions))
    actions[:open_steps, -1], actions[open_steps:, -1] = -sign, sign
    return actions


def episode(actions: np.ndarray, seed: int = 0, success: bool = True, variation: Variation = NOMINAL) -> Episode:
    snapshots = tuple({"qpos": np.array([seed, step], dtype=np.float64)} for step in range(len(actions)))
    return Episode(
        variation=variation, seed=seed, success=success, steps=len(actions), policy="p", environment="e", stage="known",
        initial_snapshot=snapshots[0], trajectory=Trajectory(snapshots, actions),
    )  # fmt: skip


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_closing_is_where_the_last_number_changes_sides_for_good(sign: float) -> None:
    actions = grasp(20, 15, sign=sign)
    actions[5:7, -1] *= -1  # two steps of hesitation are not a grasp
    assert closing_step(actions) == 20


def test_a_command_that_never_changes_or_an_action_without_a_gripper_never_closes() -> None:
    assert closing_step(grasp(30, 0)) is None
    assert closing_step(grasp(20, 15, dim=2)) is None


def test_phases_follow_from_the_closing_step() -> None:
    phases = phases_of(grasp(20, 15))
    assert phases == ["far"] * 12 + ["near"] * 8 + ["close"] * 7 + ["lift"] * 8


def test_without_a_gripper_time_is_cut_in_thirds() -> None:
    assert phases_of(grasp(9, 0, dim=2)) == ["far"] * 3 + ["near"] * 3 + ["close"] * 3


def test_choice_fills_the_quota_evenly_over_episodes_with_what_was_executed_there() -> None:
    episodes = [episode(grasp(20 + i, 15), seed=i) for i in range(5)]
    bank = StateBank.choose(episodes, initial=3)
    assert [s["qpos"].tolist() for s in bank.initial] == [[0, 0], [1, 0], [2, 0]]
    assert {p: int((bank.phases == p).sum()) for p in QUOTA} == dict(QUOTA)
    assert len({(m.episode, m.step) for m in bank.moments}) == len(bank.moments)
    for moment in bank.moments:
        actions = episodes[moment.episode].trajectory.actions  # type: ignore[union-attr]
        assert phases_of(actions)[moment.step] == moment.phase
        assert np.array_equal(moment.action, actions[moment.step])
        assert moment.snapshot["qpos"].tolist() == [moment.episode, moment.step]
    near = [m for m in bank.moments if m.phase == "near"]
    counts = np.bincount([m.episode for m in near], minlength=5)
    assert counts.max() - counts.min() <= 1
    before = {20 + m.episode - m.step for m in near}
    assert len(before) >= 6, "the near moments should cover the last eight steps"


def test_choice_is_the_same_every_time_and_uses_nominal_successes_alone() -> None:
    good = [episode(grasp(20, 15), seed=i) for i in range(3)]
    red = Variation({"cube_color": "red"}, "Change the cube color to red.")
    others = [episode(grasp(20, 15), 7, success=False), episode(grasp(20, 15), 8, variation=red)]
    bank = StateBank.choose(good)
    assert StateBank.choose(others + good).fingerprint == bank.fingerprint
    assert StateBank.choose(good[::-1]).fingerprint != bank.fingerprint
    with pytest.raises(LedgerError, match="nominal success"):
        StateBank.choose(others)


def test_few_steps_give_fewer_moments() -> None:
    bank = StateBank.choose([episode(grasp(4, 3))])
    assert [m.phase for m in bank.moments] == ["near"] * 4 + ["close"] * 3


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    bank = StateBank.choose([episode(grasp(20, 15), seed=i) for i in range(2)])
    bank.save(tmp_path / "states.npz")
    again = StateBank.load(tmp_path / "states.npz")
    assert again.fingerprint == bank.fingerprint
    assert again.phases.tolist() == bank.phases.tolist()
    assert [(m.episode, m.step, m.action.tolist()) for m in again.moments] == [
        (m.episode, m.step, m.action.tolist()) for m in bank.moments
    ]


def test_a_missing_or_foreign_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no bank of states"):
        StateBank.load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("not a bank")
    with pytest.raises(CheckpointError, match="not a bank of states"):
        StateBank.load(tmp_path / "text.npz")
    (tmp_path / "empty.npz").touch()
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    for name in ("empty", "cut"):
        with pytest.raises(CheckpointError, match="not a bank of states"):
            StateBank.load(tmp_path / f"{name}.npz")
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(CheckpointError, match="not a bank of states"):
        StateBank.load(tmp_path / "other.npz")
