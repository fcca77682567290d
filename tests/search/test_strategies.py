"""What every strategy must keep, and what each is for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.search import DiagnosticSearch, GridSearch, PpoSettings, RandomSearch, SearchConfig, SobolSearch
from faultfield.search.sobol import from_unit
from faultfield.variations import NOMINAL, Categorical, Continuous, Variation, VariationSpace
from tests.search.spaces import SPACE, embed, episode, spaces

QUICK = SearchConfig(steps=4000, ppo=PpoSettings(net=(16,), envs=32, rollout=16, batch=256, learning_rate=1e-2))


@settings(max_examples=30, deadline=None)
@given(space=spaces(), seed=st.integers(0, 1000), strategy=st.sampled_from([RandomSearch, SobolSearch, GridSearch]))
def test_proposals_lie_in_the_space_and_repeat_with_the_seed(space, seed, strategy):
    first, second = strategy(space, seed), strategy(space, seed)
    for count in (3, 5):
        proposals = first.ask(count)
        assert proposals == second.ask(count)
        assert len(proposals) == count or strategy is GridSearch
        for proposal in proposals:
            assert space.validate(proposal) == proposal
            assert proposal != NOMINAL


@pytest.mark.parametrize("strategy", [RandomSearch, SobolSearch, GridSearch])
def test_no_proposal_comes_twice_and_seeds_differ(strategy):
    search, other = strategy(SPACE, 0), strategy(SPACE, 1)
    proposals = [v for _ in range(6) for v in search.ask(9)]
    assert len(set(proposals)) == 54
    assert proposals != [v for _ in range(6) for v in other.ask(9)]


@pytest.mark.parametrize("strategy", [RandomSearch, SobolSearch])
def test_a_space_that_is_used_up_gives_repeats_rather_than_nothing(strategy):
    space = VariationSpace([Categorical("cup", "Use a {} cup.", choices=("red", "blue"))])
    assert len(set(strategy(space, 0).ask(5))) == 2


def test_grid_goes_from_single_factors_to_pairs_and_ends():
    search = GridSearch(SPACE, values=3)
    proposals = search.ask(10_000)
    sizes = [len(v) for v in proposals]
    assert sizes == sorted(sizes)
    assert set(proposals) == set(SPACE.grid(3)) | set(SPACE.grid(3, order=2))
    assert search.ask(1) == []
    assert all(SPACE.changed(v) == v for v in proposals), "a rollout of a value that changes nothing is wasted"


def test_sobol_covers_a_factor_more_evenly_than_chance():
    space = VariationSpace([Continuous("light", "Set the light to {}.", low=0.0, high=1.0)])

    def gap(strategy, seed):
        values = np.sort([v["light"] for v in strategy(space, seed).ask(64)])
        return np.diff(values, prepend=0.0, append=1.0).max()

    assert max(gap(SobolSearch, s) for s in range(8)) < min(gap(RandomSearch, s) for s in range(8))


def test_sobol_gives_every_size_and_factor_its_share():
    # Without the texture: its three values alone would soon be used up, and be passed over.
    space = VariationSpace([f for f in SPACE if f.name != "texture"])
    proposals = SobolSearch(space, 3).ask(512)
    sizes = np.bincount([len(v) for v in proposals], minlength=4)[1:]
    assert sizes == pytest.approx(512 / 3, abs=12)
    for factor in space:
        assert sum(factor.name in v for v in proposals) == pytest.approx(512 * (1 + 2 + 3) / 3 / 3, abs=12)


@given(st.floats(0, 1, exclude_max=True), st.integers(0, 3))
def test_unit_coordinates_reach_the_whole_range(position, index):
    factor = list(SPACE)[index]
    assert factor.canonical(from_unit(factor, np.full(3, position))) is not None


def test_unit_coordinates_run_from_end_to_end():
    light = SPACE.factor("light")
    assert [from_unit(light, np.array([p])) for p in (0.0, 0.25, 1.0)] == [0.0, 0.5, 2.0]
    texture = SPACE.factor("texture")
    assert [from_unit(texture, np.array([p])) for p in (0.0, 0.34, 0.99)] == ["wood", "cork", "steel"]


def dark_fails(variation: Variation) -> bool:
    return "light" in variation and float(variation["light"]) < 0.8


def test_the_diagnostic_policy_proposes_what_fails():
    """Told which of sixty random variations fail, it finds far more failures in a pool than chance does."""
    told = RandomSearch(SPACE, 5).ask(60)
    pool = RandomSearch(SPACE, 6).ask(200)
    search = DiagnosticSearch(SPACE, embed, seed=0, config=QUICK, pool=pool)
    search.tell([episode(v, dark_fails(v)) for v in told])
    proposals = search.ask(20)
    assert len(set(proposals)) == 20
    assert set(proposals) <= set(pool)
    chance = np.mean([dark_fails(v) for v in pool])
    assert np.mean([dark_fails(v) for v in proposals]) > 1.7 * chance
    assert not set(search.ask(20)) & set(proposals)
    search.ask(200)
    assert search.ask(5) == []


def test_the_diagnostic_strategy_without_a_pool_draws_new_candidates():
    first, second = (DiagnosticSearch(SPACE, embed, seed=2, config=QUICK, pool_size=32) for _ in range(2))
    start = first.ask(6)
    assert start == second.ask(6)
    for search in (first, second):
        search.tell([episode(v, dark_fails(v)) for v in start])
    more = first.ask(40)
    assert more == second.ask(40)
    assert len(set(more) | set(start)) == 46
    assert all(SPACE.validate(v) == v for v in more)
