"""Every program of this folder at its small size, so that none rots: `make bench-quick`.

    python benchmarks/quick.py [--only NAME ...] [--jobs 2] [--longest 300] [--keep DIRECTORY] [--list]

Each runs in a process of its own and writes into a temporary directory. A line tells how long it took, by the clock and
of the processor; where one fails, what it said last is shown and the exit code is 1. What most of them need (a small
study, its truth, data for the detector) is made first.

A new program needs nothing here if `--quick --out PATH` is a whole command line for it; otherwise it gets an entry in
`COMMANDS`, or, where it cannot run just anywhere, its reason in `HELP`, and its `--help` runs. One that has neither is
refused.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent

LONGEST = 300.0
"""Seconds that one program may take."""

COMMANDS: Mapping[str, str] = {
    "detector": "--data {tmp}/faults --eyes {tmp}/faults --runs {tmp}/detectors --out {tmp}/detector --seeds 0 "
    '--variants sft-d --settings {"batch":4,"warm_up_epochs":1}',
    "detector_cost": "--hidden 64 --layers 4 --frames 2 --side 56 --tokens 4 --samples 2 --rounds 2 --repeats 1 "
    "--usual 0.9 --vocabulary 8000 --out {tmp}/cost.json",
    "detector_eyes": "--of models/detector --data {tmp}/faults --captions 0.5 --out {tmp}/eyes",
    "detector_gpu": "--shape pocket --device cpu --frames 2 --side 84 --tokens 4 --samples 2 --rounds 2 --repeats 1 "
    "--out {tmp}/gpu",
    "detector_hunch": "--data {tmp}/faults --eyes models/detector --groups 0 --tests {tmp}/faults --variants ours "
    "--out {tmp}/hunch",
    "detector_labelled": "--pool {tmp}/faults/train-sparse.json --data {tmp}/faults/test-seen.json --counts 2 "
    "--draws 2 --answered 2 --answers 1 --out {tmp}/labelled",
    "detector_page": "docs/results/detector-rounds.json --out {tmp}/rounds",
    "detector_passes": "--data {tmp}/faults --videos 2 --out {tmp}/passes",
    "detector_sight": "--data {tmp}/faults --out {tmp}/sight",
    "determinism": "benchmarks/quick.yaml {tmp}/study --kills 1 --longest 4 --out {tmp}/determinism.json",
    "embedding": "{tmp}/study --seeds 1 --contrast outcome --out {tmp}/embedding",
    "env_speed": "--steps 5 --repeats 1 --out {tmp}/speed.json",
    "figure5": "{tmp}/study --quick --out {tmp}/figure5 --cache {tmp}/cache",
    "figure7": "{tmp}/study --out {tmp}/figure7",
    "interval_coverage": "--known 4 --errors 0.5 --repeats 3 --out {tmp}/coverage",
    "known": "{tmp}/study --episodes 1 --roles policy --workers 1 --out {tmp}/known",
    "paper_tables": "{tmp}/made/page --out {tmp}/joined",
    "probe_speed": "--candidates 2 --repeats 1",
    "table1": "{tmp}/study {tmp}/table.parquet --quick --out {tmp}/table1 --cache {tmp}/cache",
    "table2": "{tmp}/study {tmp}/missing --out {tmp}/table2",
    "table3": "{tmp}/study {tmp}/table.parquet --quick --out {tmp}/table3 --cache {tmp}/cache",
    "table4": "{tmp}/study --out {tmp}/table4",
    "theory": "--problems 3 --seeds 2 --trainings 1 --out {tmp}/theory",
    "task_page": "{tmp}/study --out {tmp}/task",
    "truth": "{tmp}/study {tmp}/truth.json --steps 256 --only base-rate probe values-logistic --removed base-rate "
    "--out {tmp}/truth --cache {tmp}/cache",
    "truth_table": "{tmp}/study --out {tmp}/table.parquet --rows 8 --episodes 2 --nominal 4 --workers 2",
    "virtual_mdp": "--repeats 1 --seeds 1 --steps 2048 --out {tmp}/mdp.json",
    "workers": "--episodes 2 --repeats 1 --json",
}
"""Programs whose small size is a matter of arguments; words are parted by blanks."""

HELP: Mapping[str, str] = {
    "lerobot_loads": "makes an environment of its own, several GB from the network",
}
"""Programs of which only `--help` runs, and why."""

ITSELF = "quick"


@dataclass(frozen=True)
class Step:
    """One process.

    Attributes:
        name: For the line that tells of it.
        arguments: After `python`; `{tmp}` stands for the directory.
        into: A file of that directory for its standard output.
    """

    name: str
    arguments: tuple[str, ...]
    into: str | None = None


STUDY = Step(
    "a small study", ("-m", "faultfield", "run", "benchmarks/quick.yaml", "--out", "{tmp}/study", "--workers", "2")
)  # fmt: skip
TRUTH = Step(
    "its truth", ("-m", "faultfield", "rollout", "{tmp}/study", "--variations", "{tmp}/asked.yaml", "--episodes", "2",
                  "--seed", "1000000", "--json"), "truth.json",
)  # fmt: skip
FAULTS = Step(
    "data for the detector",
    ("-m", "faultfield", "detector", "generate", "--out", "{tmp}/faults", "--tasks", "Lift", "--episodes", "6",
     "--dense", "3", "--unseen", "reach-v3", "--transfer", "drawer-open-v3", "--transfer-dense", "2", "--test", "2"),
)  # fmt: skip
NEEDS: Mapping[str, Step] = {"{tmp}/study": STUDY, "{tmp}/truth.json": TRUTH, "{tmp}/faults": FAULTS}
"""What is made first where a program's arguments name it, in this order."""

ASKED = "[{table_color: black}, {table_color: tan}, {light_intensity: 0.3}, {cube_color: blue}]\n"
"""The variations of the truth."""


def programs(folder: Path = HERE) -> list[str]:
    """Files of the folder that are programs, by name; the others are what they share."""
    return sorted(file.stem for file in folder.glob("*.py") if 'if __name__ == "__main__":' in file.read_text("utf-8"))


def steps(folder: Path = HERE) -> list[Step]:
    """The small size of every program.

    Raises:
        LookupError: A program has none; or an entry is of no program.
    """
    found = [name for name in programs(folder) if name != ITSELF]
    if gone := sorted((set(COMMANDS) | set(HELP)) - set(found)):
        raise LookupError(f"benchmarks/quick.py names what is no program any more: {', '.join(gone)}.")
    made, missing = [], []
    for name in found:
        program = f"benchmarks/{name}.py"
        if name in HELP:
            made.append(Step(name, (program, "--help")))
        elif name in COMMANDS:
            made.append(Step(name, (program, *COMMANDS[name].split())))
        elif '"--quick"' in (folder / f"{name}.py").read_text("utf-8"):
            made.append(Step(name, (program, "--quick", "--out", f"{{tmp}}/{name}")))
        else:
            missing.append(name)
    if missing:
        raise LookupError(
            f"These programs have no small size: {', '.join(missing)}. Give each a --quick, or an entry in "
            "benchmarks/quick.py."
        )
    return made


def needed(chosen: Iterable[Step]) -> list[Step]:
    """What must be made before, in order: the study before what is made of it."""
    words = {word for step in chosen for word in step.arguments}
    wanted = [step for path, step in NEEDS.items() if path in words]
    return [STUDY, *wanted] if TRUTH in wanted and STUDY not in wanted else wanted


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        step: Which.
        code: Exit code; None where it took too long.
        wall, cpu: Seconds; of the processor also those of its own processes.
        said: The end of what it said.
    """

    step: Step
    code: int | None
    wall: float
    cpu: float
    said: str


def run(step: Step, directory: Path, longest: float = LONGEST) -> Ended:
    """Run one process to its end, or until it has taken too long."""
    words = [word.replace("{tmp}", str(directory)) for word in step.arguments]
    log = directory / "logs" / f"{step.name.replace(' ', '-')}.txt"
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = {"MUJOCO_GL": "egl", **os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    begun = time.monotonic()
    code: int | None = None
    with log.open("wb") as said, (directory / step.into if step.into else Path(os.devnull)).open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, *words], cwd=HERE.parent, env=environment, stdout=out if step.into else said, stderr=said
        )
        while True:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = code = os.waitstatus_to_exitcode(status)
                break
            if time.monotonic() - begun > longest:
                process.kill()
                _, status, used = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            time.sleep(0.2)
    tail = log.read_text("utf-8", errors="replace")[-3000:]
    return Ended(step, code, time.monotonic() - begun, used.ru_utime + used.ru_stime, tail)


def told(ended: Ended) -> str:
    """A line; more where it failed."""
    line = f"{ended.step.name:<22} {ended.wall:6.1f} s, {ended.cpu:6.1f} s of the processor"
    if ended.step.name in HELP:
        line += f"  (--help alone: {HELP[ended.step.name]})"
    if ended.code == 0:
        return line
    how = "took too long" if ended.code is None else f"failed with exit code {ended.code}"
    return f"{line}  {how.upper()}\n{ended.said}"


def run_all(chosen: Sequence[Step], directory: Path, jobs: int, longest: float = LONGEST) -> list[Ended]:
    """Run what is needed one after another, then `truth_table`, whose table others read, then the rest side by side."""
    (directory / "asked.yaml").write_text(ASKED, encoding="utf-8")
    (directory / "made").mkdir(exist_ok=True)
    (directory / "made" / "page.md").write_text("# A page\n", encoding="utf-8")
    (directory / "made" / "page.json").write_text("{}", encoding="utf-8")
    first = [*needed(chosen), *(step for step in chosen if step.name == "truth_table")]
    results = []
    for step in first:
        results.append(run(step, directory, longest))
        print(told(results[-1]), flush=True)
    with ThreadPoolExecutor(jobs) as pool:
        for ended in pool.map(
            lambda step: run(step, directory, longest), [step for step in chosen if step not in first]
        ):
            results.append(ended)
            print(told(ended), flush=True)
    return results


def main() -> None:
    """Run them, and exit with 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="programs by name")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds that one program may take")
    parser.add_argument("--keep", type=Path, help="write here, and leave it there")
    parser.add_argument("--list", action="store_true", help="say what would run, and run nothing")
    options = parser.parse_args()
    try:
        chosen = [step for step in steps() if options.only is None or step.name in options.only]
    except LookupError as error:
        sys.exit(str(error))
    if any("table.parquet" in word for step in chosen for word in step.arguments):
        chosen = [step for step in steps() if step in chosen or step.name == "truth_table"]
    if options.list:
        print("\n".join(f"python {' '.join(step.arguments)}" for step in chosen))
        return
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        directory = (options.keep or Path(scratch)).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        results = run_all(chosen, directory, options.jobs, options.longest)
    failed = [ended.step.name for ended in results if ended.code != 0]
    spent = sum(ended.cpu for ended in results)
    print(f"{len(results)} processes, {time.monotonic() - begun:.0f} s, {spent:.0f} s of the processor", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
