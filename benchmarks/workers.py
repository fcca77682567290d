"""Two worker processes against one, on robosuite: episodes and control steps per second, and their ratio.

    python benchmarks/workers.py --episodes 24 --repeats 3

Each side is measured between its first and its last episode, so that starting the processes is told apart, and the
sides take turns, so that whatever else the machine does falls on both.
"""

import argparse
import json
import statistics
import time
from datetime import UTC, datetime

from faultfield.rollouts import EnvSpec, Job, PolicySpec, run_many
from faultfield.variations import NOMINAL


def measure(workers: int, episodes: int, env: EnvSpec, policy: PolicySpec) -> dict[str, float]:
    warm = 2 * workers
    jobs = [Job(NOMINAL, seed, "check") for seed in range(warm + episodes)]
    began = time.perf_counter()
    running = run_many(jobs, env, policy, workers=workers)
    for _ in range(warm):
        next(running)
    ready = time.perf_counter()
    steps = sum(episode.steps for episode in running)
    seconds = time.perf_counter() - ready
    return {
        "start_seconds": ready - began,
        "seconds": seconds,
        "steps_per_second": steps / seconds,
        "episodes_per_second": episodes / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=24, help="episodes that are timed on each side")
    parser.add_argument("--repeats", type=int, default=3, help="how often each side is timed")
    parser.add_argument("--workers", type=int, default=2, help="worker processes on the second side")
    parser.add_argument("--policy", default="faultfield.policies.experts:LiftExpert")
    parser.add_argument("--checkpoint", help="for a policy that has one")
    parser.add_argument("--json", action="store_true", help="print nothing but JSON")
    options = parser.parse_args()
    env = EnvSpec("faultfield.envs.robosuite:Robosuite")
    policy = PolicySpec(options.policy, {"checkpoint": options.checkpoint} if options.checkpoint else {})
    runs = []
    for _ in range(options.repeats):
        one = measure(1, options.episodes, env, policy)
        many = measure(options.workers, options.episodes, env, policy)
        runs.append({"one": one, "many": many, "ratio": many["steps_per_second"] / one["steps_per_second"]})
        if not options.json:
            one_told, many_told = f"{one['steps_per_second']:.1f}", f"{many['steps_per_second']:.1f}"
            print(
                f"1 worker {one_told} steps/s, {options.workers} workers {many_told} steps/s: {runs[-1]['ratio']:.2f}x"
            )
    ratios = [run["ratio"] for run in runs]
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "policy": options.policy,
        "workers": options.workers,
        "episodes": options.episodes,
        "ratio_median": statistics.median(ratios),
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "runs": runs,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
