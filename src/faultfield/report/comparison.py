"""A comparison of two policies for people (a table on the terminal) and for build servers (JUnit XML)."""

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from faultfield import files
from faultfield.diagnosis.paired import Change, Comparison
from faultfield.report.words import label, points
from faultfield.rollouts.outcomes import Outcome
from faultfield.variations import Variation

if TYPE_CHECKING:
    from rich.console import Console

ALL = "All variations together"

_STYLES = {"worse": "bold red", "better": "green", "no change shown": "dim"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def sentence(comparison: Comparison) -> str:
    """The verdict in one sentence."""
    worse = [change for change in comparison.variations if change.verdict == "worse"]
    told = f"{_success(comparison.overall)} of {comparison.overall.pairs.count} paired episodes"
    if not comparison.regressions:
        return f"No significant drop: {told}."
    many = f"{len(worse)} of {len(comparison.variations)} variations"
    where = " and ".join(
        part for part in ("over all" if comparison.overall.verdict == "worse" else "", f"under {many}" if worse else "")
        if part
    )  # fmt: skip
    return f"Significantly worse {where}: {told}."


def print_comparison(comparison: Comparison, console: "Console") -> None:
    """Print the verdict, a row a variation (the worst first), what could not be paired, and how it was tested."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    console.print(Text(sentence(comparison), style="bold"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("variation", ratio=1, overflow="fold", min_width=12)
    interval = f"{100 * comparison.level:g}% interval"
    for name in ("before", "after", "points", interval, "lost", "gained", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    rows = sorted(comparison.variations, key=lambda change: (change.pairs.difference, change.p))
    for change in (comparison.overall, *rows):
        pairs, style = change.pairs, _STYLES[change.verdict]
        cells = (
            f"{pairs.both + pairs.lost}/{pairs.count}", f"{pairs.both + pairs.gained}/{pairs.count}",
            points(pairs.difference), f"{points(change.low)} to {points(change.high)}",
            str(pairs.lost), str(pairs.gained), _p(change.adjusted),
        )  # fmt: skip
        # Text objects throughout: a variation's words must not be read as rich's markup.
        word = "" if change.verdict == "no change shown" else change.verdict
        shown = [
            Text(ALL if change.variation is None else label(change.variation)),
            *map(Text, cells),
            Text(word, style=style),
        ]
        table.add_row(*shown, end_section=change is comparison.overall)
    console.print(table)
    for side, alone in (("before", comparison.only_before), ("after", comparison.only_after)):
        if alone:
            console.print(Text(f"Only {side}, so not compared:"))
            for outcome in alone:
                console.print(Text(f"  {_alone(outcome)}  {label(outcome.variation)}"), soft_wrap=True)
    if any(comparison.unpaired):
        told = f"{comparison.unpaired[0]} episodes before and {comparison.unpaired[1]} after"
        console.print(Text(f"Not paired for want of the same seed: {told}."))
    console.print(Text(f"{comparison.method}.", style="dim"), soft_wrap=True)


def write_junit(comparison: Comparison, path: str | Path, suite: str = "faultfield compare") -> None:
    """Write JUnit XML, whole or not at all: a test case a variation and one for all, failed where it got worse.

    What was tried on one side alone is a skipped test case. Build servers take test cases of one name for one, so
    variations of the same words (numbers are rounded there) are told apart by their keys. The shape is the one that
    Jenkins, GitLab, GitHub's actions and Azure read: `testsuites`, one `testsuite` with its counts, `testcase`,
    `failure` with a message and a text.

    Args:
        comparison: What was found.
        path: Of the file.
        suite: Name of the test suite.
    """
    changes = (comparison.overall, *comparison.variations)
    alone = [("before", outcome) for outcome in comparison.only_before]
    alone += [("after", outcome) for outcome in comparison.only_after]
    counts = {
        "tests": str(len(changes) + len(alone)), "failures": str(len(comparison.regressions)), "errors": "0",
    }  # fmt: skip
    root = ElementTree.Element("testsuites", {"name": _xml(suite), "time": "0", **counts})
    inner = ElementTree.SubElement(
        root, "testsuite",
        {"name": _xml(suite), **counts, "skipped": str(len(alone)), "time": "0",
         "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "hostname": "localhost"},
    )  # fmt: skip
    # One variation is all of them: nothing was corrected.
    many = len(comparison.variations) > 1
    said = Counter(_name(v) for v in (*(c.variation for c in changes), *(o.variation for _, o in alone)))
    for change in changes:
        case = _case(inner, suite, change.variation, said)
        if change.verdict == "worse":
            failure = ElementTree.SubElement(
                case, "failure", {"message": _xml(_told(change, many)), "type": "SignificantDrop"}
            )
            failure.text = _xml(f"{_name(change.variation)}\n{_told(change, many)}\n{comparison.method}.")
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(_told(change, many))
    for side, outcome in alone:
        case = _case(inner, suite, outcome.variation, said)
        ElementTree.SubElement(case, "skipped", {"message": f"only {side}: {_alone(outcome)}"})
    ElementTree.indent(root)
    text = ElementTree.tostring(root, encoding="unicode")
    files.write_text(path, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n')


def _case(
    parent: ElementTree.Element, suite: str, variation: Variation | None, said: Counter[str]
) -> ElementTree.Element:
    name = _name(variation)
    if variation is not None and said[name] > 1:
        name = f"{name} ({variation.key})"
    names = {"name": _xml(name), "classname": _xml(suite.replace(" ", ".")), "time": "0"}
    return ElementTree.SubElement(parent, "testcase", names)


def _name(variation: Variation | None) -> str:
    if variation is None:
        return ALL
    return "Nominal" if variation.is_nominal else variation.text


def _success(change: Change) -> str:
    pairs = change.pairs
    return f"success {pairs.before:.0%} before, {pairs.after:.0%} after"


def _told(change: Change, many: bool) -> str:
    pairs = change.pairs
    corrected = f", {_p(change.adjusted)} after Holm's correction" if many else ""
    return (
        f"{pairs.both + pairs.lost}/{pairs.count} succeeded before, {pairs.both + pairs.gained}/{pairs.count} after: "
        f"{points(pairs.difference)} [{points(change.low)}, {points(change.high)}]; {pairs.lost} lost, "
        f"{pairs.gained} gained, p {_p(change.p)}{corrected}."
    )


def _alone(outcome: Outcome) -> str:
    return f"{outcome.episodes - outcome.failures}/{outcome.episodes} succeeded"


def _p(p: float) -> str:
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}"


def _xml(text: str) -> str:
    """Without the characters that XML cannot hold, which a factor's words may have."""
    return _NOT_XML.sub("�", text)
