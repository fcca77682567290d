import json
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from faultfield.diagnosis import result
from faultfield.diagnosis.result import (
    Diagnosis,
    FactorInfo,
    Known,
    MapGrid,
    Ranked,
    Rate,
    Similarity,
    StudyInfo,
    Verdicts,
    ranked,
)
from faultfield.errors import StudyError
from faultfield.variations import Variation
from tests.report.example import SPACE, example

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis-json.md"


def test_round_trip_keeps_everything(tmp_path: Path) -> None:
    diagnosis = example()
    diagnosis.write(tmp_path / "diagnosis.json")
    assert Diagnosis.read(tmp_path / "diagnosis.json") == diagnosis
    assert [path.name for path in tmp_path.iterdir()] == ["diagnosis.json"]


def test_file_is_plain_json(tmp_path: Path) -> None:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    example().write(tmp_path / "diagnosis.json")
    content = json.loads((tmp_path / "diagnosis.json").read_text(), parse_constant=refuse)
    assert (content["format"], content["version"]) == ("faultfield-diagnosis", 1)
    assert content["known"][0]["variation"] == {"cube_color": "red"}


def test_fingerprint_leaves_out_when_it_was_made() -> None:
    diagnosis = example()
    assert diagnosis.fingerprint == example().fingerprint
    assert diagnosis.model_copy(update={"created": "2026-11-21T02:00:00Z"}).fingerprint == diagnosis.fingerprint
    assert diagnosis.model_copy(update={"seed": 1}).fingerprint != diagnosis.fingerprint


def test_fingerprint_leaves_out_how_it_was_rolled_out() -> None:
    def made(**rollouts: object) -> str:
        study = StudyInfo(name="lift-demo", hash=str(rollouts), command="faultfield run")
        return example().model_copy(update={"study": study, "settings": {"rollouts": rollouts}}).fingerprint

    assert made(nominal=40, workers="auto", backend="local") == made(nominal=40, workers=2, backend="ray")
    assert made(nominal=40) != made(nominal=41)


@given(st.integers(1, 500), st.data())
def test_rate_has_the_wilson_interval(episodes: int, data: st.DataObject) -> None:
    failures = data.draw(st.integers(0, episodes))
    rate = Rate.of(failures, episodes)
    z, share = 1.959963984540054, failures / episodes
    middle = (share + z * z / (2 * episodes)) / (1 + z * z / episodes)
    half = z / (1 + z * z / episodes) * math.sqrt(share * (1 - share) / episodes + z * z / (4 * episodes**2))
    assert rate.rate == share
    assert rate.low == pytest.approx(middle - half, abs=1e-9)
    assert rate.high == pytest.approx(middle + half, abs=1e-9)


def test_rate_without_episodes_says_nothing() -> None:
    assert (Rate.of(0, 0).low, Rate.of(0, 0).high) == (0.0, 1.0)


def test_ranking_puts_the_worst_first_and_numbers_only_the_feasible() -> None:
    def entry(name: str, mean: float, support: float, infeasible: bool | None = None) -> Ranked:
        return Ranked.estimated(Variation({name: 1.0}, name), mean, 0, 1, support, infeasible=infeasible)

    given_order = [entry("a", 0.2, 0.5), entry("b", 0.9, 0.1), entry("c", 0.95, 0.9, True), entry("d", 0.9, 0.8)]
    found = ranked(given_order)
    assert [(e.text, e.rank) for e in found] == [("c", None), ("d", 1), ("b", 2), ("a", 3)]
    assert ranked(reversed(given_order)) == found


def test_controls_keep_their_counts() -> None:
    entry = Known.counted(Variation({"a": 1.0}, "A."), 3, 10, expert=(0, 9), blind=(8, 8))
    assert (entry.failures, entry.episodes, entry.rate) == (3, 10, 0.3)
    assert (entry.expert_failures, entry.expert_episodes, entry.blind_failures, entry.blind_episodes) == (0, 9, 8, 8)


def test_factors_tell_their_range() -> None:
    infos = {factor.name: FactorInfo.of(factor) for factor in SPACE}
    assert (infos["light_intensity"].low, infos["light_intensity"].high, infos["light_intensity"].nominal) == (
        0.1,
        2,
        1,
    )
    assert infos["table_texture"].choices == ["wood-light", "ceramic", "bricks"]
    assert infos["cube_color"].kind == "color"
    assert [name for name, info in infos.items() if not info.visible] == ["cube_friction"]


@pytest.mark.parametrize(
    "entry",
    [
        lambda: Rate(episodes=3, failures=4, rate=1.0, low=0.5, high=1.0),
        lambda: Ranked.estimated(Variation({"a": 1.0}, "A."), math.nan, 0, 1, 0.5),
        lambda: Similarity(labels=["a", "b"], values=[[1.0, 0.0]]),
        lambda: MapGrid(x=[0.0, 1.0], y=[0.0], potential=[[1.0]]),
        lambda: Verdicts(judged=3, failures=2, found=3, alarms=0),
    ],
    ids=[
        "more failures than episodes",
        "not a number",
        "not square",
        "grid of another shape",
        "more found than failed",
    ],
)
def test_entries_that_cannot_be_are_refused(entry) -> None:
    with pytest.raises(ValidationError):
        entry()


def damaged(**changes: object) -> str:
    return json.dumps(json.loads(example().model_dump_json()) | changes)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "is not a diagnosis"),
        ('{"format": "coco"}', "is not a diagnosis"),
        (damaged(version=99), "schema version 99"),
        (damaged(nominal={"episodes": 3}), "damaged at nominal.failures"),
        (damaged(verdict="fine"), "damaged at verdict"),
        (damaged(seed="NaN"), "damaged at seed"),
    ],
)
def test_a_file_that_is_no_diagnosis_is_named_in_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "diagnosis.json"
    path.write_text(content)
    with pytest.raises(StudyError, match=re.escape(said)) as caught:
        Diagnosis.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="faultfield diagnose"):
        Diagnosis.read(tmp_path / "diagnosis.json")


def test_the_page_in_docs_says_what_the_schema_says() -> None:
    schema = Diagnosis.model_json_schema()
    models = {"Diagnosis": schema} | schema["$defs"]
    models = {name: model for name, model in models.items() if "properties" in model}
    sections = dict(re.findall(r"^#{2,3} `(\w+)`\n(.*?)(?=^#{2,3} |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    assert set(sections) == set(models)
    for name, model in models.items():
        rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", sections[name], re.MULTILINE))
        assert rows == {field: said["description"] for field, said in model["properties"].items() if field in rows}
        assert list(rows) == list(model["properties"]), name


def test_all_parts_can_be_had_from_one_module() -> None:
    parts = set(Diagnosis.model_json_schema()["$defs"]) - {"JsonValue"}
    assert parts | {"Diagnosis", "ranked"} <= set(result.__all__)
