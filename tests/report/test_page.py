"""The report in a real browser."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from faultfield.diagnosis.result import Diagnosis, Ranked, ranked
from faultfield.report import write_report
from faultfield.report.html import FOLDED
from faultfield.report.words import weaknesses
from faultfield.variations import Variation
from tests.report.browser import PATIENCE_MS, chromium
from tests.report.example import example, pictures, scene

ROWS = "#ranking-table tbody tr"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def diagnosis() -> Diagnosis:
    return example()


@pytest.fixture(scope="module")
def report(diagnosis: Diagnosis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_report(diagnosis, pictures(diagnosis), scene({}), path)
    return path


class Watched:
    """A page and all that it complained about or asked for."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(path.as_uri())
        page.wait_for_load_state("load")


@pytest.fixture(params=[(1280, "light"), (390, "dark")], ids=["desktop", "phone"])
def watched(request: pytest.FixtureRequest, browser: Browser, report: Path) -> Iterator[Watched]:
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme)
    yield Watched(page, report)
    page.close()


def values(page: Page, column: int) -> list[str]:
    """Sort values of a column, visible rows only, top to bottom."""
    return page.eval_on_selector_all(
        ROWS, f"rows => rows.filter(r => !r.hidden).map(r => r.cells[{column}].dataset.value)"
    )


def test_page_is_whole_and_asks_for_nothing(watched: Watched, report: Path) -> None:
    page = watched.page
    for summary in page.locator("summary").all():
        summary.click()
    broken = page.eval_on_selector_all("img", "images => images.filter(i => !i.complete || !i.naturalWidth).length")
    assert page.locator("img").count() > 60
    assert broken == 0
    outside = [url for url in watched.requests if not url.startswith("data:") and url != report.as_uri()]
    assert outside == []
    assert watched.complaints == []


def test_nothing_is_wider_than_the_screen(watched: Watched) -> None:
    for summary in watched.page.locator("summary").all():
        summary.click()
    wide, screen = watched.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide == screen


def test_every_picture_and_table_is_described(watched: Watched) -> None:
    page = watched.page
    assert page.eval_on_selector_all("img", "images => images.filter(i => !i.alt).length") == 0
    assert page.eval_on_selector_all("table", "tables => tables.filter(t => !t.caption).length") == 0
    assert page.locator("h1").count() == 1


def test_table_sorts_on_click(watched: Watched) -> None:
    page = watched.page
    page.locator("#more").click()
    heading = page.locator("#ranking-table th", has_text="Support")
    heading.get_by_role("button").click()
    falling = [float(v) for v in values(page, 4)]
    assert falling == sorted(falling, reverse=True)
    heading.get_by_role("button").click()
    assert [float(v) for v in values(page, 4)] == falling[::-1] or sorted(falling) == [
        float(v) for v in values(page, 4)
    ]
    assert heading.get_attribute("aria-sort") == "ascending"
    page.locator("#ranking-table th", has_text="Rolled out").get_by_role("button").click()
    rolled = values(page, 5)
    blank = rolled.index("")
    assert [float(v) for v in rolled[:blank]] == sorted((float(v) for v in rolled[:blank]), reverse=True)
    assert set(rolled[blank:]) == {""}, "variations never rolled out come last"


def test_table_filters(watched: Watched, diagnosis: Diagnosis) -> None:
    page, listed = watched.page, weaknesses(diagnosis)
    shown = page.locator(f"{ROWS}:not([hidden])")
    expect(shown).to_have_count(FOLDED)
    page.get_by_label("Words").fill("TABLE black")
    wanted = [e.text for e in listed if "table" in e.text.lower() and "black" in e.text.lower()]
    assert values(page, 2) == wanted
    assert wanted
    page.get_by_label("Words").fill("")
    page.get_by_label("Factor").select_option("light_intensity")
    expect(shown).to_have_count(sum("light_intensity" in e.factors for e in listed))
    page.get_by_label("Show").select_option("verified")
    expect(shown).to_have_count(sum("light_intensity" in e.factors and e.verified is not None for e in listed))
    page.get_by_label("Factor").select_option("")
    page.get_by_label("Show").select_option("unseen")
    expect(shown).to_have_count(sum(not e.visible for e in listed))
    page.get_by_label("Show").select_option("")
    page.locator("#more").click()
    expect(shown).to_have_count(len(listed))
    expect(page.locator("#shown")).to_have_text(f"{len(listed)} of {len(listed)} shown")


def test_picture_opens_beside_the_nominal_one_and_closes(watched: Watched, diagnosis: Diagnosis) -> None:
    page = watched.page
    page.locator("#ranking-table .thumb").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(dialog).to_contain_text(weaknesses(diagnosis)[0].text)
    assert dialog.locator("img").count() == 2
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()
    assert watched.complaints == []


def test_dark_screens_get_dark_plots(browser: Browser, report: Path) -> None:
    chosen = {}
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.set_default_timeout(PATIENCE_MS)
        page.goto(report.as_uri())
        chosen[scheme] = page.eval_on_selector_all("picture img", "images => images.map(i => i.currentSrc)")
        page.close()
    assert len(chosen["light"]) == 5
    assert not set(chosen["light"]) & set(chosen["dark"])


def test_texts_of_a_study_cannot_run(browser: Browser, tmp_path: Path) -> None:
    attack = '<script>document.title="owned"</script><img src=x onerror="document.title=\'owned\'">"\'>'
    base = example()
    entry = Ranked.estimated(Variation({"x\" onclick='": 1.0}, attack), 0.999, 0.9, 1.0, 0.5, note=attack)
    hostile = base.model_copy(
        update={
            "ranking": ranked([entry, *base.ranking]),
            "known": [k.model_copy(update={"text": attack}) for k in base.known],
            "study": base.study.model_copy(update={"name": attack, "command": attack}),
            "environment": base.environment.model_copy(update={"instruction": attack}),
            "caveats": [attack],
            "settings": {attack: "</pre>" + attack},
            "map": None,
            "field": None,
        }
    )
    path = tmp_path / "report.html"
    write_report(hostile, pictures(base), scene({}), path)
    page = browser.new_page()
    watched = Watched(page, path)
    assert page.title().startswith("<script>")
    page.locator("#known .thumb").first.click()
    assert page.get_by_role("dialog").inner_text().count("<script>") == 1
    assert page.locator("script").count() == 1
    assert page.locator("img[onerror]").count() == 0
    assert "owned" not in page.title().replace(attack, "")
    assert watched.complaints == []
    page.close()
