"""A comparison on the terminal and as JUnit XML."""

import io
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console

from faultfield.diagnosis.paired import compare
from faultfield.report.comparison import ALL, print_comparison, write_junit
from faultfield.report.words import points
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation
from tests.studies import episodes

BEFORE = episodes({"": "1111111111", "red": "1111111111", "gone": "101"})
WORSE = episodes({"": "1101111111", "red": "0000000000", "new": "00"}, policy="after")

ATTRIBUTES = {
    "testsuites": {"name", "time", "tests", "failures", "errors"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"},
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "skipped": {"message"},
    "system-out": set(),
}
"""What build servers know: of the elements that are written, a subset of Jenkins' schema."""


def test_junit_has_a_case_a_variation_and_the_numbers_in_its_failures(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "gate.xml"
    write_junit(compare(BEFORE, WORSE), file, suite="gate")
    root = ElementTree.parse(file).getroot()
    for element in root.iter():
        assert set(element.attrib) == ATTRIBUTES[element.tag]
    suite = root[0]
    cases = {case.get("name"): case for case in suite}
    red = "Change the color to red."
    assert list(cases) == [ALL, "Nominal", red, "Change the color to gone.", "Change the color to new."]
    failed = [name for name, case in cases.items() if case.find("failure") is not None]
    assert failed == [ALL, red]
    failure = cases[red].find("failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith("10/10 succeeded before, 0/10 after: -100 [-100, ")
    assert "Holm" in (failure.text or "")
    counts = {name: int(suite.get(name) or -1) for name in ("tests", "failures", "skipped")}
    assert counts == {"tests": 5, "failures": 2, "skipped": 2}
    assert sum(case.find("skipped") is not None for case in suite) == 2


def test_junit_stays_xml_whatever_a_variation_is_called(tmp_path: Path) -> None:
    rows = []
    for policy, success in (("a", True), ("b", False)):
        rows.append([
            row.__class__(**{**vars(row), "variation": Variation({"x": 1.0}, 'Do <b> & "quote" \x0c ]]>.')})
            for row in episodes({"red": "1" * 9 if success else "0" * 9}, policy=policy)
        ])  # fmt: skip
    write_junit(compare(*rows), tmp_path / "a.xml")
    # One variation is all of them, and no p-value was corrected.
    assert "Holm" not in (tmp_path / "a.xml").read_text()
    names = [case.get("name") for case in ElementTree.parse(tmp_path / "a.xml").iter("testcase")]
    assert names == [ALL, 'Do <b> & "quote" � ]]>.']


def test_two_variations_of_the_same_words_are_two_test_cases(tmp_path: Path) -> None:
    def told(policy: str, outcomes: str) -> list[Episode]:
        green = Variation({"color": "green"}, "Change the color to green.")
        other = Variation({"color": (0.0, 1.0, 0.004)}, "Change the color to green.")
        return [
            replace(episode, variation=variation)
            for variation, letter in zip((green, other), outcomes, strict=True)
            for episode in episodes({"": 9 * letter}, policy=policy)
        ]

    write_junit(compare(told("a", "11"), told("b", "01")), tmp_path / "a.xml")
    cases = list(ElementTree.parse(tmp_path / "a.xml").iter("testcase"))
    assert len({case.get("name") for case in cases}) == len(cases) == 3
    assert [case.find("failure") is not None for case in cases] == [True, True, False]


def test_the_table_says_what_got_worse_first_and_what_was_not_compared() -> None:
    stream = io.StringIO()
    print_comparison(compare(BEFORE, WORSE), Console(file=stream, width=80))
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("Significantly worse over all and under 1 of 2 variations: success 100% before")
    (red,) = [line for line in lines if "color red" in line]
    assert red.split()[2:] == ["10/10", "0/10", "-100", "-100", "to", "-61", "10", "0", "0.002", "worse"]
    assert lines.index(red) < next(i for i, line in enumerate(lines) if line.strip().startswith("nominal"))
    assert any("color gone" in line for line in lines[lines.index("Only before, so not compared:") :])
    assert all(len(line) <= 80 for line in lines[1:-1]), "it fits a narrow terminal"


def test_a_change_that_rounds_to_nothing_has_no_sign() -> None:
    assert [points(share) for share in (-0.005, -0.002, 0.0, 0.005, -0.006, 0.3)] == ["0", "0", "0", "0", "-1", "+30"]


def test_no_drop_is_said_so() -> None:
    stream = io.StringIO()
    print_comparison(compare(BEFORE, BEFORE), Console(file=stream, width=120))
    assert stream.getvalue().startswith("No significant drop: success 96% before, 96% after of 23 paired episodes.")
