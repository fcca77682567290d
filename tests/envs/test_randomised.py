"""Domain randomisation: what is drawn, how often, and that it is the inner environment that is varied."""

import numpy as np
import pytest

from faultfield.envs.randomised import Randomised
from faultfield.errors import EnvError, VariationError
from faultfield.variations import NOMINAL
from tests.toy import PointReach

TOY = "tests.toy:PointReach"


def drawn(env: Randomised, count: int = 200) -> list:
    variations = []
    for seed in range(count):
        env.reset(seed=seed)
        variations.append(env.variation)
    return variations


def test_the_share_the_number_and_the_factors_are_as_asked() -> None:
    found = drawn(Randomised(TOY, share=0.75, most=2, factors=["brightness", "wind"]))
    assert 0.65 < np.mean([not v.is_nominal for v in found]) < 0.85
    assert {len(v) for v in found} == {0, 1, 2}
    assert {name for v in found for name in v} == {"brightness", "wind"}
    assert all(v.is_nominal for v in drawn(Randomised(TOY, share=0.0), 20))


def test_the_seed_draws_the_variation_and_the_episode_is_the_inner_ones() -> None:
    env, plain = Randomised(TOY, horizon=7), PointReach(horizon=7)
    for seed in range(5):
        observation, _ = env.reset(seed=seed)
        expected, _ = plain.reset(seed=seed, options={"variation": env.variation})
        first = env.variation
        for name, array in expected.items():
            np.testing.assert_array_equal(observation[name], array)
        action = np.array([1.0, 0.0])
        np.testing.assert_array_equal(
            env.step(action)[0]["observation.state"], plain.step(action)[0]["observation.state"]
        )
        env.reset(seed=seed)
        assert env.variation == first


def test_the_start_tells_nothing_of_the_variation() -> None:
    env = Randomised(TOY, share=0.5, most=1, factors=["wind"])
    varied, winds, starts = [], [], []
    for seed in range(300):
        env.reset(seed=seed)
        place = env.snapshot()["point"]
        varied.append((not env.variation.is_nominal, *place))
        if "wind" in env.variation:
            winds.append(env.variation["wind"])
            starts.append(place)
    # Of 300 independent pairs the correlation is below 0.17 but once in 300 times, of 150 below 0.24.
    assert np.abs(np.corrcoef(np.array(varied, float), rowvar=False)[0, 1:]).max() < 0.17
    assert np.abs(np.corrcoef(np.column_stack([winds, starts]), rowvar=False)[0, 1:]).max() < 0.24


def test_without_a_seed_it_goes_on_from_the_last_one() -> None:
    def three(env: Randomised) -> list:
        found = []
        for seed in (5, None, None):
            env.reset(seed=seed)
            found.append(env.variation)
        return found

    first = three(Randomised(TOY, share=1.0))
    assert first == three(Randomised(TOY, share=1.0))
    assert len(set(first)) == 3


def test_a_variation_that_is_told_is_kept() -> None:
    env = Randomised(TOY, share=1.0)
    env.reset(seed=0, options={"variation": NOMINAL})
    assert env.variation.is_nominal


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(EnvError, match="share in 0–1"):
        Randomised(TOY, share=1.5)
    with pytest.raises(EnvError, match=r"no factor of tests\.toy:PointReach to vary"):
        Randomised(TOY, factors=[])
    assert drawn(Randomised(TOY, share=0.0, factors=[]), 2) == [NOMINAL, NOMINAL]
    with pytest.raises(VariationError, match="no factor 'brightnes'"):
        Randomised(TOY, factors=["brightnes"])


def test_it_pictures_stored_states_as_the_inner_environment_does() -> None:
    env, plain = Randomised(TOY), PointReach()
    env.reset(seed=1)
    dark = env.variation_space.variation({"brightness": 0.3})
    for name, array in plain.observe(env.snapshot(), dark).items():
        np.testing.assert_array_equal(env.observe(env.snapshot(), dark)[name], array)
    with pytest.raises(EnvError, match="Unseen has no observe"):
        Randomised("tests.policies.test_demos:Unseen").snapshot()
