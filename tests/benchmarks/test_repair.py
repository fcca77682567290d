"""The table of repairs: pooled counts, paired gaps, goals, and a page with a row a mode."""

import argparse
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import repair as bench
from faultfield.repair.result import DataSet
from surfaces import surface
from tests.benchmarks.programs import refusal
from tests.repair import toy
from tests.report.test_repair import example

OURS, OTHER = example(gain=1.0), example(gain=0.4)


def test_a_row_pools_the_episodes_of_all_seeds() -> None:
    told = bench.entry("targeted", [OURS, OTHER], None)
    first, second = OURS.group("all"), OTHER.group("all")
    assert first is not None
    assert second is not None
    assert told["groups"]["all"]["episodes"] == 480
    assert told["groups"]["all"]["successes"] == first.after.successes + second.after.successes
    assert told["accuracy"] == pytest.approx((OURS.measures_after.accuracy + OTHER.measures_after.accuracy) / 2)
    before = bench.entry("pre-trained", [OURS], [OURS], "before")
    assert before["groups"]["all"]["successes"] == first.before.successes
    assert "demonstrations" not in before


def test_the_gap_is_that_of_paired_variations() -> None:
    found = bench.gap([OURS], [OTHER], "after")
    rates = [np.mean([row.after.rate for row in one.rows[1:25]]) for one in (OURS, OTHER)]
    assert found["points"] == pytest.approx(100 * (rates[0] - rates[1]))
    assert 0 < found["low"] < found["points"] < found["high"]
    assert bench.gap([OURS], [OURS], "after") == {"points": 0, "low": 0, "high": 0}


def test_goals_and_page() -> None:
    def sized(one: object, demonstrations: int, rows: int) -> object:
        data = DataSet(file="d", demonstrations=demonstrations, steps=rows, bytes=2_000_000)
        return one.model_copy(update={"targeted": data})  # type: ignore[attr-defined]

    made = {"targeted": [sized(OURS, 10, 300)], "random": [sized(OTHER, 10, 300)], "all": [sized(OTHER, 70, 2000)]}
    options = argparse.Namespace(
        episodes=10,
        nominal=50,
        per_variation=1,
        steps=5,
        share=0.3,
        learning_rate=1e-3,
        rounds=2,
        looks=3,
        broad=0.0,
        corrections=False,
        widen=2,
        on=Path("lift-robust.parquet"),
    )
    study = SimpleNamespace(name="demo", identity={"policy": "p", "environment": "e"})
    result = bench.result_of(study, made, options)  # type: ignore[arg-type]
    assert result["goals"]["above_random_with_intervals_apart"] is True
    assert result["goals"]["above_random_paired"] is True
    assert result["goals"]["share_of_the_data_of_all"] == pytest.approx(0.15), "a seventh of them, but longer ones"
    assert result["goals"]["at_least_95"] is (result["goals"]["success"] >= 0.95)
    page = bench.markdown(result)
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows] == [
        "| fine-tuned on", "| pre-trained", "| targeted", "| random", "| all",
        "| fine-tuned on", "| pre-trained", "| targeted", "| random", "| all",
    ]  # fmt: skip
    assert len({row.count("|") for row in rows[:5]}) == 1
    assert "(92.83)" in rows[7]
    assert "in 2 rounds, with 3 episodes between them" in page
    assert "further looks 3" in page
    assert "can solve (the rows of `lift-robust.parquet`, diagnosed or not)" in page
    assert "above random with intervals apart: yes" in page


def test_a_truth_table_of_another_policy_is_refused_before_anything_is_gathered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = toy.study(tmp_path / "study", toy.untaught(tmp_path / "checkpoint"))
    table = tmp_path / "table.parquet"
    surface(study.space, rows=20, episodes=5).write(table)
    told = refusal("repair.py", [study.directory, "--on", table, "--out", tmp_path / "page"], capsys)
    assert told.startswith(f"The truth table {table} is of another policy (made-up, the study's is ")
    assert not (study.directory / "repairs").exists()
    assert not list(tmp_path.glob("page*"))
