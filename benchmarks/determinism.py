"""Whether a study ends the same when it is run twice, and when it is killed at random moments in between.

    python benchmarks/determinism.py STUDY.yaml REFERENCE_DIR --kills 10 --longest 60 --out determinism.json

REFERENCE_DIR is the directory of the same study run without a break. The study is run anew beside it, killed with
SIGKILL after a random time (uniform up to `--longest` seconds) as often as asked, and then left to finish. Compared are
the ledger's fingerprint and the diagnosis, all of it but when it was made and where it lies.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

from faultfield.diagnosis.result import Diagnosis
from faultfield.files import write_text
from faultfield.rollouts.ledger import Ledger


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("reference", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--longest", type=float, default=60.0, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    again = options.reference.with_name(f"{options.reference.name}-again")
    shutil.rmtree(again, ignore_errors=True)
    command = [sys.executable, "-m", "faultfield", "run", str(options.study), "--out", str(again)]
    rng = random.Random(options.seed)
    kills = []
    for _ in range(options.kills):
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=rng.uniform(1.0, options.longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills.append({"after_seconds": round(time.perf_counter() - started, 1), "episodes": episodes(again)})
            print(f"killed after {kills[-1]['after_seconds']} s with {kills[-1]['episodes']} episodes", file=sys.stderr)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    ledgers = [Ledger(folder / "ledger").fingerprint() for folder in (options.reference, again)]
    skipped = {"created", "study"}
    whole, resumed = (
        Diagnosis.read(folder / "diagnosis.json").model_dump(exclude=skipped) for folder in (options.reference, again)
    )
    result = {
        "command": " ".join(["python", *sys.argv]),
        "kills": kills,
        "episodes": episodes(again),
        "same_ledger": ledgers[0] == ledgers[1],
        "same_diagnosis": whole == resumed,
        "fingerprints": ledgers,
    }
    text = json.dumps(result, indent=1) + "\n"
    if options.out:
        write_text(options.out, text)
    print(text)
    if not (result["same_ledger"] and result["same_diagnosis"]):
        differing = [key for key in whole if whole[key] != resumed[key]]
        sys.exit(f"They differ in: ledger {ledgers[0] != ledgers[1]}, diagnosis {differing}.")


def episodes(folder: Path) -> int:
    """How many episodes the ledger holds by now."""
    return len(Ledger(folder / "ledger")) if (folder / "ledger").exists() else 0


if __name__ == "__main__":
    main()
