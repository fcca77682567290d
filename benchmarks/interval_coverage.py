"""How often a calibrated 90 % interval holds a fresh rate, by how many known variations it was learned from.

Simulated, as only there the truth is known: failure logits are normal, a scorer errs by a normal amount of them, known
variations are rolled out a few times, and `Calibration` learns from their scores and counts. Then as many fresh
episodes as an interval is for say whether it held.

    python benchmarks/interval_coverage.py [--known 4 8 20] [--errors 0.2 0.5 1] [--mean -2] [--spread 1.5]
        [--episodes 10] [--fresh 10] [--repeats 200] [--seed 0] [--out docs/results/coverage]
"""

import argparse
from pathlib import Path

import numpy as np
from scipy.special import expit

import pages
from faultfield.diagnosis.calibration import Calibration
from faultfield.diagnosis.scorer import Scores

ASKED = 30
"""Variations that are predicted in each repetition."""


def held(known: int, error: float, options: argparse.Namespace) -> list[int]:
    """Of each repetition, how many of the `ASKED` intervals held the fresh rate."""
    rng = np.random.default_rng([options.seed, known, round(1000 * error)])
    found = []
    for _ in range(options.repeats):
        truth = rng.normal(options.mean, options.spread, known + ASKED)
        told = truth + rng.normal(0.0, error, len(truth))
        shown, asked = (Scores(part, np.zeros(len(part)), np.ones(len(part))) for part in (told[:known], told[known:]))
        failures = rng.binomial(options.episodes, expit(truth[:known])).astype(float)
        learned = Calibration.fit(shown, failures, np.full(known, float(options.episodes)))
        said = learned.estimates(asked, options.fresh)
        rates = rng.binomial(options.fresh, expit(truth[known:])) / options.fresh
        found.append(int(np.sum((said.low <= rates + 1e-9) & (rates <= said.high + 1e-9))))
    return found


def main() -> None:
    """Simulate, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--known", type=pages.positive, nargs="+", default=[4, 8, 20])
    parser.add_argument("--errors", type=float, nargs="+", default=[0.2, 0.5, 1.0])
    parser.add_argument("--mean", type=float, default=-2.0, help="of the failure logits")
    parser.add_argument("--spread", type=float, default=1.5, help="of the failure logits")
    parser.add_argument("--episodes", type=pages.positive, default=10, help="of each known variation")
    parser.add_argument("--fresh", type=pages.positive, default=10, help="that an interval is for")
    parser.add_argument("--repeats", type=pages.positive, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    counts = {error: {known: held(known, error, options) for known in options.known} for error in options.errors}
    rows = []
    for error, by_known in counts.items():
        cells = []
        for found in by_known.values():
            shares = np.array(found) / ASKED
            wide = 1.96 * shares.std(ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else float("nan")
            cells.append(f"{shares.mean():.3f} ± {wide:.3f}")
        rows.append([f"{error:g}", *cells])
    report = pages.facts(
        settings={name: value for name, value in vars(options).items() if name != "out"}, asked=ASKED,
        held=[{"error": e, "known": k, "held": found} for e, by in counts.items() for k, found in by.items()],
    )  # fmt: skip
    lines = [
        "# How often a 90 % interval holds, by how many variations it was learned from",
        "",
        f"Simulated: failure logits normal around {options.mean:g} with a deviation of {options.spread:g}, a scorer "
        f"that errs by the deviation in the first column, {options.episodes} episodes of each known variation, "
        f"intervals for {options.fresh} fresh ones; {options.repeats} repetitions of {ASKED} predictions. Mean share "
        "that held, ± 1.96 standard errors over repetitions. Slope, offset and spread of the calibration are plugged "
        "in as if they were certain: what is missing with few known variations is their own doubt.",
        "",
        *pages.grid(["the scorer's error, logits", *(f"{known} known" for known in options.known)], rows),
    ]
    print("\n".join(lines[4:]))
    if options.out is not None:
        pages.write(options.out, report, [*lines, ""])


if __name__ == "__main__":
    pages.run(main, "interval_coverage")
