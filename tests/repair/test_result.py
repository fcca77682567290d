"""Groups and rows of a comparison, counted by hand."""

from pathlib import Path

import pytest

from faultfield.errors import FaultfieldError, StudyError
from faultfield.repair.result import Repair, Success, compared, measured
from tests.studies import episodes, variation

BEFORE = episodes({"": "1111", "red": "0010", "blue": "1100", "green": "0000"})
AFTER = episodes({"": "1101", "red": "1111", "blue": "1101", "green": "0001"}, policy="after")
ASKED = [(variation(""), "nominal", 0), (variation("red"), "known", 3), (variation("blue"), "known", 0),
         (variation("green"), "unseen", 0)]  # fmt: skip


def test_every_group_counts_its_own_variations() -> None:
    groups, rows = compared(ASKED, BEFORE, AFTER)  # type: ignore[arg-type]
    counted = {g.name: (g.variations, g.before.successes, g.after.successes, g.lost, g.gained) for g in groups}
    assert counted == {
        "all": (3, 3, 8, 0, 5), "known": (2, 3, 7, 0, 4), "unseen": (1, 0, 1, 0, 1), "demonstrated": (1, 1, 4, 0, 3),
        "not demonstrated": (2, 2, 4, 0, 2), "nominal": (1, 4, 3, 1, 0),
    }  # fmt: skip
    assert [(row.text, row.demonstrations, row.difference) for row in rows] == [
        ("Change nothing.", 0, -0.25), ("Change the color to red.", 3, 0.75), ("Change the color to blue.", 0, 0.25),
        ("Change the color to green.", 0, 0.25),
    ]  # fmt: skip
    together = groups[0]
    assert together.p == pytest.approx(2 * 0.5**5)
    assert together.difference == pytest.approx(5 / 12)
    assert together.low < together.difference < together.high
    assert measured(rows, "before").accuracy == pytest.approx(0.25)
    assert measured(rows, "after").accuracy == pytest.approx(8 / 12)


def test_only_pairs_count_and_a_variation_without_any_is_an_error() -> None:
    groups, _ = compared(ASKED[:2], BEFORE, episodes({"": ".1", "red": "1..1"}))  # type: ignore[arg-type]
    assert {g.name: g.before.episodes for g in groups}["known"] == 2
    with pytest.raises(FaultfieldError, match="at least one pair"):
        compared(ASKED, BEFORE, AFTER[:4])  # type: ignore[arg-type]


def test_without_demonstrations_no_group_is_about_them() -> None:
    bare = [(v, group, 0) for v, group, _ in ASKED]
    groups, _ = compared(bare, BEFORE, AFTER)  # type: ignore[arg-type]
    assert [g.name for g in groups] == ["all", "known", "unseen", "nominal"]


def test_what_lies_elsewhere_is_no_part_of_all() -> None:
    asked = [*ASKED[:3], (variation("green"), "elsewhere", 0)]
    groups, rows = compared(asked, BEFORE, AFTER)  # type: ignore[arg-type]
    counted = {g.name: (g.variations, g.before.successes, g.after.successes) for g in groups}
    assert counted == {
        "all": (2, 3, 7), "known": (2, 3, 7), "demonstrated": (1, 1, 4), "not demonstrated": (1, 2, 3),
        "elsewhere": (1, 0, 1), "nominal": (1, 4, 3),
    }  # fmt: skip
    assert measured(rows, "before").accuracy == pytest.approx(3 / 8)


def test_success_has_wilsons_interval() -> None:
    success = Success.of(9, 10)
    assert (success.low, success.high) == (pytest.approx(0.5958, abs=1e-4), pytest.approx(0.9821, abs=1e-4))
    assert Success.of(10, 10).high == 1.0


def test_what_is_no_repair_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no repair at"):
        Repair.read(tmp_path / "none.json")
    for text, says in (("{", "damaged"), ("[]", "not a repair"), ('{"format": "faultfield-repair"}', "damaged")):
        (tmp_path / "r.json").write_text(text)
        with pytest.raises(StudyError, match=says):
            Repair.read(tmp_path / "r.json")
