import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from faultfield.diagnosis.result import DetectorInfo, Diagnosis, Verdicts
from faultfield.errors import StudyError
from faultfield.report.html import render, write_report
from faultfield.report.theme import DARK, LIGHT
from tests.report.example import example, pictures, scene

NOTHING = {"known": [], "ranking": [], "selection": None, "measures": None, "field": None, "map": None, "probe": None,
           "rollouts": [], "versions": {}, "settings": {}, "caveats": []}  # fmt: skip


def sections(page: str) -> set[str]:
    return set(re.findall(r'<section id="(\w+)"', page))


@pytest.fixture(scope="module")
def bare() -> Diagnosis:
    return example().model_copy(update=NOTHING)


def test_only_what_was_found_is_shown(bare: Diagnosis) -> None:
    page = render(bare, {}, None)
    assert sections(page) == {"tested", "again", "caveats"}
    assert "None" not in re.sub(r"<script>.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL).replace(
        "None that follow", ""
    )
    for anchor in re.findall(r'href="#(\w+)"', page):
        assert anchor in sections(page)


def test_ranking_alone_can_be_shown(bare: Diagnosis) -> None:
    unverified = [entry.model_copy(update={"verified": None, "infeasible": None}) for entry in example().ranking]
    page = render(bare.model_copy(update={"ranking": unverified}), {}, None)
    assert sections(page) == {"tested", "ranking", "again", "caveats"}
    assert page.count("not yet") == len(unverified)
    assert "<img" not in page


def test_without_controls_their_columns_say_so(bare: Diagnosis) -> None:
    alone = {"expert_episodes": None, "expert_failures": None, "blind_episodes": None, "blind_failures": None}
    known = [entry.model_copy(update=alone | {"infeasible": False}) for entry in example().known[:3]]
    page = render(bare.model_copy(update={"known": known}), {}, None)
    assert page.count('<span class="figures">–</span>') == 2 * len(known)


def test_a_reason_stands_beside_its_variation_as_the_detectors_own(bare: Diagnosis) -> None:
    first, second, third = example().known[:3]
    reason = "The gripper went <b>too far</b> to the left."
    told = Verdicts(judged=10, failures=8, found=6, alarms=1, reason=reason, alike=4, failure_probability=0.91, seed=7)
    missed = Verdicts(judged=3, failures=3, found=0, alarms=0)
    known = [
        first.model_copy(update={"verdicts": told}),
        second.model_copy(update={"verdicts": missed}),
        third.model_copy(update={"verdicts": Verdicts(judged=2, failures=0, found=0, alarms=2)}),
    ]
    counted = DetectorInfo.counted(["d"], episodes=15, failures=11, found=6, alarms=3)
    film = {first.key: np.zeros((12, 32, 3), np.uint8)}
    page = render(bare.model_copy(update={"known": known, "detector": counted}), {}, None, film)
    rows = {e.text: row for e in known for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL) if e.text in row}
    said = rows[first.text]
    assert "<q>The gripper went &lt;b&gt;too far&lt;/b&gt; to the left.</q>" in said
    assert "The detector on seed 7, failure 91%:" in said
    assert "It found 6 of 8 failures, with 1 false alarm in 2 successes; 4 of the 6 reasons claim the same." in said
    assert said.count("data:image/jpeg;base64,") == page.count("data:image/jpeg;base64,") == 1
    assert "it took every failure for a success" in rows[second.text]
    assert "detector" not in rows[third.text], "nothing failed there"
    assert "Detector agrees with the simulator" in page
    assert "on 7 of 15 episodes watched" in page
    assert "detector&#39;s own words" in page


def test_without_verdicts_no_detector_is_spoken_of(bare: Diagnosis) -> None:
    page = render(bare.model_copy(update={"known": example().known[:3]}), {}, None)
    body = re.sub(r"<script>.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL)
    assert "detector" not in body.lower()
    assert "heard" not in body


def test_same_diagnosis_same_bytes_and_no_addresses(bare: Diagnosis, tmp_path: Path) -> None:
    # One plot is enough here: test_plots holds the bytes of each, and drawing all of them twice takes its time.
    diagnosis = bare.model_copy(update={"map": example().map, "ranking": example().ranking[:1]})
    for name in ("a.html", "b.html"):
        write_report(diagnosis, pictures(diagnosis), scene({}), tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.html", "b.html"))
    assert first == second
    assert not re.search(rb'(src|href|srcset)="(?!data:|#)', first)
    assert b"@import" not in first
    assert b"url(" not in first


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4, 3)), np.zeros((4, 4), np.uint8), np.zeros((3, 4, 4), np.uint8)], ids=str
)
def test_what_is_no_picture_is_named(bare: Diagnosis, picture: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="'some key'"):
        write_report(bare, {"some key": picture}, None, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_page_and_plots_share_their_colors() -> None:
    style = resources.files("faultfield.report").joinpath("report.css").read_text()
    light, dark = style.split("@media (prefers-color-scheme: dark)")[:2]
    for theme, part in ((LIGHT, light), (DARK, dark)):
        for name in ("paper", "ink", "muted", "rule", "failure", "success"):
            assert f"--{name}: {getattr(theme, name)};" in part
