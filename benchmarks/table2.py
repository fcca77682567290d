"""RoboMD's Table 2: how right the diagnosis was, by task and policy, from the directories of studies.

    python benchmarks/table2.py STUDY_DIR ... [--gap 0.4] [--least 0.7] [--keep] [--out docs/results/table2]

What each `diagnosis.json` says is held against its own rollouts: known variations as the estimator saw them held out,
and ranked ones that were rolled out afterwards. A directory without a diagnosis is named and left out; a policy whose
nominal success is under `--least` is reported, and left out of what is claimed. `--keep` keeps the rows that OUT.json
has already, of studies whose directories are elsewhere; each row says on which day it was made.
"""

import argparse
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np

from faultfield.diagnosis.entries import Rate
from faultfield.diagnosis.metrics import Truth, distinct_pairs
from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.report.words import FAILING
from pages import cell, facts, grid, run, tell, write
from pairs import Pairs, accuracy, right
from paper_numbers import ELSEWHERE, TABLE_2


def main() -> None:
    """Read the diagnoses, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", type=Path, nargs="+")
    parser.add_argument("--gap", type=float, default=0.4)
    parser.add_argument("--least", type=float, default=0.7, help="nominal success below which nothing is claimed")
    parser.add_argument("--out", type=Path, default=Path("docs/results/table2"))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    found, missing = diagnoses(options.studies)
    rows = [row(diagnosis, name, options.gap, options.least) for name, diagnosis in found.items()]
    if options.keep:
        rows = [*before(options.out.with_suffix(".json"), set(found), options.gap, options.least), *rows]
    result = facts(rows=rows, missing=missing, gap=options.gap, least=options.least, paper=TABLE_2)
    write(options.out, result, page(result))


def diagnoses(directories: Sequence[Path]) -> tuple[dict[str, Diagnosis], dict[str, str]]:
    """The diagnoses by their directory's name; and why there is none, of those without.

    Raises:
        StudyError: None of them has one.
    """
    found: dict[str, Diagnosis] = {}
    missing: dict[str, str] = {}
    for directory in directories:
        try:
            found[directory.name] = Diagnosis.read(directory / "diagnosis.json")
        except StudyError as error:
            missing[directory.name] = str(error)
            tell(f"left out: {error}")
    if not found:
        raise StudyError("None of the directories holds a diagnosis; `faultfield run STUDY.yaml` makes one.")
    return found, missing


def before(file: Path, anew: Set[str], gap: float, least: float) -> list[dict[str, Any]]:
    """The rows of an earlier page, without the studies that are counted anew.

    Raises:
        StudyError: The page has other settings, or is none.
    """
    if not file.is_file():
        return []
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        if (told["gap"], told["least"]) != (gap, least):
            raise StudyError(f"{file} was made with another --gap or --least; leave --keep out.")
        return [{"diagnosed": told["date"], **row} for row in told["rows"] if row["study"] not in anew]
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{file} is no page of this program; leave --keep out.") from error


def row(diagnosis: Diagnosis, name: str, gap: float, least: float) -> dict[str, Any]:
    """What one diagnosis said, and what was so."""
    said, seen, density = [], [], []
    for known in diagnosis.known:
        if not known.infeasible and known.variation and known.failure_probability is not None:
            said.append(known.failure_probability)
            seen.append((known.failures, known.episodes))
            density.append(float("nan"))
    held_out = len(said)
    for entry in diagnosis.ranking:
        if entry.verified is not None and not entry.infeasible:
            said.append(entry.failure_probability)
            seen.append((entry.verified.failures, entry.verified.episodes))
            density.append(float("nan") if entry.density is None else entry.density)
    predicted, counts = np.array(said), np.array(seen, dtype=np.float64).reshape(-1, 2)
    truth = Truth(counts[:, 0], counts[:, 1])
    told = np.isfinite(density)
    agreed = (predicted >= FAILING) == (truth.rates >= FAILING)
    detection = Rate.of(int(agreed.sum()), len(agreed))
    success = Rate.of(diagnosis.nominal.episodes - diagnosis.nominal.failures, diagnosis.nominal.episodes)
    return {
        "study": name, "diagnosed": day_of(diagnosis), "task": task_of(diagnosis), "policy": policy_of(diagnosis),
        "fingerprint": diagnosis.policy.fingerprint, "seed": diagnosis.seed,
        "estimator": "" if diagnosis.selection is None else diagnosis.selection.estimator,
        "nominal": success.model_dump(), "claimed": success.rate >= least,
        "held_out": held_out, "verified": len(said) - held_out,
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


def day_of(diagnosis: Diagnosis) -> str:
    """The day, where it says so."""
    return (diagnosis.created or "")[:10]


def task_of(diagnosis: Diagnosis) -> str:
    """The environment's task, or its class where it has but one."""
    return str(diagnosis.environment.arguments.get("task", diagnosis.environment.type.rsplit(":", 1)[-1]))


def policy_of(diagnosis: Diagnosis) -> str:
    """The checkpoint's name where there is one, else the policy's class."""
    kind = diagnosis.policy.type.rsplit(":", 1)[-1]
    weights = diagnosis.policy.arguments.get("checkpoint")
    return f"{kind} {Path(str(weights)).name}" if weights else kind


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
        f"Infeasible variations are left out. {ELSEWHERE} The last column has the paper's number of the same algorithm "
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
            f"{row['held_out']} + {row['verified']}", f"{cell(row['pairs'])} ({row['pairs']['count']})",
            f"{detection['failures']}/{detection['episodes']} [{detection['low']:.2f}, {detection['high']:.2f}]",
            f"{cell(row['density_pairs'])} ({row['density_pairs']['count']})", row["estimator"], str(row["seed"]),
            row["diagnosed"], paper(row["task"], row["policy"]),
        ])  # fmt: skip
    head = (
        "study", "task", "policy", "nominal success", "variations held out + verified", "pairs in order (pairs)",
        "detection",
        "density: pairs in order (pairs)", "estimator", "seed", "diagnosed",
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
