"""Views of a toy environment: pictures against the environment's own, visible parts, caches, refusals."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from numpy.typing import NDArray

from faultfield.envs.base import VariableEnv
from faultfield.errors import PolicyError, SetupError
from faultfield.field.views import Views
from faultfield.policies.base import CallablePolicy
from faultfield.rollouts.states import StateBank
from faultfield.variations import NOMINAL, Variation
from tests.nominal import bank_of
from tests.toy import CAMERA, PointPolicy, PointReach


class Counting(PointReach):
    """Counts the pictures it makes of stored states."""

    def __init__(self) -> None:
        super().__init__()
        self.observed = 0

    def observe(self, snapshot: Mapping[str, NDArray[Any]], variation: Variation) -> dict[str, NDArray[Any]]:
        self.observed += 1
        return super().observe(snapshot, variation)


class Blindfolded(VariableEnv):
    """An environment that cannot picture stored states."""

    def __init__(self) -> None:
        self.variation_space = PointReach().variation_space
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (2,), np.float32)


@pytest.fixture(scope="module")
def bank() -> StateBank:
    return bank_of(PointReach(), PointPolicy())


def variations(env: VariableEnv) -> list[Variation]:
    make = env.variation_space.variation
    return [make({"goal_color": "blue"}), NOMINAL, make({"brightness": 0.5, "wind": 1.0}), make({"wind": 1.0})]


def test_pictures_are_those_of_the_stored_states_under_each_variation(bank: StateBank) -> None:
    env = PointReach()
    pictures = Views(env, bank).pictures(variations(env))
    assert pictures.shape == (4, len(bank.initial), 32, 32, 3)
    assert pictures.dtype == np.uint8
    for row, variation in zip(pictures, variations(env), strict=True):
        for picture, snapshot in zip(row, bank.initial, strict=True):
            assert np.array_equal(picture, env.observe(snapshot, variation)[CAMERA])


def test_texts_and_values_are_the_variations_own(bank: StateBank) -> None:
    env = PointReach()
    views = Views(env, bank)
    assert views.texts(variations(env)) == [v.text for v in variations(env)]
    assert np.array_equal(views.values(variations(env)), env.variation_space.encode_many(variations(env)))


def test_what_no_picture_shows_is_told_apart(bank: StateBank) -> None:
    env = PointReach()
    views = Views(env, bank)
    assert views.hidden(variations(env)).tolist() == [False, False, True, True]
    assert dict(views.visible_part(variations(env)[2])) == {"brightness": 0.5}
    assert views.visible_part(variations(env)[3]) == NOMINAL


def test_everything_is_pictured_once(bank: StateBank) -> None:
    env = Counting()
    views = Views(env, bank, PointPolicy())
    views.pictures(variations(env))
    views.probe(variations(env))
    # Three looks (blue, nominal, darker): the wind is not seen.
    assert env.observed == 3 * (len(bank.initial) + len(bank.moments))
    views.pictures(variations(env)[::-1])
    views.probe(variations(env)[::-1])
    assert env.observed == 3 * (len(bank.initial) + len(bank.moments))


def test_answers_kept_on_disk_are_used_again_by_the_same_policy_alone(bank: StateBank, tmp_path: Path) -> None:
    cache = tmp_path / "answers.npz"

    def probe(env: PointReach, policy: PointPolicy, identity: str = "a") -> NDArray[np.float64]:
        return Views(env, bank, policy, cache=cache, identity=identity).probe(variations(env))

    first = probe(PointReach(), PointPolicy())
    env = Counting()
    again = probe(env, PointPolicy())
    assert np.array_equal(first, again)
    assert env.observed == len(bank.moments), "only the nominal answers are made again"
    strict = probe(PointReach(), PointPolicy(threshold=0.5), "b")
    assert np.array_equal(strict, Views(env, bank, PointPolicy(threshold=0.5)).probe(variations(env)))
    assert not np.array_equal(strict, first)
    cache.write_bytes(b"damaged")
    assert np.array_equal(probe(PointReach(), PointPolicy()), first)


def test_without_observe_only_texts_and_values_are_to_be_had(bank: StateBank) -> None:
    env = Blindfolded()
    views = Views(env, bank, PointPolicy())
    assert not views.can_observe
    assert not views.can_probe
    assert views.texts([NOMINAL]) == ["Change nothing."]
    assert views.values([NOMINAL]).shape == (1, env.variation_space.dim)
    for ask in (views.pictures, views.probe):
        with pytest.raises(SetupError, match=r"Blindfolded has no observe"):
            ask([NOMINAL])


def test_the_probe_needs_a_policy_and_finite_answers(bank: StateBank) -> None:
    with pytest.raises(SetupError, match="give Views a policy"):
        Views(PointReach(), bank).probe([NOMINAL])
    broken = CallablePolicy(lambda observation: np.full(2, np.nan))
    with pytest.raises(PolicyError, match="not finite"):
        Views(PointReach(), bank, broken).probe([NOMINAL])
