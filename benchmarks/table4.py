"""RoboMD's Table 4: entropy, number of failure modes and failure severity index of each policy.

    python benchmarks/table4.py STUDY_DIR|TASK_PAGE.json|COUNTS.json ... [--threshold 0.5] [--out docs/results/table4]

Of the known variations in each study's `diagnosis.json`, in the page that `benchmarks/task_page.py` made of it, or in
what `benchmarks/known.py` wrote (whose episodes are fresh). Variations under which the expert of any of them fails too
are left out of all of the same task; counts that do not say their task are taken to be of one.
"""

import argparse
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.controls import FEASIBLE_RATE
from faultfield.diagnosis.measures import entropy, failure_modes, severity
from faultfield.errors import FaultfieldError, StudyError
from pages import cell, facts, grid, run, spread, tell, write
from paper_numbers import ELSEWHERE, TABLE_4
from studied import Studied

DRAWS = 2000


@dataclass(frozen=True)
class Counted:
    """Failures of one policy, one row a feasible variation.

    Attributes:
        name: Where from.
        policy: Its fingerprint.
        task: The environment's; "" where that is not said.
        keys: Of the variations, as JSON of their values.
        failures, episodes: Float64 (n,).
        said: What the study's estimator said of each, held out of its fit; None where it did not.
        infeasible: As `keys`, of those that were left out.
        what: Where the episodes come from.
    """

    name: str
    policy: str
    task: str
    keys: tuple[str, ...]
    failures: NDArray[np.float64]
    episodes: NDArray[np.float64]
    said: tuple[float | None, ...]
    infeasible: tuple[str, ...]
    what: str


def main() -> None:
    """Read the counts, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", type=Path, nargs="+")
    parser.add_argument("--threshold", type=float, default=0.5, help="failure rate above which a variation is a mode")
    parser.add_argument("--out", type=Path, default=Path("docs/results/table4"))
    options = parser.parse_args()
    found, missing = read_all(options.counts)
    rows = [row(each, options.threshold) for each in found]
    result = facts(rows=rows, missing=missing, threshold=options.threshold, draws=DRAWS, paper=TABLE_4)
    write(options.out, result, page(result))


def read_all(paths: Sequence[Path]) -> tuple[list[Counted], dict[str, str]]:
    """Everything that can be read; and why not, of what cannot.

    Raises:
        StudyError: Nothing can.
    """
    found, missing = [], {}
    for path in paths:
        try:
            found.append(of_counts(path) if _is_counts(path) else of_study(path))
        except FaultfieldError as error:
            missing[path.name] = str(error)
            tell(f"left out: {error}")
    if not found:
        raise StudyError("None of these is a diagnosed study, the page of one, or counts of benchmarks/known.py.")
    hopeless = {(each.task, key) for each in found for key in each.infeasible}
    return [without(each, {key for task, key in hopeless if task == each.task}) for each in found], missing


def _is_counts(path: Path) -> bool:
    try:
        return path.is_file() and "counted" in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError) as error:
        raise StudyError(f"{path} cannot be read as JSON: {error}.") from error


def without(counted: Counted, hopeless: Collection[str]) -> Counted:
    """The same without variations that an expert fails under, whoever's control that was."""
    kept = [place for place, key in enumerate(counted.keys) if key not in hopeless]
    lost = tuple(key for key in counted.keys if key in hopeless)
    if not kept:
        raise StudyError(f"{counted.name} has no feasible known variation.")
    return replace(
        counted, keys=tuple(counted.keys[place] for place in kept), failures=counted.failures[kept],
        episodes=counted.episodes[kept], said=tuple(counted.said[place] for place in kept),
        infeasible=tuple(dict.fromkeys((*counted.infeasible, *lost))),
    )  # fmt: skip


def of_study(path: Path) -> Counted:
    """The known variations of a diagnosed study, from its directory or its page."""
    studied = Studied.read(path)
    known = [entry.model_dump() for entry in studied.known if entry.variation and entry.episodes]
    nominal = f"{studied.nominal.failures} of {studied.nominal.episodes} nominal ones succeed"
    what = f"the study's own episodes, seeds from {studied.seed}; {nominal}"
    lost = [entry for entry in known if entry["infeasible"]]
    return _counted(studied.name, studied.fingerprint, studied.task, known, lost, what)


def of_counts(path: Path) -> Counted:
    """What `benchmarks/known.py` counted of the policy, less what its expert fails under."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        roles = content["counted"]
        known = [row for row in roles["policy"] if row["variation"]]
        lost = [row for row in roles.get("expert", []) if row["failures"] / row["episodes"] > FEASIBLE_RATE]
        return _counted(path.stem, content["policy"], content.get("task", ""), known, lost, content["what"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{path} is not what benchmarks/known.py writes: {error}.") from error


def _counted(
    name: str, policy: str, task: str, rows: Sequence[Mapping[str, Any]], lost: Sequence[Mapping[str, Any]], what: str
) -> Counted:
    keys, hopeless = (
        tuple(json.dumps(row["variation"], sort_keys=True) for row in given if row["variation"])
        for given in (rows, lost)
    )
    failures, episodes = (np.array([row[key] for row in rows], dtype=np.float64) for key in ("failures", "episodes"))
    said = tuple(row.get("failure_probability") for row in rows)
    return Counted(name, policy, task, keys, failures, episodes, said, hopeless, what)


def row(counted: Counted, threshold: float) -> dict[str, Any]:
    """The measures with intervals: every variation's episodes are drawn anew."""
    rates = counted.failures / counted.episodes
    rng = np.random.default_rng(0)
    drawn = rng.binomial(counted.episodes.astype(int), rates, size=(DRAWS, len(rates))) / counted.episodes
    measures = {
        "entropy": entropy, "nfm": lambda p: failure_modes(p, threshold), "fsi": severity,
        # The other reading of P: each variation's share of all failures.
        "fsi_of_shares": lambda p: severity(p / p.sum()) if p.sum() else 0.0,
    }  # fmt: skip
    return {
        "name": counted.name, "policy": counted.policy, "what": counted.what, "variations": len(rates),
        "infeasible": len(counted.infeasible), "most_entropy": float(np.log(len(rates))),
        **{name: spread(float(make(rates)), [make(p) for p in drawn]) for name, make in measures.items()},
    }  # fmt: skip


def page(result: Mapping[str, Any]) -> list[str]:
    """The table in Markdown."""
    lines = [
        "# How concentrated and how severe failures are (RoboMD, Table 4)", "",
        "Entropy of where failures fall, in nats (0: one variation has them all; the most: all alike). NFM: variations "
        f"that fail in more than {result['threshold']:.0%} of episodes. FSI: Σ P·W, W = P over the largest P. In "
        f"brackets the 95 % range when every variation's episodes are drawn anew ({result['draws']} draws, seed 0); a "
        f"variation that always failed does so in every draw. Infeasible variations are left out. {ELSEWHERE}", "",
    ]  # fmt: skip
    rows = [
        [
            row["name"], f"{row['variations']} ({row['infeasible']})", cell(row["entropy"]),
            f"{row['most_entropy']:.2f}", cell(row["nfm"], 0), cell(row["fsi"]), cell(row["fsi_of_shares"]),
            row["what"],
        ]
        for row in result["rows"]
    ]  # fmt: skip
    head = ("policy", "variations (infeasible)", "entropy", "the most", "NFM", "FSI", "FSI of shares", "episodes")
    theirs = [[name, f"{h:.2f}", str(n), f"{f:.2f}"] for name, (h, n, f) in TABLE_4.items()]
    lines += [*grid(head, rows), ""]
    lines += [f"- {name} was left out. {reason}" for name, reason in result["missing"].items()]
    return [
        *lines, "", "The paper:", "", *grid(("policy", "entropy", "NFM", "FSI"), theirs), "",
        "Its numbers fit neither reading of its formula: with P the rate itself, three modes above one half have an "
        "FSI of 1.41 at least (its two policies with three: 0.63 and 0.75); with P the share of all failures no FSI "
        "exceeds 1 (its BCQ: 1.15). It does not say from which rate on a variation is a mode.",
    ]  # fmt: skip


if __name__ == "__main__":
    run(main, "table4.py")
