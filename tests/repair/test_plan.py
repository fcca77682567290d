"""A plan is kept, and another one is not written over it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from faultfield.errors import StudyError
from faultfield.repair.plan import PLAN_FILE, Plan, Recipe
from faultfield.repair.targets import Suspect, Target
from tests.toy import PointReach

SPACE = PointReach().variation_space
PLAN = Plan(
    Recipe(6, weights={"wind": 0.5}), "policy", "environment", "diagnosis",
    (
        Target(Suspect(SPACE.variation({"goal_color": "green"}), 1.0, "known"), 4),
        Target(Suspect(SPACE.variation({"brightness": 0.2, "wind": 0.3}), 0.4, "unseen", 0.5), 2),
    ),
)  # fmt: skip


def test_what_was_settled_is_read_back_and_may_be_settled_again(tmp_path: Path) -> None:
    PLAN.settle(tmp_path)
    before = (tmp_path / PLAN_FILE).read_bytes()
    assert Plan.read(tmp_path, SPACE) == PLAN
    PLAN.settle(tmp_path)
    assert (tmp_path / PLAN_FILE).read_bytes() == before


def test_an_older_plan_is_gone_on_with_where_the_same_is_demonstrated(tmp_path: Path) -> None:
    told = PLAN.to_json() | {"diagnosis": "digested otherwise"}
    del (
        told["original"],
        told["expert"],
        told["recipe"]["broad"],
        told["recipe"]["corrections"],
        told["recipe"]["widen"],
    )
    told["targets"][0]["failure"] = 0.9
    (tmp_path / PLAN_FILE).write_text(json.dumps(told))
    replace(PLAN, original="of this file", expert="me").settle(tmp_path)
    assert Plan.read(tmp_path, SPACE).original is None
    told["targets"][0]["episodes"] = 3
    (tmp_path / PLAN_FILE).write_text(json.dumps(told))
    with pytest.raises(StudyError, match="holds another repair"):
        PLAN.settle(tmp_path)


def test_a_plan_of_before_corrections_is_gone_on_with(tmp_path: Path) -> None:
    told = PLAN.to_json()
    del told["recipe"]["corrections"]
    (tmp_path / PLAN_FILE).write_text(json.dumps(told))
    PLAN.settle(tmp_path)
    with pytest.raises(StudyError, match=r"another repair \(corrections False, now True\)"):
        replace(PLAN, recipe=replace(PLAN.recipe, corrections=True)).settle(tmp_path)


def test_another_plan_is_refused_and_says_what_differs(tmp_path: Path) -> None:
    PLAN.settle(tmp_path)
    with pytest.raises(StudyError, match=r"another repair \(steps 3000, now 5\); choose another --out"):
        replace(PLAN, recipe=replace(PLAN.recipe, steps=5)).settle(tmp_path)
    with pytest.raises(StudyError, match="of another policy, expert, diagnosis or --original"):
        replace(PLAN, diagnosis="later").settle(tmp_path)
    with pytest.raises(StudyError, match="of another policy, expert"):
        replace(PLAN, expert="somebody else").settle(tmp_path)
    assert Plan.read(tmp_path, SPACE) == PLAN


def test_a_damaged_plan_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="There is no"):
        Plan.read(tmp_path, SPACE)
    for text in ("{", "[]", "{}"):
        (tmp_path / PLAN_FILE).write_text(text)
        with pytest.raises(StudyError, match="delete its directory"):
            Plan.read(tmp_path, SPACE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 1.0},
        {"share": -0.1},
        {"steps": 0},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"seed": -1},
    ],
)
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(StudyError, match="share of original data from 0 to below 1"):
        Recipe(5, **wrong)  # type: ignore[arg-type]


def test_every_round_can_show_a_variation() -> None:
    with pytest.raises(StudyError, match="5 in 2 rounds leaves a round fewer demonstrations than a variation takes, 3"):
        Recipe(5, rounds=2, least=3)
