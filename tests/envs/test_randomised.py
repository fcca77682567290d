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


def test_a_variation_that_is_told_is_kept() -> None:
    env = Randomised(TOY, share=1.0)
    env.reset(seed=0, options={"variation": NOMINAL})
    assert env.variation.is_nominal


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(EnvError, match="share in 0–1"):
        Randomised(TOY, share=1.5)
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
