"""RoboMD's Table 2: how right the diagnosis was, by task and policy, from the directories of studies or their pages.

    python benchmarks/table2.py STUDY_DIR|TASK_PAGE.json ... [--gap 0.4] [--least 0.7] [--keep]
        [--out docs/results/table2]

What each `diagnosis.json`, or the page that `benchmarks/task_page.py` made of it, says is held against its own
rollouts: known variations as the estimator saw them held out, and ranked ones that were rolled out afterwards, without
those that set something to what it is anyway in today's space. A directory without a diagnosis is named and left out; a
policy whose nominal success is under `--least` is reported, and left out of what is claimed. `--keep` keeps the rows
that OUT.json has already, of studies whose directories are elsewhere; each row says on which day it was made.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faultfield.diagnosis.entries import Rate
from faultfield.diagnosis.metrics import Truth, distinct_pairs
from faultfield.errors import FaultfieldError, StudyError
from faultfield.report.words import FAILING
from pages import cell, facts, grid, run, tell, write
from pairs import Pairs, accuracy, right
from paper_numbers import ELSEWHERE, TABLE_2
from studied import Studied


def main() -> None:
    """Read the diagnoses, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--gap", type=float, default=0.4)
    parser.add_argument("--least", type=float, default=0.7, help="nominal success below which nothing is claimed")
    parser.add_argument("--out", type=Path, default=Path("docs/results/table2"))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    found, missing = read_all(options.studies)
    rows = {studied.name: row(studied, options.gap, options.least) for studied in found}
    if options.keep:
        kept = before(options.out.with_suffix(".json"), options.gap, options.least)
        rows = {**kept, **rows}
    result = facts(rows=list(rows.values()), missing=missing, gap=options.gap, least=options.least, paper=TABLE_2)
    write(options.out, result, page(result))


def read_all(paths: Sequence[Path]) -> tuple[list[Studied], dict[str, str]]:
    """The studies that can be read; and why not, of those that cannot.

    Raises:
        StudyError: None can.
    """
    found: list[Studied] = []
    missing: dict[str, str] = {}
    for path in paths:
        try:
            found.append(Studied.read(path))
        except FaultfieldError as error:
            missing[path.name] = str(error)
            tell(f"left out: {error}")
    if not found:
        raise StudyError("None of these holds a diagnosis; `faultfield run STUDY.yaml` makes one.")
    return found, missing


def before(file: Path, gap: float, least: float) -> dict[str, dict[str, Any]]:
    """The rows of an earlier page by study.

    Raises:
        StudyError: The page has other settings, or is none.
    """
    if not file.is_file():
        return {}
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if (told["gap"], told["least"]) != (gap, least):
            raise StudyError(f"{file} was made with another --gap or --least; leave --keep out.")
        return {row["study"]: {"diagnosed": told["date"], **row} for row in told["rows"]}
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{file} is no page of this program; leave --keep out.") from error


def row(studied: Studied, gap: float, least: float) -> dict[str, Any]:
    """What one diagnosis said, and what was so."""
    said, seen, density = [], [], []
    for known in studied.known:
        if not known.infeasible and known.variation and known.failure_probability is not None:
            said.append(known.failure_probability)
            seen.append((known.failures, known.episodes))
            density.append(float("nan"))
    held_out = len(said)
    for entry in studied.ranking:
        if entry.verified is not None and not entry.infeasible:
            said.append(entry.failure_probability)
            seen.append((entry.verified.failures, entry.verified.episodes))
            density.append(float("nan") if entry.density is None else entry.density)
    predicted, counts = np.array(said), np.array(seen, dtype=np.float64).reshape(-1, 2)
    truth = Truth(counts[:, 0], counts[:, 1])
    told = np.isfinite(density)
    agreed = (predicted >= FAILING) == (truth.rates >= FAILING)
    detection = Rate.of(int(agreed.sum()), len(agreed))
    return {
        "study": studied.name, "diagnosed": studied.diagnosed, "task": studied.task, "policy": studied.policy,
        "fingerprint": studied.fingerprint, "seed": studied.seed, "estimator": studied.estimator,
        "nominal": studied.nominal.model_dump(), "claimed": studied.nominal.rate >= least,
        "held_out": held_out, "verified": len(said) - held_out, "left_out": studied.left_out,
        "pairs": ordered(predicted, truth, gap), "detection": detection.model_dump(),
        "density_pairs": ordered(np.array(density)[told], truth.at(np.flatnonzero(told)), gap),
    }  # fmt: skip


def ordered(predicted: Any, truth: Truth, gap: float) -> dict[str, float]:
    """Share of all pairs whose rates differ by `gap` that are in the right order, with how many there are."""
    every = distinct_pairs(truth, gap=gap)
    if not len(every):
        return {"value": float("nan"), "low": float("nan"), "high": float("nan"), "count": 0}
    pairs = Pairs(every[:, 0], every[:, 1], np.ones(len(every), dtype=bool), len(every))
    return accuracy(right(predicted, pairs), pairs, len(predicted)) | {"count": len(every)}


def page(result: Mapping[str, Any]) -> list[str]:
    """The table in Markdown."""
    lines = [
        "# How right the diagnosis was, by task and policy (RoboMD, Table 2)", "",
        "Pairs: of two variations whose failure rates differ by "
        f"{result['gap']:g} or more, the share that the diagnosis puts in the right order, over known variations held "
        "out of the fit and ranked ones that were rolled out afterwards (bootstrap 95 % over variations). Detection: "
        f"the share of these variations that it says fail, or not, in at least {FAILING:.0%} of episodes, as they do "
        "(Wilson 95 %). The diagnostic policy's density ranks the ranked ones alone. What was rolled out afterwards "
        "each study chose itself, its worst predictions and some evenly over the rest: the shares speak of these. "
        "Infeasible variations are left out, and those that set something to what it is anyway (light at 100 percent), "
        "which today's program has not: the column says how many that were rolled out (– of a study that was counted "
        f"when they were not left out). {ELSEWHERE} The last column has the paper's number of the same algorithm "
        "on the task, or else its range over all.", "",
        "A study is made by `faultfield run studies/STUDY.yaml`; one that is named like its policy, by the task's demo "
        "study: `faultfield run studies/can-demo.yaml --policy models/can-bcq --out runs/can-bcq`.", "",
    ]  # fmt: skip
    rows = []
    for row in result["rows"]:
        nominal, detection = row["nominal"], row["detection"]
        said = f"{nominal['failures']}/{nominal['episodes']} [{nominal['low']:.2f}, {nominal['high']:.2f}]"
        rows.append([
            row["study"], row["task"], row["policy"],
            said + ("" if row["claimed"] else ", **too low: nothing is claimed**"),
            f"{row['held_out']} + {row['verified']}", str(row.get("left_out", "–")),
            f"{cell(row['pairs'])} ({row['pairs']['count']})",
            f"{detection['failures']}/{detection['episodes']} [{detection['low']:.2f}, {detection['high']:.2f}]",
            f"{cell(row['density_pairs'])} ({row['density_pairs']['count']})", row["estimator"], str(row["seed"]),
            row["diagnosed"], paper(row["task"], row["policy"]),
        ])  # fmt: skip
    head = (
        "study", "task", "policy", "nominal success", "variations held out + verified", "left out",
        "pairs in order (pairs)", "detection", "density: pairs in order (pairs)", "estimator", "seed", "diagnosed",
        "the paper, %",
    )  # fmt: skip
    lines += [*grid(head, rows), ""]
    kept = [row["pairs"]["value"] for row in result["rows"] if row["claimed"] and row["pairs"]["count"]]
    if kept:
        lines.append(
            f"Over {len(kept)} {'study' if len(kept) == 1 else 'studies'} with nominal success of "
            f"{result['least']:.0%} or more: {np.mean(kept):.2f} of pairs in order on average, "
            f"{min(kept):.2f} at worst."
        )
    lines += [f"- {name} was left out. {reason}" for name, reason in result["missing"].items()]
    theirs = sorted({task for row in TABLE_2.values() for task in row})
    table = [[name, *(f"{row[task]:.1f}" for task in theirs)] for name, row in TABLE_2.items()]
    return [*lines, "", "The paper's own table, accuracy of failure detection in percent:", "",
            *grid(("policy", *theirs), table)]  # fmt: skip


ALGORITHMS: Mapping[str, str] = {"VisualBC": "BC", "bcq": "BCQ", "bc-transformer": "BC Transformer"}
"""The paper's name of an algorithm, by what a policy of it is called here: the class, or the end of the checkpoint."""


def paper(task: str, policy: str) -> str:
    """The paper's number of the policy's algorithm on a task, or its range over all of them."""
    values = [row[task] for row in TABLE_2.values() if task in row]
    if not values:
        return "–"
    theirs = [name for ours, name in ALGORITHMS.items() if policy.startswith(ours) or policy.endswith(f"-{ours}")]
    return f"{theirs[0]}: {TABLE_2[theirs[0]][task]:.1f}" if theirs else f"{min(values):.0f}–{max(values):.0f}"


if __name__ == "__main__":
    run(main, "table2.py")
