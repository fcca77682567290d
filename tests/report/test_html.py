import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from faultfield.diagnosis.result import Diagnosis
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
    assert "No expert was run" in page


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
