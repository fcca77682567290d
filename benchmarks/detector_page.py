"""The page of `benchmarks/detector.py`: ARMOR's Tables 1, 2, 3 and 7, from the scores of every training.

python benchmarks/detector_page.py docs/results/detector-rounds.json [--out docs/results/detector-rounds]

writes a page and its figure anew, from what was measured.
"""

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import detector_rounds
import pages
from detector_variants import ABLATED, BY_SIGHT, TESTED, TRANSFERRED, of_dense
from faultfield.detector.metrics import mean
from faultfield.errors import DetectorError

DRAWS = 4000
OURS = "armor"
BASELINES = ("zero-shot", "sft-d", "sft-s+d")
LENT = ("sft-d, by sight", "sft-s+d, by sight")
"""Plain fine-tunings that are lent eyes which judge."""
LIKELIEST = f"{OURS}, likeliest"
SIGHT = f"{OURS}, by sight"
SIGHT_LIKELIEST = f"{SIGHT}, likeliest"
TABLE_1 = (*BASELINES, OURS, f"{OURS}, agreeing", LIKELIEST, f"{LIKELIEST} at once", SIGHT, SIGHT_LIKELIEST, *LENT)
TABLE_2 = (
    "multitask prediction",
    "refinement only",
    "offline imitation",
    "online imitation only",
    "multitask prediction, a third of the steps",
    OURS,
)
TABLE_2_BY_SIGHT = tuple(f"{name}, {BY_SIGHT}" for name in TABLE_2)
SHARES = ("50%", "25%", "10%")
"""Of the reasons that are told, beside all verdicts."""

PAPER_7 = "The paper's (Table 7) are at 3000 sparse samples and 100 to 1500 dense ones, of other robots."

Scores = Mapping[str, Sequence[Mapping[str, Any]]]
"""Results by variant, one a seed."""


def main() -> None:
    """Write a page anew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="what benchmarks/detector.py wrote (.json)")
    parser.add_argument("--out", type=Path, help="where; in its place by default")
    arguments = parser.parse_args()
    path = arguments.report
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DetectorError(f"'{path}' is not what benchmarks/detector.py wrote: {error}.") from error
    write(arguments.out or path.with_suffix(""), report)


def write(out: Path, report: Mapping[str, Any]) -> None:
    """`<out>.json`, `<out>.md`, and `<out>.png` where rounds were measured."""
    picture = out.with_suffix(".png")
    drawn = detector_rounds.draw(by_variant(report).get(OURS, []), picture)
    pages.write(out, report, lines(report, picture.name if drawn else None))


def by_variant(report: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """A report's results, one list a variant."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for each in report["results"]:
        found.setdefault(each["variant"], []).append(each)
    return found


def lines(report: Mapping[str, Any], picture: str | None = None) -> list[str]:
    """The page's Markdown.

    Args:
        report: What was measured.
        picture: The file of the figure of rounds, beside the page.
    """
    found = by_variant(report)
    tables = [
        *_table("Table 1: against fine-tuning", TABLE_1, found),
        # Plain fine-tuning takes its likeliest words: so does ours here.
        *_differences([name for name in BASELINES if name in found], found, tuple(TESTED), LIKELIEST),
        *_differences([name for name in (*BASELINES, OURS) if name in found], found, tuple(TESTED), SIGHT),
        *_differences(
            [name for name in (*BASELINES, *LENT, LIKELIEST) if name in found], found, tuple(TESTED), SIGHT_LIKELIEST
        ),
        *_table("Table 2: without a part", TABLE_2, found),
        *_table("Table 2, where the eyes judge", TABLE_2_BY_SIGHT, found, SIGHT_LIKELIEST),
        *_few(found),
        *_transfer(found),
        *_measures(found),
        *_apart(found),
        *_kinds([name for name in ("sft-d", OURS, SIGHT) if name in found], found),
        *detector_rounds.lines(found.get(OURS, []), picture),
    ]
    return [
        f"# The detector: {_which(tables)}",
        "",
        "Every number is a mean over the seeds of training; its interval (95 %) is drawn from the test episodes, each "
        "with its mean over the seeds. *Detection* is the share of right verdicts, *reason* the slot judge's mean "
        "score of the reasons. Differences are paired by episode; bold where the interval leaves out 0. "
        "[detector.md](detector.md) tells what it means.",
        "",
        *_data(report),
        *tables,
        *_trainings(report["results"]),
    ]


def _which(lines: Sequence[str]) -> str:
    """The paper's tables among some lines, as a title has them."""
    heads = [line for line in lines if line.startswith("## ")]
    told = sorted(
        {
            digit
            for head in heads
            for some in re.findall(r"Tables? ([\d and]+)", head)
            for digit in re.findall(r"\d", some)
        }
    )
    if len(told) < 2:
        return f"ARMOR's Table {told[0]}" if told else "measures"
    return f"ARMOR's Tables {', '.join(told[:-1])} and {told[-1]}"


def _data(report: Mapping[str, Any]) -> list[str]:
    splits = report["splits"]
    told = ", ".join(f"{name} {count['samples']} ({count['dense']} with a reason)" for name, count in splits.items())
    tests = ", ".join(
        f"{name} {count['failed']} of {count['samples']}" for name, count in splits.items() if name in TESTED
    )
    return [f"Samples: {told}. Failures: {tests}.", ""]


def _table(title: str, wanted: Sequence[str], found: Scores, ours: str = OURS) -> list[str]:
    """Those of the wanted that were measured, and ours minus each; nothing where ours alone was."""
    names = [name for name in wanted if name in found]
    if not set(names) - {ours}:
        return []
    head = ["", "seeds"]
    for words in TESTED.values():
        head += [f"{words}: detection", "AUROC", "reason"]
    rows = []
    for name in names:
        row = [name, _seeds(found[name])]
        for split in TESTED:
            row += [_mean(found[name], split, "right"), _auroc(found[name], split), _mean(found[name], split, "reason")]
        rows.append(row)
    return [f"## {title}", "", *pages.grid(head, rows), "", *_differences(names, found, tuple(TESTED), ours)]


def _few(found: Scores) -> list[str]:
    """Tables 1 and 2 once more, with few of the reasons."""
    out: list[str] = []
    for share in SHARES:
        told = f"{share} of the reasons"
        names = [name for method in ABLATED if (name := f"{method}, {told}") in found] + _trained(told, found)
        if not names:
            continue
        head = [
            "",
            "seeds",
            "reasons",
            *(f"{words}: {what}" for words in TESTED.values() for what in ("detection", "reason")),
        ]
        rows = [
            [name, _seeds(found[name]), str(found[name][0]["training"]["dense"])]
            + [_mean(found[name], split, what) for split in TESTED for what in ("right", "reason")]
            for name in names
        ]
        out += [f"## All verdicts, {share} of the reasons", "", *pages.grid(head, rows), ""]
        out += _against_ours(names, found, tuple(TESTED))
    return out


def _transfer(found: Scores) -> list[str]:
    shared = [_trained(of_dense(share), found) for share in TRANSFERRED]
    names = [name for same in shared for name in same]
    if not names:
        return []
    splits = ("test-transfer", "test-seen")
    head = ["", "seeds", "dense samples"]
    head += [f"{TESTED[split]}: {what}" for split in splits for what in ("detection", "AUROC", "reason")]
    rows = []
    for name in names:
        row = [name, _seeds(found[name]), str(found[name][0]["training"]["dense"])]
        for split in splits:
            row += [_mean(found[name], split, "right"), _auroc(found[name], split), _mean(found[name], split, "reason")]
        rows.append(row)
    out = ["## Verdicts from one workspace, reasons from another (Tables 1 and 7)", "", *pages.grid(head, rows), ""]
    for same in shared:
        out += _against_ours(same, found, splits)
    return [*out, PAPER_7, ""]


def _trained(what: str, found: Scores) -> list[str]:
    """Who was trained on so much and measured: plain fine-tunings, the paper's, the same where its eyes judge."""
    names = [f"{method}, {what}" for method in (*BASELINES[1:], OURS)]
    return [name for name in (*names, f"{names[-1]}, {BY_SIGHT}") if name in found]


def _against_ours(names: Sequence[str], found: Scores, splits: Sequence[str]) -> list[str]:
    """Each of ours minus those named before it."""
    out: list[str] = []
    for place, name in enumerate(names):
        if name.startswith(OURS):
            out += _differences(names[:place], found, splits, name)
    return out


def _differences(names: Sequence[str], found: Scores, splits: Sequence[str], ours: str) -> list[str]:
    """Ours minus each, paired by episode over the seeds that both have."""
    if ours not in found:
        return []
    rows = []
    for name in names:
        if name == ours:
            continue
        row = [name]
        for split in splits:
            row += [_difference(found[ours], found[name], split, what) for what in ("right", "reason")]
        rows.append(row)
    head = [f"{ours} − this", *(f"{TESTED[split]}: {what}" for split in splits for what in ("detection", "reason"))]
    return [*pages.grid(head, rows), ""] if rows else []


def _measures(found: Scores) -> list[str]:
    """What Table 1 of the paper has besides, and how many reasons are right in every slot."""
    rows = []
    for split, words in TESTED.items():
        for name, results in found.items():
            row = [words, name, _seeds(results)]
            row += [_own(results, split, what) for what in ("precision", "recall", "auroc", "rouge_l")]
            whole = (np.array([each[split]["episodes"]["reason"].split() for each in results], float) > 1 - 1e-9).mean(
                0
            )
            rows.append([*row, pages.cell(vars(mean(whole, draws=DRAWS)), 3)])
    head = ["", "", "seeds", "precision", "recall", "AUROC", "ROUGE-L", "reasons right in every slot"]
    note = (
        "Each number and its interval is the mean of those of the seeds, the last column excepted. A reason's score is "
        "the share of its slots (kind, object, axis, sign, step left out) that are right, 0 where the kind is wrong: "
        "one that is right but for the direction, or the object, still has half or three quarters. The last column "
        "counts such ones as wrong."
    )
    return ["## More measures", "", note, "", *pages.grid(head, rows), ""]


def _own(results: Sequence[Mapping[str, Any]], split: str, what: str) -> str:
    """Mean over the seeds of a measure and of the ends of its interval; a dash where there is none."""
    if _unread(results, split):
        return "–"
    told = [each[split]["all"][what] for each in results]
    return pages.cell({key: float(np.mean([each[key] for each in told])) for key in ("value", "low", "high")}, 3)


def _apart(found: Scores) -> list[str]:
    """What the reasons of failures score, and what is said of successes, which is one of a few sentences."""
    rows = []
    for name, results in found.items():
        row = [name, _seeds(results)]
        for split in TESTED:
            halves = [_halves(each[split]) for each in results]
            row += [f"{np.mean([half[which] for half in halves]):.2f}" for which in (0, 1)]
        rows.append(row)
    head = ["", "seeds", *(f"{TESTED[split]}: {half}" for split in TESTED for half in ("failures", "successes"))]
    if not any(each[split].get("kinds") for results in found.values() for each in results for split in TESTED):
        return []
    note = "The reason's score is a mean over both: of a failure why it failed, of a success that it succeeded."
    return ["## Reasons of failures and of successes", "", note, "", *pages.grid(head, rows), ""]


def _halves(scored: Mapping[str, Any]) -> tuple[float, float]:
    """Mean scores of the reasons of failures, and of successes."""
    kinds = scored.get("kinds", {}).values()
    failures = sum(kind["count"] for kind in kinds)
    explained = sum(kind["count"] * kind["reason"] for kind in kinds)
    scores = [float(score) for score in scored["episodes"]["reason"].split()]
    successes = len(scores) - failures
    return explained / failures if failures else np.nan, (sum(scores) - explained) / successes if successes else np.nan


def _kinds(names: Sequence[str], found: Scores) -> list[str]:
    """What each kind of failure's reasons score."""
    rows = []
    for split, words in TESTED.items():
        told = [each[split].get("kinds", {}) for name in names for each in found[name]]
        for kind in sorted(set().union(*told)):
            values = [[each[split]["kinds"][kind] for each in found[name]] for name in names]
            means = [f"{np.mean([value['reason'] for value in of]):.2f}" for of in values]
            rows.append([words, kind.replace("_", " "), str(values[0][0]["count"]), *means])
    if not rows:
        return []
    head = ["", "kind", "failures", *(f"{name}: reason" for name in names)]
    return ["## Reasons by what went wrong", "", *pages.grid(head, rows), ""]


def _trainings(results: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        [
            each["variant"],
            str(each["seed"]),
            str(each["training"]["samples"]),
            str(each["training"]["dense"]),
            str(each["training"]["steps"]),
            f"{each['cpu seconds'] / 60:.0f}" if each["cpu seconds"] > 60 else "–",
        ]
        for each in results
        if each["training"]
    ]
    head = ["", "seed", "samples", "dense", "steps", "CPU-minutes"]
    return [
        "## Trainings",
        "",
        "Seeds that the command below does not name were measured by it before, with `--seeds` and the variants of "
        "that seed. CPU-minutes since the last interruption; a dash where another variant had trained it, or an "
        "earlier run.",
        "",
        *pages.grid(head, rows),
    ]


def _seeds(results: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(str(each["seed"]) for each in results)


def _episodes(results: Sequence[Mapping[str, Any]], split: str, what: str) -> NDArray[np.float64]:
    """Of every episode, its mean over the seeds."""
    told = [each[split]["episodes"][what].split() for each in results]
    return np.mean(np.array(told, dtype=np.float64), axis=0)


def _mean(results: Sequence[Mapping[str, Any]], split: str, what: str) -> str:
    return pages.cell(vars(mean(_episodes(results, split, what), draws=DRAWS)), 3)


def _auroc(results: Sequence[Mapping[str, Any]], split: str) -> str:
    """A dash where a seed's answers could never be read, as nothing was ranked then."""
    if _unread(results, split):
        return "–"
    return f"{np.mean([each[split]['all']['auroc']['value'] for each in results]):.3f}"


def _unread(results: Sequence[Mapping[str, Any]], split: str) -> bool:
    scored = [each[split]["all"] for each in results]
    return any(each["auroc"] is None or each["unreadable"] == each["accuracy"]["count"] for each in scored)


def _difference(ours: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]], split: str, what: str) -> str:
    both = {each["seed"] for each in ours} & {each["seed"] for each in other}
    values = [_episodes([e for e in results if e["seed"] in both], split, what) for results in (ours, other)]
    found = mean(values[0] - values[1], draws=DRAWS, scores=False)
    text = f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
    return f"**{text}**" if found.low > 0 or found.high < 0 else text


if __name__ == "__main__":
    pages.run(main, "detector_page.py")
