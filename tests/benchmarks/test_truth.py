"""The comparison against the truth: subsets, controls, what is kept, and what the numbers mean; on the toy."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import truth
from faultfield.diagnosis.values import ValuesLogistic
from faultfield.errors import StudyError
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome
from faultfield.rollouts.states import StateBank
from faultfield.variations import NOMINAL, Variation, VariationSpace
from tests.toy import PointPolicy, PointReach
from truth_roster import BaseRate
from truth_tables import markdown

SPACE: VariationSpace = PointReach().variation_space


def episodes() -> list[Episode]:
    """Outcomes by the toy's exact rates, without rolling out."""
    policy = PointPolicy()
    known = [NOMINAL, *(SPACE.variation({"goal_color": c}) for c in ("red", "green", "blue", "orange", "tomato"))]
    return [
        Episode(v, seed, seed >= 10 * policy.failure_rate(v), 5, "p", "e", "known") for v in known for seed in range(10)
    ]


def asked(*values: dict) -> list[Outcome]:
    policy = PointPolicy()
    variations = [SPACE.variation(v) for v in values]
    return [Outcome(v, 20, round(20 * policy.failure_rate(v))) for v in variations]


TRUTH = asked(
    {"goal_color": "cyan"}, {"goal_color": "crimson"}, {"brightness": 0.2}, {"brightness": 0.9},
    {"goal_color": "red", "brightness": 0.3}, {"wind": 1.0}, {"goal_color": "white"},
)  # fmt: skip


def known() -> list[Variation]:
    return list(dict.fromkeys(e.variation for e in episodes()))


def test_subsets_follow_from_what_is_known() -> None:
    found = truth.question(TRUTH, [], known(), SPACE)
    assert found.subsets == {
        "all": [0, 1, 2, 3, 4, 5, 6], "new values": [0, 1, 6], "all visible": [0, 1, 2, 3, 4, 6],
        "untouched factors": [2, 3], "combinations": [4], "physics": [5],
    }  # fmt: skip


def test_what_the_expert_cannot_do_is_left_out() -> None:
    expert = [Outcome(TRUTH[5].variation, 10, 10), Outcome(TRUTH[0].variation, 10, 0)]
    found = truth.question(TRUTH, expert, known(), SPACE)
    assert found.infeasible == (TRUTH[5].variation,)
    assert TRUTH[5].variation not in found.variations
    assert found.truth.episodes.tolist() == [20.0] * 6


def test_a_leak_is_refused() -> None:
    with pytest.raises(StudyError, match="known to the study"):
        truth.question(asked({"goal_color": "green"}), [], known(), SPACE)


def test_the_comparison_measures_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    found = truth.question(TRUTH, [], known(), SPACE)
    views = Views(PointReach(), StateBank((), ()))
    roster = {"base-rate": BaseRate, "values-logistic": lambda: ValuesLogistic(views, folds=2)}
    told: list[str] = []
    cache = truth.Cache(tmp_path, "made from this")
    table = truth.compare(episodes(), found, roster, cache, told.append)
    rate = float(np.mean([not e.success for e in episodes()]))
    expected = np.mean((rate - found.truth.rates) ** 2)
    assert table["base-rate"]["subsets"]["all"]["brier"]["value"] == pytest.approx(expected)
    assert table["values-logistic"]["subsets"]["new values"]["spearman"]["value"] > 0

    def broken() -> BaseRate:
        raise AssertionError("fitted again")

    again = truth.compare(episodes(), found, dict.fromkeys(roster, broken), cache, told.append)
    assert json.dumps(again, default=str) == json.dumps(table, default=str)
    with pytest.raises(AssertionError, match="fitted again"):
        truth.compare(episodes()[:-1], found, dict.fromkeys(roster, broken), cache, told.append)


def test_without_its_factor_nothing_of_it_is_learned(tmp_path: Path) -> None:
    found = truth.question(TRUTH, [], known(), SPACE)
    seen: list[set[str]] = []

    class Spy(BaseRate):
        def fit(self, episodes):
            seen.append({name for e in episodes for name in e.variation})
            return super().fit(episodes)

    table = truth.without_factor(episodes(), found, {"spy": Spy}, truth.Cache(tmp_path, 1), lambda text: None)
    assert seen == [set()]
    assert table["spy"]["subsets"]["all"]["variations"] == 4


def test_the_page_has_every_subset_and_estimator(tmp_path: Path) -> None:
    found = truth.question(TRUTH, [], known(), SPACE)
    table = truth.compare(episodes(), found, {"base-rate": BaseRate}, truth.Cache(tmp_path, 1), lambda text: None)
    page = markdown({
        "variations": [{"episodes": 20}], "infeasible": [], "command": "c", "date": "d", "seconds": 1.0, "machine": "m",
        "tables": {"known": table | {"gone": {"error": "No weights."}}},
    })  # fmt: skip
    for subset in ("All (7", "New values (3", "Untouched factors (2", "Combinations (1", "Physics (1"):
        assert f"### {subset}" in page
    assert "gone: not to be had. No weights." in page
    assert "| base-rate | " in page
