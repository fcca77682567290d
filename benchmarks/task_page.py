"""A page of one task: what a study knew, what it ranked without a rollout, and what fresh episodes then showed.

    python benchmarks/task_page.py STUDY_DIR [--top 20] [--gap 0.4] [--least 0.7] [--studies studies] [--out …]

Everything comes from the study's `diagnosis.json`; nothing is rolled out. How right the diagnosis was is counted as in
Table 2 (`benchmarks/table2.py`); rows that set something to what it is anyway in today's space are left out.
"""

import argparse
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from faultfield.diagnosis.entries import Known, Ranked, Rate
from faultfield.diagnosis.result import Diagnosis
from faultfield.errors import StudyError
from faultfield.study import StudyConfig
from pages import cell, facts, grid, run, write
from studied import Studied
from table2 import row


def main() -> None:
    """Read the diagnosis, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--top", type=int, default=20, help="ranked variations shown, beside all that were verified")
    parser.add_argument("--gap", type=float, default=0.4)
    parser.add_argument("--least", type=float, default=0.7, help="nominal success below which nothing is claimed")
    parser.add_argument("--studies", type=Path, default=Path("studies"), help="where the study's file is looked for")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    diagnosis = Diagnosis.read(options.study / "diagnosis.json")
    studied = Studied.of(diagnosis, options.study)
    found = row(studied, options.gap, options.least)
    shown = [e for e in studied.ranking if e.verified is not None or (e.rank is not None and e.rank <= options.top)]
    held = [covered(e) for e in shown if e.verified is not None and not e.infeasible]
    result = facts(
        **found, gap=options.gap, least=options.least, made=made(options.study, options.studies),
        environment={"type": studied.environment.type, "arguments": dict(studied.environment.arguments)},
        rollouts=[info.model_dump() for info in diagnosis.rollouts], caveats=diagnosis.caveats,
        covered={"inside": sum(held), "of": len(held)}, known=[e.model_dump() for e in studied.known],
        ranking=[e.model_dump() for e in shown],
    )  # fmt: skip
    write(options.out or Path("docs/results") / options.study.name, result, page(result, studied.known, shown))


def made(study: Path, studies: Path) -> str:
    """The command that makes the study, from the file that says the same as the one in its directory; "" where none."""
    asked = StudyConfig.read(study / "study.yaml")
    for path in sorted(studies.glob("*.yaml")):
        # Lists of variations lie beside the studies.
        with contextlib.suppress(StudyError):
            if StudyConfig.read(path) == asked:
                return f"faultfield run {path.as_posix()} --out runs/{study.name}"
    return ""


def covered(entry: Ranked) -> bool:
    """Whether the estimate's interval and the Wilson interval of what was seen have a number in common."""
    assert entry.verified is not None
    return entry.low <= entry.verified.high and entry.verified.low <= entry.high


def page(result: Mapping[str, Any], known: Sequence[Known], shown: Sequence[Ranked]) -> list[str]:
    """The page in Markdown."""
    nominal, detection, pairs = result["nominal"], result["detection"], result["pairs"]
    claims = "" if result["claimed"] else f" **Under {result['least']:.0%}: nothing is claimed of it.**"
    # A diagnosis from before all were counted tells the least of a variation.
    counts = [info["episodes"] or info["variations"] * info["per_variation"] for info in result["rollouts"]]
    spent = sum(counts)
    told = zip(result["rollouts"], counts, strict=True)
    gone = f"- Of {result['left_out']} more that were rolled out a part or all sets something to what it is anyway."
    stages = "; ".join(f"{info['stage']} {count} under {info['variations']}" for info, count in told)
    return [
        f"# {result['task']}: where {result['policy']} fails", "",
        f"Policy {result['fingerprint']}, estimator `{result['estimator']}`, seed {result['seed']}. Nominal success "
        f"{nominal['failures']} of {nominal['episodes']} [{nominal['low']:.2f}, {nominal['high']:.2f}].{claims} "
        f"{spent} episodes ({stages}). Rates are of failure, with Wilson's interval (95 %).", "",
        "| measure | |", "|---|---|",
        f"| pairs in the right order, of those {result['gap']:g} or more apart | {cell(pairs)} ({pairs['count']} pairs "
        f"over {result['held_out']} known held out and {result['verified']} verified variations) |",
        f"| fails in half of its episodes or not, said rightly | {detection['failures']}/{detection['episodes']} "
        f"[{detection['low']:.2f}, {detection['high']:.2f}] |",
        "| verified variations whose interval (90 %) meets that of the fresh episodes | "
        f"{result['covered']['inside']}/{result['covered']['of']} |", "",
        "## Known", "",
        *grid(("variation", "failed", "said without it", "expert failed"), [_known(entry) for entry in known]), "",
        "## Never tried", "",
        *grid(("rank", "variation", "expected", "90 %", "fresh episodes failed", "expert failed"),
              [_ranked(entry) for entry in shown]), "",
        *[f"- {caveat}" for caveat in result["caveats"]], *([gone] if result["left_out"] else []),
        *(["", "The study was made by", "", "```console", f"$ {result['made']}", "```"] if result["made"] else []),
    ]  # fmt: skip


def _known(entry: Known) -> Sequence[str]:
    said = "–" if entry.failure_probability is None else f"{entry.failure_probability:.2f}"
    name = f"{entry.text} *(infeasible)*" if entry.infeasible else entry.text
    return name, _counted(entry), said, _tried(entry.expert_failures, entry.expert_episodes)


def _ranked(entry: Ranked) -> Sequence[str]:
    seen = entry.verified
    expert = "–" if seen is None else _tried(seen.expert_failures, seen.expert_episodes)
    return (
        "–" if entry.rank is None else str(entry.rank), entry.text, f"{entry.failure_probability:.2f}",
        f"{entry.low:.2f}–{entry.high:.2f}", "–" if seen is None else _counted(seen), expert,
    )  # fmt: skip


def _counted(rate: Rate) -> str:
    return f"{rate.failures}/{rate.episodes} [{rate.low:.2f}, {rate.high:.2f}]"


def _tried(failures: int | None, episodes: int | None) -> str:
    return "–" if not episodes else f"{failures}/{episodes}"


if __name__ == "__main__":
    run(main, "task_page.py")
