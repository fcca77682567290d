import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome, outcomes
from faultfield.variations import NOMINAL, Variation


def episode(name: str, seed: int, success: bool) -> Episode:
    variation = Variation({"cube_color": name}, f"Change the cube color to {name}.")
    return Episode(variation, seed, success, 10, "p", "e", "known")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans()), max_size=40))
def test_counting_agrees_with_a_plain_loop(pairs: list[tuple[str, bool]]) -> None:
    counted = outcomes(episode(name, seed, success) for seed, (name, success) in enumerate(pairs))
    names = [outcome.variation["cube_color"] for outcome in counted]
    assert names == list(dict.fromkeys(name for name, _ in pairs))
    for outcome, name in zip(counted, names, strict=True):
        results = [success for other, success in pairs if other == name]
        assert (outcome.episodes, outcome.failures) == (len(results), results.count(False))
        assert outcome.rate == results.count(False) / len(results)


@settings(deadline=None)  # statsmodels is imported on the first call
@given(st.integers(1, 200), st.data())
def test_the_interval_is_wilsons(episodes: int, data: st.DataObject) -> None:
    failures = data.draw(st.integers(0, episodes))
    low, high = Outcome(NOMINAL, episodes, failures).interval()
    z, p = 1.959963984540054, failures / episodes
    center = (p + z * z / (2 * episodes)) / (1 + z * z / episodes)
    half = z / (1 + z * z / episodes) * math.sqrt(p * (1 - p) / episodes + z * z / (4 * episodes**2))
    assert low == pytest.approx(max(0.0, center - half), abs=1e-9)
    assert high == pytest.approx(min(1.0, center + half), abs=1e-9)


def test_a_higher_level_is_a_wider_interval() -> None:
    outcome = Outcome(NOMINAL, 30, 10)
    assert outcome.interval(0.99)[0] < outcome.interval(0.9)[0] < outcome.rate < outcome.interval(0.9)[1]


@pytest.mark.parametrize(("episodes", "failures"), [(0, 0), (3, 4), (3, -1)])
def test_impossible_counts_are_refused(episodes: int, failures: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Outcome(NOMINAL, episodes, failures)
