"""Study files: what they mean, and what is said of wrong ones."""

from pathlib import Path

import pytest

from faultfield.errors import StudyError, VariationError
from faultfield.study.config import StudyConfig, read_variations, variations_of
from tests.toy import PointReach

GOOD = """
policy: {type: "tests.toy:PointPolicy", chunk: 2}
environment: {type: "tests.toy:PointReach"}
known: {goal_color: [red, blue], wind: [0.5]}
unseen: {brightness: {low: 0.2, high: 1.0, count: 3}}
"""


def test_defaults_are_spelled_out_and_read_back_the_same() -> None:
    config = StudyConfig.parse(GOOD, "here")
    assert config.policy.arguments == {"chunk": 2}
    assert config.rollouts.per_variation == 10
    assert StudyConfig.parse(config.to_yaml(), "again") == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "serch: {}", "unknown key 'serch'; did you mean 'search'"),
        (GOOD + "rollouts: {per_variaton: 3}", "unknown key 'rollouts.per_variaton'; did you mean 'per_variation'"),
        (GOOD + "search: {step: 3}", "'search.step'; did you mean 'steps'"),
        (GOOD + "field: {dims: 3}", "did you mean 'dim'"),
        (GOOD + "field: {lr: .inf}", "field.lr"),
        (GOOD + "search: {strategy: sac, algorithm: ppo}", "has both search.strategy and search.algorithm"),
        (GOOD + "rollouts: {per_variation: 0}", "'rollouts.per_variation'"),
        (GOOD + "search: {strategy: pbo}", "'ppo', 'a2c' or 'sac'"),
        (GOOD + "search: {ppo: {batch: 1}}", "batch must be at least 2, not 1"),
        (GOOD + "diagnosis: {compare: []}", "'diagnosis.compare'"),
        (GOOD.replace("known:", "knwon:"), "unknown key 'knwon'; did you mean 'known'|'known' is missing"),
        ("policy: [", "not YAML"),
        ("- 1", "must be a mapping"),
        (GOOD.replace('type: "tests.toy:PointReach"', ""), "'environment.type' is missing"),
    ],
)
def test_a_wrong_study_is_refused_in_one_sentence_that_names_the_key(text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message) as caught:
        StudyConfig.parse(text, "study.yaml")
    assert "\n" not in str(caught.value)


def test_search_says_strategy_as_studies_do() -> None:
    assert StudyConfig.parse(GOOD + "search: {strategy: a2c}", "here").search.algorithm == "a2c"


def test_listings_become_variations_each_once_and_never_nominal() -> None:
    space = PointReach().variation_space
    assert [v.to_json() for v in variations_of({"brightness": {"low": 0.2, "high": 1.0, "count": 5}}, space)] == [
        {"brightness": 0.2}, {"brightness": 0.4}, {"brightness": 0.6}, {"brightness": 0.8},
    ], "nothing changes at 1"  # fmt: skip
    both = variations_of([{"wind": 1, "brightness": 1.0}, {"wind": 1}], space)
    assert [v.to_json() for v in both] == [{"wind": 1.0}], "nor does it beside another factor"
    listed = variations_of([{"wind": 1}, {"wind": 1.0, "goal_color": "blue"}, {"wind": 1}, {}], space)
    assert [v.to_json() for v in listed] == [{"wind": 1.0}, {"goal_color": "blue", "wind": 1.0}]
    for wrong in (
        {"low": 1},
        {"low": "a", "high": 1},
        {"low": 0, "high": 1, "count": "many"},
        {"low": 0, "high": 1, "count": 0},
        {"low": 0, "high": 1, "count": 2.7},
    ):
        with pytest.raises(StudyError, match="low, high, count} of numbers"):
            variations_of({"wind": wrong}, space)
    with pytest.raises(VariationError, match="wind"):
        variations_of({"wnd": [1]}, space)


@pytest.mark.parametrize("text", ["", "{wind: 1}", "[1, 2]", "[", "- []"])
def test_a_file_of_variations_must_be_a_list_of_mappings(tmp_path: Path, text: str) -> None:
    file = tmp_path / "v.yaml"
    file.write_text(text)
    with pytest.raises(StudyError, match=r"v\.yaml"):
        read_variations(file, PointReach().variation_space)
