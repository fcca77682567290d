"""The paper's tables: pairs and triples by brute force, closed forms, what is left out, and whole runs on the toy."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import embedding
import figure5
import figure7
import paper_tables
import table1
import table2
import table3
import table4
import task_page
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.metrics import Truth
from faultfield.errors import CheckpointError, StudyError
from faultfield.search.config import SearchConfig
from faultfield.search.mdp import VirtualMDP
from pages import plain, spread
from pairs import accuracy, draw, right
from resnet18 import Network, weights_file
from rivals import PROBE
from studied import Studied
from tests.benchmarks import tables
from tests.toy import PointPolicy, PointReach

TRUTH = Truth(np.array([0.0, 3.0, 10.0, 6.0, 10.0]), np.full(5, 10.0))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def run(module: object, *words: object) -> None:
        monkeypatch.setattr(sys, "argv", ["program.py", *map(str, words)])
        module.main()  # type: ignore[attr-defined]

    return run


def test_pairs_differ_and_each_comes_once_while_there_are_enough() -> None:
    every = {(w, b) for w in range(5) for b in range(5) if TRUTH.rates[w] - TRUTH.rates[b] >= 0.4 - 1e-9}
    pairs = draw(TRUTH, len(every), seed=3)
    assert set(zip(pairs.worse.tolist(), pairs.better.tolist(), strict=True)) == every
    assert pairs.available == len(every) == len(pairs)
    many = draw(TRUTH, 500, seed=0)
    assert len(many) == 500
    assert 0.4 < many.first.mean() < 0.6
    with pytest.raises(StudyError, match="No two of 5 variations"):
        draw(TRUTH, 10, seed=0, gap=1.1)


def test_a_right_pair_counts_one_and_a_tie_one_half() -> None:
    pairs = draw(TRUTH, 40, seed=1)
    scores = np.array([0.1, 0.3, 0.3, 0.3, 0.9])
    expected = [
        1.0 if scores[w] > scores[b] else 0.5 if scores[w] == scores[b] else 0.0
        for w, b in zip(pairs.worse, pairs.better, strict=True)
    ]
    assert right(scores, pairs).tolist() == expected
    assert right(TRUTH.rates, pairs).min() == 1.0


def test_the_interval_is_over_variations_not_over_pairs() -> None:
    # One variation is the worse one in every pair: if it is right, all are. The pairs alone would look like 400 coins.
    pairs = draw(Truth(np.array([10.0, *np.zeros(20)]), np.full(21, 10.0)), 400, seed=0)
    half = np.isin(pairs.better, np.arange(1, 11)).astype(float)
    found = accuracy(half, pairs, 21)
    assert found["value"] == pytest.approx(half.mean())
    assert found["high"] - found["low"] > 0.3
    assert accuracy(np.ones(400), pairs, 21) == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_table_1_on_the_toy(study: Path, tmp_path: Path, command: Callable[..., None]) -> None:
    truth = tables.truth(tmp_path / "truth.json")
    words = [study, truth, "--only", PROBE, "CNN", "ResNet-18", "--pairs", 30, "--seeds", 2, "--epochs", 1,
             "--cache", tmp_path / "cache"]  # fmt: skip
    command(table1, *words, "--out", tmp_path / "one")
    result = json.loads((tmp_path / "one.json").read_text())
    rows = {row["name"]: row for row in result["rows"]}
    assert rows[PROBE]["accuracy"]["value"] > 0.9
    assert [len(rows[name]["by_seed"]) for name in (PROBE, "CNN", "ResNet-18")] == [1, 2, 2]
    assert (result["variations"], result["known"], result["left_out"]["known"]) == (8, 6, 0)
    page = (tmp_path / "one.md").read_text()
    assert "| CNN | " in page
    assert "46 / 57 / 49" in page
    assert "random weights" in page
    assert "other policies" in page
    before = sorted((tmp_path / "cache").iterdir())
    command(table1, *words, "--out", tmp_path / "two")
    assert sorted((tmp_path / "cache").iterdir()) == before
    assert json.loads((tmp_path / "two.json").read_text())["rows"] == result["rows"]
    with pytest.raises(StudyError, match="Give either the truth or"):
        command(table1, study)


def test_table_1_takes_answers_that_are_there(study: Path, tmp_path: Path, command: Callable[..., None]) -> None:
    space, policy = PointReach().variation_space, PointPolicy()
    rates = [policy.failure_rate(space.variation(values)) for values in tables.ASKED]
    rows = json.loads(tables.truth(tmp_path / "truth.json").read_text())["variations"]
    identity = json.loads((study / "identity.json").read_text())["policy"]
    content = {"policy": identity, "variations": rows, "infeasible": [],
               "tables": {"known": {"probe": {"mean": rates, "seconds": 1.0}, "cnn": {"error": "No."}}}}  # fmt: skip
    (tmp_path / "answers.json").write_text(json.dumps(content))
    command(table1, study, "--answers", tmp_path / "answers.json", "--pairs", 30, "--out", tmp_path / "out")
    found = {row["name"]: row for row in json.loads((tmp_path / "out.json").read_text())["rows"]}
    assert found[PROBE]["accuracy"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert (found["CNN"]["error"], found["SAC"]["error"]) == ("No.", "It was not asked.")
    (tmp_path / "answers.json").write_text(json.dumps(content | {"policy": "another"}))
    with pytest.raises(StudyError, match="is of another policy"):
        command(table1, study, "--answers", tmp_path / "answers.json")


def test_table_2_names_what_is_missing_and_claims_nothing_of_a_bad_policy(
    study: Path, tmp_path: Path, command: Callable[..., None]
) -> None:
    content = json.loads((study / "diagnosis.json").read_text())
    bad = tmp_path / "bad"
    bad.mkdir()
    content["nominal"] |= {"failures": 4, "rate": 0.5, "low": 0.2, "high": 0.8}
    (bad / "diagnosis.json").write_text(json.dumps(content))
    command(table2, study, bad, tmp_path / "gone", "--out", tmp_path / "out")
    result = json.loads((tmp_path / "out.json").read_text())
    good, poor = result["rows"]
    assert (good["claimed"], poor["claimed"]) == (True, False)
    assert list(result["missing"]) == ["gone"]
    said = [(k["failure_probability"], k["rate"]) for k in content["known"]]
    said += [(r["failure_probability"], r["verified"]["rate"]) for r in content["ranking"] if r["verified"]]
    pairs = [(a, b) for a in said for b in said if a[1] - b[1] >= 0.4 - 1e-9]
    expected = np.mean([1.0 if a[0] > b[0] else 0.5 if a[0] == b[0] else 0.0 for a, b in pairs])
    assert good["pairs"]["value"] == pytest.approx(expected)
    assert good["pairs"]["count"] == len(pairs)
    assert good["detection"]["failures"] == sum((p >= 0.5) == (rate >= 0.5) for p, rate in said)
    page = (tmp_path / "out.md").read_text()
    assert "nothing is claimed" in page
    assert "Over 1 study with nominal success of 70%" in page
    assert "gone was left out" in page
    with pytest.raises(StudyError, match="None of these holds a diagnosis"):
        command(table2, tmp_path / "gone")
    command(table2, bad, "--keep", "--out", tmp_path / "out")
    kept = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [(row["study"], row["pairs"]) for row in kept] == [(row["study"], row["pairs"]) for row in result["rows"]]
    with pytest.raises(StudyError, match="another --gap"):
        command(table2, bad, "--keep", "--gap", "0.3", "--out", tmp_path / "out")


def toy_page(study: Path, path: Path, command: Callable[..., None]) -> dict[str, Any]:
    """The study's page as `task_page.py` makes it, and what it holds."""
    command(task_page, study, "--studies", path.parent, "--out", path)
    return dict(json.loads(path.with_suffix(".json").read_text()))


def test_a_page_stands_for_its_study(study: Path, tmp_path: Path, command: Callable[..., None]) -> None:
    toy_page(study, tmp_path / "page", command)
    for table, rows in ((table2, "rows"), (table4, "rows"), (figure7, "plots")):
        found = []
        for path in (study, tmp_path / "page.json"):
            command(table, path, "--out", tmp_path / "out")
            found.append(json.loads((tmp_path / "out.json").read_text())[rows])
        assert found[0] == found[1]
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(StudyError, match=r"other\.json is no page of benchmarks/task_page\.py"):
        Studied.read(tmp_path / "other.json")


def test_what_is_set_to_what_it_is_anyway_counts_nowhere(
    study: Path, tmp_path: Path, command: Callable[..., None]
) -> None:
    content = json.loads((study / "diagnosis.json").read_text())
    verified = next(row for row in content["ranking"] if row["verified"])
    known = content["known"][0]
    assert "brightness" not in known["variation"]
    content["known"].append(known | {"variation": known["variation"] | {"brightness": 1.0}, "key": "1" * 16})
    content["ranking"].append(verified | {"variation": {"brightness": 1.0}, "key": "2" * 16})
    content["ranking"].append(verified | {"variation": {"brightness": 1.0}, "key": "3" * 16, "verified": None})
    odd = tmp_path / study.name
    shutil.copytree(study, odd)
    (odd / "diagnosis.json").write_text(json.dumps(content))
    page, whole = (toy_page(each, tmp_path / name, command) for each, name in ((odd, "odd"), (study, "whole")))
    assert (page["left_out"], whole["left_out"]) == (2, 0), "what was rolled out is counted"
    assert "- Of 2 more that were rolled out" in (tmp_path / "odd.md").read_text()
    # As pages were written before: with these rows, and without the environment.
    made = f"faultfield run {tmp_path / 'toy.yaml'} --out runs/toy"
    old = {name: value for name, value in page.items() if name not in ("environment", "left_out", "diagnosed")}
    old |= {"known": content["known"], "ranking": content["ranking"], "made": made}
    (tmp_path / "toy.yaml").write_text(tables.TEXT)
    (tmp_path / "old.json").write_text(json.dumps(old))
    command(table2, tmp_path / "whole.json", "--out", tmp_path / "two")
    (right,) = json.loads((tmp_path / "two.json").read_text())["rows"]
    for path in (odd, tmp_path / "odd.json", tmp_path / "old.json"):
        found = table2.row(Studied.read(path), 0.4, 0.7)
        assert found["left_out"] == 2
        assert plain(found) | {"left_out": 0, "diagnosed": ""} == right | {"diagnosed": ""}
        assert table4.of_study(path).keys == table4.of_study(study).keys
    (tmp_path / "old.json").write_text(json.dumps(old | {"made": ""}))
    with pytest.raises(StudyError, match="does not say in which environment"):
        Studied.read(tmp_path / "old.json")


def test_the_rows_of_a_page_keep_their_places(study: Path, tmp_path: Path, command: Callable[..., None]) -> None:
    command(table2, study, "--out", tmp_path / "out")
    result = json.loads((tmp_path / "out.json").read_text())
    (row,) = result["rows"]
    old = {name: value for name, value in row.items() if name != "left_out"}
    before = [row | {"study": "a"}, row | {"seed": 7}, old | {"study": "b"}]
    (tmp_path / "out.json").write_text(json.dumps(result | {"rows": before}))
    command(table2, study, "--keep", "--out", tmp_path / "out")
    now = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [(each["study"], each["seed"]) for each in now] == [("a", 0), (study.name, 0), ("b", 0)]
    lines = [line for line in (tmp_path / "out.md").read_text().splitlines() if line.startswith(("| a ", "| b "))]
    assert [line.split(" | ")[5] for line in lines] == ["0", "–"]


def test_a_tasks_page_counts_what_was_verified(study: Path, tmp_path: Path, command: Callable[..., None]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "other.yaml").write_text(tables.TEXT.replace("nominal: 8", "nominal: 9"))
    (tmp_path / "mine" / "list.yaml").write_text("- {brightness: 0.3}\n")
    (tmp_path / "mine" / "toy.yaml").write_text(tables.TEXT)
    command(task_page, study, "--top", 1, "--out", tmp_path / "out", "--studies", tmp_path / "mine")
    content = json.loads((study / "diagnosis.json").read_text())
    result = json.loads((tmp_path / "out.json").read_text())
    verified = [r for r in content["ranking"] if r["verified"]]
    inside = [r["low"] <= r["verified"]["high"] and r["verified"]["low"] <= r["high"] for r in verified]
    assert verified
    assert result["covered"] == {"inside": sum(inside), "of": len(verified)}
    page = (tmp_path / "out.md").read_text()
    assert f"$ faultfield run {tmp_path / 'mine' / 'toy.yaml'} --out runs/{study.name}\n" in page
    assert all(f"| {k['text']} | {k['failures']}/{k['episodes']} [" in page for k in content["known"])
    unseen = {r["text"] for r in content["ranking"] if r["rank"] is None or r["rank"] > 1} - {
        r["text"] for r in verified
    }
    assert not any(f" | {text} | " in page for text in unseen - {k["text"] for k in content["known"]})
    with pytest.raises(StudyError, match="There is no diagnosis"):
        command(task_page, tmp_path)


def test_consistency_is_that_nothing_contradicts() -> None:
    rates = np.array([1.0, 0.9, 0.0])
    assert table3.consistent(np.array([2.0, 3.0, 1.0]), rates, 0.4)
    assert not table3.consistent(np.array([2.0, 0.5, 1.0]), rates, 0.4)
    assert not table3.consistent(np.array([2.0, 1.0, 1.0]), rates, 0.4)
    assert table3.consistent(np.array([2.0, 0.5, 1.0]), np.array([0.3, 0.2, 0.1]), 0.4) is None


@pytest.mark.parametrize("among_known", [True, False])
def test_the_truth_itself_ranks_perfectly_and_its_opposite_never(among_known: bool) -> None:
    rng = np.random.default_rng(0)
    truth = Truth(rng.integers(0, 21, size=40).astype(float), np.full(40, 20.0))
    known = Counts((), np.array([0.0, 5.0, 10.0]), np.full(3, 10.0))
    drawn = table3.Drawn.of(truth, known if among_known else None, 0.4, 60)
    assert all(len(rows) == 21 == len(set(rows.tolist())) for rows in drawn.sets)
    for sign, expected in ((1.0, 1.0), (-1.0, 0.0)):
        on_known = sign * known.rates[None] if among_known else np.empty((1, 0))
        answer = table3.Answer(sign * truth.rates[None], on_known, 0.0)
        row = table3.measured("x", answer, truth, drawn, 0.4)
        assert row["spearman"]["value"] == pytest.approx(sign)
        assert row["accuracy"] == row["accuracy_at_once"]["value"] == row["consistent"]["value"] == expected


def test_table_3_on_the_toy(study: Path, tmp_path: Path, command: Callable[..., None]) -> None:
    truth = tables.truth(tmp_path / "truth.json")
    triple = ['{"goal_color": "red"}', '{"goal_color": "cyan"}', '{"brightness": 0.9}']
    command(table3, study, truth, "--only", PROBE, "--draws", 50, "--triple", *triple, "--out", tmp_path / "out",
            "--cache", tmp_path / "cache")  # fmt: skip
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["rows"][0]["spearman"]["value"] > 0.8
    # Cyan is unseen and always fails, the red disc and the bright picture never do.
    assert result["rows"][0]["by_name"] == [True]
    assert [row["known"] for row in result["truth"]] == [True, False, True]
    assert "| probe (ours) | " in (tmp_path / "out.md").read_text()
    with pytest.raises(StudyError, match="variations as JSON"):
        table3.by_name(None, ["red"])  # type: ignore[arg-type]


def counts(path: Path, failures: list[int], expert: list[int] | None = None) -> Path:
    def rows(failed: list[int]) -> list[dict[str, object]]:
        return [{"variation": {"a": i} if i else {}, "text": str(i), "failures": k, "episodes": 10}
                for i, k in enumerate([0, *failed])]  # fmt: skip

    counted = {"policy": rows(failures)} | ({} if expert is None else {"expert": rows(expert)})
    path.write_text(json.dumps({"policy": "p", "what": "fresh", "counted": counted}))
    return path


def test_table_4_has_the_closed_forms(tmp_path: Path, command: Callable[..., None]) -> None:
    one = counts(tmp_path / "one.json", [10, 0, 0, 10], expert=[0, 0, 0, 9])
    even = counts(tmp_path / "even.json", [10, 10, 10, 10])
    command(table4, one, even, tmp_path / "gone.json", "--out", tmp_path / "out")
    result = json.loads((tmp_path / "out.json").read_text())
    first, second = result["rows"]
    # The fourth variation is left out of both: the expert of one of them fails under it.
    assert [(r["variations"], r["infeasible"]) for r in (first, second)] == [(3, 1), (3, 1)]
    assert [first[name]["value"] for name in ("entropy", "nfm", "fsi", "fsi_of_shares")] == [0.0, 1.0, 1.0, 1.0]
    assert second["entropy"]["value"] == pytest.approx(np.log(3))
    assert [second[name]["value"] for name in ("nfm", "fsi")] == [3.0, 3.0]
    assert second["fsi_of_shares"]["value"] == pytest.approx(1.0)
    assert list(result["missing"]) == ["gone.json"]
    with pytest.raises(StudyError, match="None of these"):
        command(table4, tmp_path / "gone.json")


def test_what_the_expert_of_one_task_cannot_do_another_may(tmp_path: Path) -> None:
    one = counts(tmp_path / "one.json", [10, 0, 5], expert=[0, 0, 9])
    two, three = counts(tmp_path / "two.json", [10, 0, 5]), counts(tmp_path / "three.json", [10, 0, 5])
    for path, task in ((one, "Lift"), (two, "Stack"), (three, "Lift")):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"task": task}))
    found, _ = table4.read_all([one, two, three])
    assert [len(each.keys) for each in found] == [2, 3, 2]
    assert [[each.name for each in group] for group in figure7.grouped(found)] == [["one", "three"], ["two"]]


def test_figure_5_counts_actions_by_the_nearest_variation(
    study: Path, tmp_path: Path, command: Callable[..., None]
) -> None:
    command(figure5, study, "--quick", "--out", tmp_path / "five", "--cache", tmp_path / "cache")
    result = json.loads((tmp_path / "five.json").read_text())
    assert list(result["shares"]) == ["before training", "PPO, over the list", "PPO", "A2C", "SAC"]
    for rows in result["shares"].values():
        assert [len(row) for row in rows] == [6]
        assert sum(rows[0]) == pytest.approx(1.0)
    assert "2.8839" in (tmp_path / "five.md").read_text()
    with Image.open(tmp_path / "five.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_actions_count_for_the_nearest_variation_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    mdp = VirtualMDP(rng.normal(size=(5, 3)).astype(np.float32), np.zeros(5), SearchConfig())
    drawn = np.clip(np.random.default_rng(4).standard_normal((200, 3)), mdp.low, mdp.high)
    nearest = [int(np.argmin([np.linalg.norm(row - point) for point in mdp.points])) for row in drawn]
    assert figure5.untrained(mdp, 4, 200).tolist() == [nearest.count(place) / 200 for place in range(5)]


def test_figure_7_puts_policies_on_the_same_variations_together(
    study: Path, tmp_path: Path, command: Callable[..., None]
) -> None:
    one, two = counts(tmp_path / "one.json", [10, 0, 5]), counts(tmp_path / "two.json", [1, 2, 3, 4])
    command(figure7, one, study, two, "--out", tmp_path / "seven")
    result = json.loads((tmp_path / "seven.json").read_text())
    assert [[line["name"] for line in plot] for plot in result["plots"]] == [["one", "two"], ["toy"]]
    said = [row["said"] for row in result["plots"][1][0]["rows"]]
    diagnosis = json.loads((study / "diagnosis.json").read_text())
    assert said == [entry["failure_probability"] for entry in diagnosis["known"] if entry["variation"]]
    with Image.open(tmp_path / "seven.png") as picture:
        assert picture.width > 1.5 * picture.height


def test_resnet_takes_weights_and_refuses_what_is_none(tmp_path: Path) -> None:
    import torch

    given = tmp_path / "resnet18-x.pth"
    torch.save({"not": torch.zeros(1)}, given)
    assert weights_file(given) == given
    with pytest.raises(CheckpointError, match="holds no weights"):
        Network(given)
    from torchvision.models import resnet18

    torch.manual_seed(0)
    torch.save(resnet18().state_dict(), given)
    network = Network(given).eval()
    assert torch.equal(network.body.conv1.weight, torch.load(given)["conv1.weight"])
    pictures = torch.rand(2, 3, 84, 84)
    scaled = (pictures - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    torch.testing.assert_close(network(pictures), network.body(scaled)[:, 0])


def test_what_json_has_no_word_for_becomes_null() -> None:
    assert plain({"a": [float("nan"), 1.0], "b": (float("inf"),)}) == {"a": [None, 1.0], "b": [None]}
    assert spread(0.5, [0.0, float("nan"), 1.0])["high"] == pytest.approx(0.975)


def test_the_page_joins_its_parts(tmp_path: Path, command: Callable[..., None]) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n\n```console\n# not a heading\n```\n")
        (tmp_path / f"{name}.json").write_text(json.dumps({"is": name}))
    Image.new("RGB", (3, 3)).save(tmp_path / "two.png")
    command(paper_tables, tmp_path / "one", tmp_path / "two", "--out", tmp_path / "docs" / "all")
    page = (tmp_path / "docs" / "all.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("#")][1:] == [
        "## one", "# not a heading", "## two", "# not a heading",
    ]  # fmt: skip
    assert json.loads((tmp_path / "docs" / "all.json").read_text())["parts"] == {
        "one": {"is": "one"},
        "two": {"is": "two"},
    }
    assert (tmp_path / "docs" / "two.png").exists()
    with pytest.raises(StudyError, match="is not what a table's program wrote"):
        command(paper_tables, tmp_path / "three")


def test_the_embeddings_page_has_the_papers_numbers() -> None:
    row = {"inputs": ["vision", "text"], "loss": "bce+contrastive", "contrast": "outcome", "seed": 3, "mse": 0.5,
           "frobenius": 9.0, "knn_variation": {"1": 0.9, "5": 0.8}, "knn_outcome": {"1": 0.7, "5": 0.6}}  # fmt: skip
    line = next(line for line in embedding.page([row]) if line.startswith("| vision + text"))
    assert line.split(" | ")[3:] == ["3", "0.500", "9.00", "0.90 / 0.80", "0.70 / 0.60", "0.1801", "7.6387 |"]
