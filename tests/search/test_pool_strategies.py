"""Strategies with a model: they keep the contract, learn, and use the features that they are given."""

import numpy as np
import pytest

from faultfield.search.forest import ForestSearch
from faultfield.search.level_set import LevelSetSearch
from faultfield.search.map_elites import MapElitesSearch
from faultfield.search.pool import spacing, squared_distances
from faultfield.variations import Continuous, VariationSpace
from tests.search.spaces import SPACE, episode

ALL = [ForestSearch, LevelSetSearch, MapElitesSearch]
LINE = VariationSpace([Continuous("light", "Set the light to {}.", low=0.0, high=1.0, nominal=0.0)])
POOL = [LINE.variation({"light": round(float(x), 3)}) for x in np.linspace(0.01, 0.99, 80)]


def light(variation):
    return float(variation["light"])


def played(strategy, fails, rounds=6, count=5):
    asked = []
    for _ in range(rounds):
        batch = strategy.ask(count)
        asked.extend(batch)
        strategy.tell([episode(v, fails(v)) for v in batch])
    return asked


@pytest.mark.parametrize("make", ALL)
def test_proposals_are_new_candidates_and_repeat_with_the_seed(make):
    first, second = (played(make(LINE, 3, pool=POOL), lambda v: light(v) > 0.7) for _ in range(2))
    assert first == second
    assert len(set(first)) == 30
    assert set(first) <= set(POOL)
    assert len(make(LINE, 3, pool=POOL[:4]).ask(9)) == 4


@pytest.mark.parametrize("make", ALL)
def test_every_strategy_may_come_back_to_what_one_success_left(make):
    """The campaign leaves a variation after an unlucky success; whoever has a model may ask for it once more."""
    search = make(LINE, 0, pool=POOL[:3], start=1, failures=2)
    first, second, third = search.ask(3)
    search.tell([episode(first, False), *(episode(second, True, seed) for seed in range(2)), episode(third, True)])
    # The second is a find, and the third begun: the campaign goes on with it by itself.
    assert search.ask(3) == [first]
    search.tell([episode(first, True, 1)])
    assert search.ask(3) == []


@pytest.mark.parametrize("make", ALL)
def test_without_a_pool_proposals_lie_in_the_space(make):
    search = make(SPACE, 0, pool_size=40, start=4)
    for variation in played(search, lambda v: "texture" in v, rounds=3):
        assert SPACE.validate(variation) == variation


@pytest.mark.parametrize("make", ALL)
def test_as_long_as_nothing_fails_each_proposal_is_a_new_one(make):
    """What was left after a success is open to a model that there is not yet; the sequence goes on in the meantime."""
    asked = played(make(SPACE, 0, pool_size=40, start=10, failures=2), lambda v: False, rounds=8)
    assert len(set(asked)) == len(asked) == 40


def test_failures_that_are_to_be_disregarded_count_as_none():
    search = ForestSearch(LINE, 0, pool=POOL[:3], start=1, failures=2)
    search.tell([episode(v, True, seed) for v in POOL[:2] for seed in range(2)])
    search.disregard(POOL[:1])
    assert search.told().failures.tolist() == [0, 2]
    assert search.told().episodes.tolist() == [2, 2]
    assert not search.again(POOL[0])


def test_map_elites_and_the_forest_go_where_failures_are():
    for make in (ForestSearch, MapElitesSearch):
        late = played(make(LINE, 0, pool=POOL, start=10), lambda v: light(v) > 0.7)[15:]
        assert np.mean([light(v) > 0.7 for v in late]) > 0.4, make  # chance: 0.3


def test_the_level_set_is_sought_on_its_boundary():
    """A third of the line, around the boundary, gets most of the proposals."""
    for boundary in (0.3, 0.7):
        search = LevelSetSearch(LINE, 0, pool=POOL, start=10)
        late = played(search, lambda v, b=boundary: light(v) > b, rounds=5)[10:]
        assert np.mean([abs(light(v) - boundary) < 0.17 for v in late]) > 0.5


def test_the_upper_bound_prefers_failures():
    search = LevelSetSearch(LINE, 0, pool=POOL, start=10, acquisition="ucb")
    late = played(search, lambda v: light(v) > 0.7, rounds=5)[10:]
    assert np.mean([light(v) > 0.65 for v in late]) > 0.7


@pytest.mark.parametrize("make", [ForestSearch, LevelSetSearch])
def test_features_that_tell_failures_help(make):
    """Outcomes without any order along the line; a feature knows them."""
    marks = dict(zip(POOL, np.random.default_rng(5).permutation(len(POOL)) < 20, strict=True))

    def features(variations):
        return np.array([[float(marks[v])] for v in variations])

    def share(**more):
        late = played(make(LINE, 1, pool=POOL, start=10, **more), lambda v: bool(marks[v]), rounds=5)[10:]
        return np.mean([marks[v] for v in late])

    assert share(features=features) > share() + 0.2


def test_the_forest_keeps_its_distance_from_known_failures():
    near, far = (
        played(ForestSearch(LINE, 0, pool=POOL, reach=reach), lambda v: light(v) > 0.5, rounds=4)[10:]
        for reach in (0.0, 8.0)
    )

    def closest(asked):
        lights = np.array([light(v) for v in asked])
        return np.abs(lights[:, None] - lights[None] + np.eye(len(lights))).min(axis=1).mean()

    assert closest(far) > closest(near)


def test_distances_by_the_definition():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    expected = [[np.sum((x - y) ** 2) for y in b] for x in a]
    np.testing.assert_allclose(squared_distances(a, b), expected, atol=1e-12)
    assert spacing(np.array([[0.0], [1.0], [3.0], [3.0]])) == pytest.approx(1.5)
