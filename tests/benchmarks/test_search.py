"""The comparison by replay: every episode once, counts by brute force, tables that belong to somebody."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import pages
import search
from faultfield.errors import StudyError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.intervals import wilson
from faultfield.rollouts.ledger import Ledger
from faultfield.search import RandomSearch, SobolSearch
from faultfield.search.verification import Verification
from faultfield.study import Silent, Study, StudyConfig
from faultfield.variations.cells import cell_of
from pictured import Gallery
from replay import Shuffled, Snapped, TableViews, curve, false_claims, replay
from search_pages import markdown, summary
from surfaces import dense, made_up_space, surface
from table import TruthTable
from tests.benchmarks.programs import refusal
from tests.study.test_hunt import TEXT
from truth_table import build, collected, failed_of, read_counts, topped_up

SPACE = made_up_space()
TABLE = surface(SPACE, rows=60, share=0.3, episodes=20, seed=1)
RULE = Verification(wilson(*TABLE.nominal)[1], failures=2, most=20)


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    TABLE.write(tmp_path / "table.parquet")
    again = TruthTable.read(tmp_path / "table.parquet", SPACE)
    assert again.variations == TABLE.variations
    assert [r.failed for r in again.rows] == [r.failed for r in TABLE.rows]
    np.testing.assert_array_equal([r.features for r in again.rows], [r.features for r in TABLE.rows])
    assert (again.nominal, again.facts, again.least) == (TABLE.nominal, TABLE.facts, 20)


def test_a_table_of_another_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"t.parquet is of another policy .made-up, the study's is abc"):
        TABLE.belongs_to({"policy": "abc", "environment": "made-up"}, tmp_path / "t.parquet")
    with pytest.raises(StudyError, match=r"There is no truth table '.*missing.parquet'"):
        TruthTable.read(tmp_path / "missing.parquet", SPACE)
    (tmp_path / "text.parquet").write_text("no")
    with pytest.raises(StudyError, match="is not a truth table"):
        TruthTable.read(tmp_path / "text.parquet", SPACE)


@pytest.mark.parametrize("program", ["search.py", "truth_table.py"])
def test_the_programs_refuse_it_in_one_sentence_with_exit_code_2(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study, table, out = tmp_path / "study.yaml", tmp_path / "table.parquet", tmp_path / "more.parquet"
    study.write_text(TEXT)
    surface(Study(StudyConfig.read(study), tmp_path / "study").space, rows=20, episodes=5).write(table)
    arguments: dict[str, list[str | Path]] = {
        "search.py": [study, table, "--cache", tmp_path, "--out", out],
        "truth_table.py": [study, "--top-up", table, "--out", out],
    }
    assert f"The truth table {table} is of another policy (made-up, " in refusal(program, arguments[program], capsys)
    assert not list(tmp_path.glob("more*"))
    # A truth table of nothing is told likewise.
    table.write_text("no")
    assert f"{table} is not a truth table" in refusal(program, arguments[program], capsys)


@pytest.mark.parametrize(("word", "says"), [("--only nonsense", "no strategy 'nonsense'"), ("--seeds 0", "from 1 on")])
def test_a_comparison_of_nothing_is_refused(
    word: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["search.py", "--quick", "--out", str(tmp_path / "s"), *word.split()])
    with pytest.raises(SystemExit) as ended:
        pages.run(search.main, "search.py")
    assert ended.value.code == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_dense_set_has_singles_and_pairs_and_every_category() -> None:
    found = dense(SPACE, 80)
    assert len(set(found)) == 80
    assert sorted({len(v) for v in found}) == [1, 2]
    assert sum(len(v) == 1 for v in found) == 40
    singles = [v for v in found if len(v) == 1]
    assert {v["texture"] for v in singles if "texture" in v} == {"wood", "cork", "steel", "felt"}
    assert {"light", "camera", "mass", "cup_color", "table_color", "texture"} == {next(iter(v)) for v in singles}


def test_every_rollout_is_an_unused_episode_of_its_row() -> None:
    campaign = replay(TABLE, Shuffled(SPACE, TABLE, 0), RULE, budget=90, seed=3)
    assert campaign.spent == 90 or len(campaign.counts) == 60
    rows = {row.variation: row.failed for row in TABLE.rows}
    for variation, (failures, episodes) in campaign.counts.items():
        assert failures <= sum(rows[variation])
        assert episodes - failures <= len(rows[variation]) - sum(rows[variation])
    same = replay(TABLE, Shuffled(SPACE, TABLE, 0), RULE, budget=90, seed=3)
    assert same.finds == campaign.finds
    assert replay(TABLE, Shuffled(SPACE, TABLE, 0), RULE, budget=90, seed=4).counts != campaign.counts


def test_free_proposals_become_the_nearest_row_not_asked_for_yet() -> None:
    snapped, free = Snapped(SobolSearch(SPACE, 0), TABLE), SobolSearch(SPACE, 0)
    asked, left = [], list(TABLE.variations)
    for proposal in free.ask(12):
        distances = [SPACE.distance(proposal, row) for row in left]
        asked.append(left.pop(int(np.argmin(distances))))
    assert snapped.ask(12) == asked
    rest = [v for _ in range(20) for v in snapped.ask(5)]
    assert set(asked + rest) == set(TABLE.variations)
    assert len(asked + rest) == 60


def test_the_curve_counts_cells_once() -> None:
    campaign = replay(TABLE, Shuffled(SPACE, TABLE, 0), RULE, budget=100, seed=0)
    found = curve(campaign, SPACE, 100)
    for budget in (10, 55, 100):
        expected = {cell_of(f.variation, SPACE) for f in campaign.finds if f.rollouts <= budget}
        assert found[budget - 1] == len(expected)
    rows = {row.variation: sum(row.failed) for row in TABLE.rows}
    wrong = [f for f in campaign.finds if wilson(rows[f.variation], 20)[0] <= RULE.bound]
    assert false_claims(campaign, TABLE, RULE.bound) == len(wrong)


def test_the_tables_views_answer_without_a_simulator() -> None:
    views = TableViews(TABLE, SPACE)
    np.testing.assert_array_equal(views.probe(TABLE.variations[:3]), [r.features for r in TABLE.rows[:3]])
    assert views.hidden(TABLE.variations).tolist() == ["mass" in v for v in TABLE.variations]


def test_ours_finds_more_than_chance_and_the_page_says_so(tmp_path: Path) -> None:
    told: list[str] = []
    entries = search.compare(
        TABLE, SPACE, RULE, seeds=3, budget=30, batch=3, only=("random", "hunt"), cache=tmp_path, tell=told.append
    )
    last = {(e["name"], e["given"]): np.mean([r["curve"][-1] for r in e["runs"]]) for e in entries}
    assert last["hunt", search.PROBE] > last["random", search.VALUES]
    again = search.compare(TABLE, SPACE, RULE, seeds=3, budget=30, batch=3, only=("random", "hunt"), cache=tmp_path)
    assert again == entries
    result = search.result_of(entries, TABLE, SPACE, RULE, 30)
    numbers = result["summary"]
    ratio = next(r for r in numbers["ratios"] if r["given"] == search.PROBE)["at"][-1]
    assert ratio["ratio"] == pytest.approx(last["hunt", search.PROBE] / last["random", search.VALUES])
    assert ratio["low"] <= ratio["ratio"] <= ratio["high"]
    page = markdown(result, "search")
    assert "| hunt | factor values and probe |" in page
    assert "60 variations of policy `made-up`" in page
    json.dumps(result)


def test_the_diagnostic_policy_plays_on_pictures_of_the_rows(tmp_path: Path) -> None:
    study = Study(StudyConfig.parse(TEXT, "here"), tmp_path / "study")
    table = build(study, rows=12, episodes=4, nominal=6, seed=900, space_seed=0, progress=Silent())
    rule = Verification(wilson(*table.nominal)[1], failures=2, most=table.least)
    gallery = Gallery.of(study, 300)
    settings = {"seeds": 2, "budget": 12, "batch": 4, "only": (search.DIAGNOSTIC,)}
    (entry,) = search.compare(table, study.space, rule, gallery=gallery, **settings)  # type: ignore[arg-type]
    assert entry["given"] == search.PICTURES
    assert [len(each["curve"]) for each in entry["runs"]] == [12, 12]
    strategy = gallery.search(table, study.ledger.episodes("known"), 0)
    asked = strategy.ask(3)
    assert set(asked) <= set(table.variations)
    strategy.tell([Episode(asked[0], 1, False, 1, "p", "e", "hunt")])
    # The picture is of that row: its second stored state, as it looks under the variation.
    (kept,) = [e for e in strategy.episodes if e.variation == asked[0]]
    shots = gallery.bank.views.pictures([asked[0]])[0]
    np.testing.assert_array_equal(kept.initial["first"], shots[1 % len(shots)])
    assert len(strategy.ask(2)) == 2
    assert search.compare(table, study.space, rule, **settings) == []  # type: ignore[arg-type]


def test_whoever_is_told_the_truth_finds_more_than_who_is_told_nothing() -> None:
    entries = search.compare(TABLE, SPACE, RULE, seeds=3, budget=30, batch=3, only=("hunt", search.CEILING[0]))
    last = {e["given"]: np.mean([r["curve"][-1] for r in e["runs"]]) for e in entries}
    assert last[search.CEILING[1]] > last[search.VALUES]
    numbers = search.result_of(entries, TABLE, SPACE, RULE, 30)["summary"]
    assert {row["given"] for row in numbers["table"]} == {search.VALUES, search.PROBE, search.CEILING[1]}
    assert numbers["ratios"] == []


def test_rivals_may_come_back_and_are_told_nominal_and_ours_is_played_without() -> None:
    made = search.strategies(TABLE, SPACE, 2)
    names = {name for name, given in made if given == search.PROBE}
    assert {"forest", "forest, coming back", "hunt", search.NEVER, search.PLAIN} <= names
    for name, given in made:
        strategy = made[name, given](0)
        if hasattr(strategy, "told") and not name.startswith("hunt"):
            told = strategy.told()
            assert [v.is_nominal for v in told.variations] == [True]
            assert (told.failures[0], told.episodes[0]) == TABLE.nominal
    variation = TABLE.variations[0]
    for name, back in (("forest", False), ("forest, coming back", True), ("hunt", True), (search.NEVER, False)):
        strategy = made[name, search.PROBE](0)
        strategy.tell([Episode(variation, 0, True, 1, "p", "e", "hunt")])
        assert strategy.again(variation) is back


def test_the_summary_tells_the_best_other_strategy_on_values() -> None:
    def entry(name: str, given: str, ends: list[int]) -> dict:
        return {"name": name, "given": given, "runs": [{"curve": [0, end]} for end in ends]}

    found = summary(
        [
            entry("hunt", "p", [9, 9]), entry("random", "v", [2, 4]), entry("grid", "v", [1, 1]),
            entry("forest", "p", [6, 6]), entry("GP upper bound", "v", [4, 5]), entry("truth", "t", [10, 10]),
        ],
        2, "hunt", "v", apart=("truth",),
    )  # fmt: skip
    on_values, on_usual, on_both = found["ratios"]
    at = on_values["at"][0]
    assert (at["best"], at["ratio"]) == ("GP upper bound", 2.0)
    # Of two seeds Student's quantile is 12.706; each adds ±1/9 of the logarithm of the ratio.
    assert np.log([at["low"], at["high"]]) - np.log(2.0) == pytest.approx([-12.706 / 9, 12.706 / 9], rel=1e-4)
    bound = next(row for row in found["table"] if row["name"] == "GP upper bound")["found"][0]
    assert [bound[name] for name in ("mean", "low", "high")] == pytest.approx([4.5, 0.0, 4.5 + 12.706 / 2], rel=1e-4)
    assert (on_usual["at"][0]["best"], on_usual["at"][0]["ratio"]) == ("random", 3.0)
    assert [row["name"] for row in found["table"]][-1] == "truth"
    assert (on_both["at"][0]["best"], on_both["at"][0]["ratio"]) == ("forest, p", 1.5)
    only = summary(
        [entry("hunt", "p", [9, 9]), entry("sobol", "v", [3, 3]), entry("sobol", "p", [1, 1])], 2, "hunt", "v"
    )
    assert only["ratios"][-1]["at"][0]["ratio"] == 3.0, "the features led it astray"


def test_a_table_is_built_by_rolling_out_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    study = Study(StudyConfig.parse(TEXT, "here"), tmp_path / "study")
    settings = {"rows": 12, "episodes": 4, "nominal": 6, "seed": 900, "space_seed": 0, "progress": Silent()}
    table = build(study, **settings)  # type: ignore[arg-type]
    assert table.nominal == (0, 6)
    assert 8 <= len(table.rows) <= 12
    assert table.least == 4
    assert table.facts["infeasible"] == 12 - len(table.rows)
    ledger = Ledger(study.directory / "truth")
    before = len(ledger)
    again = build(study, **settings)  # type: ignore[arg-type]
    assert len(ledger) == before
    assert [r.failed for r in again.rows] == [r.failed for r in table.rows]
    truth = failed_of(ledger.episodes(stage="truth", load="none"))
    assert all(truth[row.variation] == row.failed for row in table.rows)
    counts = tmp_path / "counts.json"
    counts.write_text(json.dumps({"variations": [{"variation": {"brightness": 0.4}, "episodes": 5, "failures": 3}]}))
    other = collected(study, [], [counts], "1/50", 5, Silent())
    assert [(r.variation.to_json(), r.failed) for r in other.rows] == [
        ({"brightness": 0.4}, (True, True, True, False, False))
    ]
    assert other.nominal == (1, 50)
    with pytest.raises(StudyError, match="not what 'faultfield rollout"):
        read_counts(tmp_path / "missing.json", study.space)
    with pytest.raises(StudyError, match="K/N"):
        collected(study, [], [counts], "3", 5, Silent())


def test_what_a_hunt_stopped_at_is_no_truth(tmp_path: Path) -> None:
    study = Study(StudyConfig.parse(TEXT, "here"), tmp_path / "study")
    dim = study.space.variation({"brightness": 0.4})
    for stage, failures in (("known", (True, False, False)), ("hunt", (True, True))):
        for number, failed in enumerate(failures):
            seed = number + (100 if stage == "hunt" else 0)
            study.ledger.append(Episode(dim, seed, not failed, 3, *study.identity.values(), stage))
    found = collected(study, [study.directory], [], "0/50", 1, Silent())
    assert [(r.variation, r.failed) for r in found.rows] == [(dim, (True, False, False))]


def test_rows_with_few_episodes_get_more_with_seeds_of_their_own(tmp_path: Path) -> None:
    study = Study(StudyConfig.parse(TEXT, "here"), tmp_path / "study")
    table = build(study, rows=8, episodes=4, nominal=6, seed=900, space_seed=0, progress=Silent())
    uneven = replace(table, rows=(replace(table.rows[0], failed=table.rows[0].failed[:2]), *table.rows[1:]))
    before = len(Ledger(study.directory / "truth"))
    topped = topped_up(study, uneven, episodes=5, seed=5000, progress=Silent())
    assert [len(row.failed) for row in topped.rows] == [5] * len(table.rows)
    assert len(Ledger(study.directory / "truth")) - before == 3 + len(table.rows) - 1
    ledger = Ledger(study.directory / "truth")
    for row, had in zip(topped.rows, uneven.rows, strict=True):
        assert row.failed[: len(had.failed)] == had.failed
        fresh = [e for e in ledger.iterate("truth", load="none") if e.variation == row.variation and e.seed >= 5000]
        assert row.failed[len(had.failed) :] == tuple(not e.success for e in sorted(fresh, key=lambda e: e.seed))
    assert topped.facts["topped up"]["rows"] == len(table.rows)
    assert topped.nominal == table.nominal
    again = topped_up(study, topped, episodes=5, seed=5000, progress=Silent())
    assert [row.failed for row in again.rows] == [row.failed for row in topped.rows]


def test_random_search_itself_can_be_snapped() -> None:
    campaign = replay(TABLE, Snapped(RandomSearch(SPACE, 0), TABLE), RULE, budget=20, seed=0)
    assert campaign.spent == 20
