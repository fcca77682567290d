import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env

from faultfield.errors import CheckpointError, StudyError
from faultfield.search.config import SearchConfig
from faultfield.search.known import KnownChanges, KnownPolicy, compose, train_known
from tests.search.spaces import SPACE

CHANGES = [
    SPACE.variation(values)
    for values in (
        {"texture": "wood"}, {"texture": "steel"}, {"light": 0.4}, {"light": 1.6}, {"cube_color": "green"},
    )
]  # fmt: skip


def steel_fails(variation):
    return variation.get("texture") == "steel"


def test_a_later_change_of_the_same_factor_wins():
    base = SPACE.variation({"light": 0.4, "texture": "wood"})
    assert compose(SPACE, base, CHANGES[1]) == SPACE.variation({"light": 0.4, "texture": "steel"})


def test_changes_add_up_until_a_failure():
    asked = []

    def dark_and_green(variation):
        asked.append(variation)
        return variation.get("light") == 0.4 and variation.get("cube_color") == "green"

    env = KnownChanges(SPACE, CHANGES, dark_and_green, SearchConfig(horizon=4))
    state, _ = env.reset(seed=0)
    assert state == pytest.approx(SPACE.encode(SPACE.nominal))
    results = [env.step(index)[1:4] for index in (2, 0, 4)]
    assert results == [(-25.0, False, False), (-25.0, False, False), (100.0, True, False)]
    last = SPACE.variation({"light": 0.4, "texture": "wood", "cube_color": "green"})
    assert asked[-1] == last
    assert [(t.variation, t.failed) for t in env.trials][-1] == (last, True)
    env.reset()
    assert env.step(4)[1:4] == (-25.0, False, False)
    assert env.step(3)[1:4] == (-25.0, False, False)
    assert env.step(2)[1:4] == (100.0, True, False)
    env.reset()
    assert [env.step(3)[2:4] for _ in range(4)][-1] == (False, True)


def test_the_librarys_check_passes():
    check_env(KnownChanges(SPACE, CHANGES, steel_fails))


def test_mass_gathers_on_the_change_that_fails():
    policy = train_known(SPACE, CHANGES, steel_fails, trials=384, seed=0)
    pmf = policy.pmf()
    assert pmf.sum() == pytest.approx(1.0)
    assert (pmf >= 0).all()
    assert pmf.argmax() == 1
    assert pmf[1] > 2 * np.delete(pmf, 1).max()
    assert len(policy.trials) == 384
    late = np.mean([t.failed for t in policy.trials[-96:]])
    assert late > np.mean([t.failed for t in policy.trials[:96]])


def test_the_budget_is_spent_exactly_and_repeatably():
    counts = []
    for trials in (1, 7, 50):
        asked = []
        train_known(SPACE, CHANGES, lambda v, asked=asked: bool(asked.append(v)), trials=trials, seed=3)
        counts.append(len(asked))
    assert counts == [1, 7, 50]
    first, second = (train_known(SPACE, CHANGES, steel_fails, trials=50, seed=3) for _ in range(2))
    assert first.trials == second.trials
    assert np.array_equal(first.pmf(CHANGES[2]), second.pmf(CHANGES[2]))


def test_a_saved_policy_is_the_same(tmp_path):
    policy = train_known(SPACE, CHANGES, steel_fails, trials=20, seed=0)
    policy.save(tmp_path)
    again = KnownPolicy.load(tmp_path, SPACE)
    assert again.candidates == policy.candidates
    assert np.array_equal(again.pmf(CHANGES[0]), policy.pmf(CHANGES[0]))
    with pytest.raises(CheckpointError, match="holds no"):
        KnownPolicy.load(tmp_path / "elsewhere", SPACE)


def test_nothing_to_try_is_refused():
    with pytest.raises(StudyError, match="at least one candidate"):
        KnownChanges(SPACE, [], steel_fails)
    with pytest.raises(StudyError, match="at least one trial"):
        train_known(SPACE, CHANGES, steel_fails, trials=0)
