"""Comparing two policies episode by episode."""

import numpy as np
import pytest

from faultfield.diagnosis.mcnemar import Pairs
from faultfield.diagnosis.paired import compare
from faultfield.errors import FaultfieldError
from tests.studies import episodes, variation

BEFORE = episodes({"": "1111111111", "red": "1111111111", "blue": "0000011111", "gone": "101"})
AFTER = episodes(
    {"red": "0000000000", "": "1101111111", "blue": "1111100000", "new": "00"}, policy="after", stage="verify"
)


def test_pairs_are_of_one_variation_and_one_seed() -> None:
    found = compare(BEFORE, AFTER)
    pairs = {change.variation: change.pairs for change in found.variations}
    assert list(pairs) == [variation(""), variation("red"), variation("blue")]
    assert pairs[variation("")] == Pairs(9, 1, 0, 0)
    assert pairs[variation("red")] == Pairs(0, 10, 0, 0)
    assert pairs[variation("blue")] == Pairs(0, 5, 5, 0), "equal rates, and yet every scene turned round"
    assert found.overall.pairs == Pairs(9, 16, 5, 0)
    assert [(o.variation, o.episodes, o.failures) for o in found.only_before] == [(variation("gone"), 3, 1)]
    assert [o.variation for o in found.only_after] == [variation("new")]


def test_seeds_of_one_side_alone_are_counted_and_not_compared() -> None:
    found = compare(episodes({"red": "11..11"}), episodes({"red": "1.1.10", "blue": "1"}, policy="after"))
    assert found.overall.pairs == Pairs(2, 1, 0, 0)
    assert found.unpaired == (1, 1)
    none = compare(episodes({"": "1", "red": "11.."}), episodes({"": "1", "red": "..11"}, policy="after"))
    assert [o.variation for o in none.only_before] == [o.variation for o in none.only_after] == [variation("red")]


def test_a_drop_is_significant_after_holms_correction_or_not_at_all() -> None:
    found = compare(BEFORE, AFTER)
    red = found.variations[1]
    assert (red.p, red.adjusted) == (pytest.approx(2 / 2**10), pytest.approx(3 * 2 / 2**10))
    assert [change.variation for change in found.regressions] == [variation("red")]
    assert not compare(BEFORE, AFTER, alpha=0.005).regressions
    assert compare(BEFORE, AFTER, alpha=0.005, alternative="drop").regressions
    assert not compare(AFTER, BEFORE).regressions, "what is better is no regression"
    assert compare(AFTER, BEFORE).variations[0].verdict == "better"


def test_variations_that_stay_as_they_were_do_not_drown_a_total_loss() -> None:
    same = {f"c{k}": "1" * 10 for k in range(60)} | {f"d{k}": "1" for k in range(40)}
    found = compare(episodes({**same, "red": "1" * 10}), episodes({**same, "red": "0" * 10}, policy="after"))
    assert [change.variation for change in found.regressions] == [None, variation("red")]
    assert found.regressions[1].adjusted == pytest.approx(2 * 2 / 2**10)


def test_of_one_variation_all_together_are_no_second_test() -> None:
    found = compare(episodes({"red": "111111"}), episodes({"red": "000000"}, policy="after"))
    assert found.overall.adjusted == found.variations[0].adjusted == found.overall.p == pytest.approx(1 / 32)
    assert "Holm" not in found.method


def test_equal_policies_raise_few_false_alarms() -> None:
    """Twelve variations of the same success, luck alone between them: at most α of whole comparisons alarm."""
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(100):
        sides = [
            episodes({f"c{v}": "".join(rng.choice(["0", "1"], 10, p=[0.4, 0.6])) for v in range(12)}) for _ in range(2)
        ]
        found = compare(*sides, alpha=0.2)
        alarms += any(change.significant for change in (found.overall, *found.variations))
    assert alarms <= 26, "binomial(100, 0.2) is above 26 five times in a hundred"


@pytest.mark.parametrize(
    ("before", "after", "settings", "message"),
    [
        (BEFORE, episodes({"other": "11"}), {}, "variation and the seed"),
        (BEFORE, [], {}, "variation and the seed"),
        (BEFORE + BEFORE, AFTER, {}, "Two episodes before have seed 0"),
        (BEFORE, AFTER, {"alpha": 0.0}, "between 0 and 1"),
        (BEFORE, AFTER, {"level": 95}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_compared_is_told(before: list, after: list, settings: dict, message: str) -> None:
    with pytest.raises(FaultfieldError, match=message):
        compare(before, after, **settings)
