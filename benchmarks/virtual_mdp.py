"""How much the vectorised virtual MDP saves, against one environment at a time in Stable-Baselines3's DummyVecEnv.

Two comparisons, each side by side in this one process, on the same made-up field of embeddings of 512 numbers:

1. Stepping alone: the same random actions through `VirtualVecEnv` (of 128 environments, as training has by default,
   512 and 1024) and through a `DummyVecEnv` of one `VirtualEnv`, with 21 known embeddings (one a variation in RoboMD's
   Lift), 84, and 840 (one a rollout, ten each). By CPU time (so that a busy machine decides less) and by the clock; the
   one environment bare, and in the `Monitor` that the library puts around it unasked and whose work `VirtualVecEnv`
   does too.
2. Training to the same mean reward, with 84: Stable-Baselines3's PPO as RoboMD's D.1 sets it (batches of 64, ten
   epochs, the library's rollout of 2048) on the one environment, for a fixed number of steps; and our PPO settings on
   the vector environment, until the mean return of a whole rollout's episodes is at least what the first ended with.

Run: OMP_NUM_THREADS=1 python benchmarks/virtual_mdp.py --out docs/results/virtual_mdp.json
"""

import argparse
import datetime
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from faultfield.search.config import PpoSettings, SearchConfig
from faultfield.search.diagnostic import build_model
from faultfield.search.mdp import VirtualMDP
from faultfield.search.vector_env import VirtualEnv, VirtualVecEnv
from pages import positive

DIM = 512
WIDTHS = (128, 512, 1024)
KNOWN = (21, 84, 840)
CLOCKS: dict[str, Callable[[], float]] = {"cpu": time.process_time, "wall": time.perf_counter}
PAPER = PpoSettings(batch=64, envs=1, rollout=2048, max_kl=None)


def made_up_field(known: int, seed: int = 0) -> VirtualMDP:
    """Embeddings that depend smoothly, through rectified units, on six hidden numbers that also decide failure."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(known, 6))
    noise = 0.1 * rng.normal(size=(known, DIM))
    embeddings = np.maximum(np.tanh(hidden @ rng.normal(size=(6, DIM)) / 2) + noise, 0.0)
    probability = 1.0 / (1.0 + np.exp(-3.0 * hidden[:, 0] + 1.0))
    return VirtualMDP(embeddings.astype(np.float32), rng.binomial(10, probability) / 10, SearchConfig())


def stepping(mdp: VirtualMDP, repeats: int) -> dict[str, Any]:
    """Environment steps per second by each clock, the sides in turn."""
    rng = np.random.default_rng(0)
    # Few enough to stay in the processor's cache, where a policy's fresh actions would be too.
    actions = rng.uniform(mdp.low, mdp.high, size=(4096, DIM)).astype(np.float32)
    ones = {
        "one_at_a_time": DummyVecEnv([lambda: VirtualEnv(mdp)]),
        "one_at_a_time_with_monitor": DummyVecEnv([lambda: Monitor(VirtualEnv(mdp))]),
    }
    sides: dict[str, VecEnv] = {f"vectorised_{width}": VirtualVecEnv(mdp, width) for width in WIDTHS} | ones
    speeds: dict[str, dict[str, list[float]]] = {clock: {name: [] for name in sides} for clock in CLOCKS}
    for env in sides.values():
        env.reset()
    for _ in range(repeats):
        for name, env in sides.items():
            rows = actions.reshape(-1, env.num_envs, DIM)
            steps = 1600 if name in ones else 81920 // env.num_envs
            started = {clock: read() for clock, read in CLOCKS.items()}
            for index in range(steps):
                env.step(rows[index % len(rows)])
            for clock, read in CLOCKS.items():
                speeds[clock][name].append(steps * env.num_envs / (read() - started[clock]))
    result: dict[str, Any] = {}
    for clock, columns in speeds.items():
        result[clock] = {name: summary(column) for name, column in columns.items()}
        for width in WIDTHS:
            for suffix, one in zip(("", "_with_monitor"), ones, strict=True):
                ratios = np.divide(columns[f"vectorised_{width}"], columns[one])
                result[clock][f"ratio_{width}{suffix}"] = summary(ratios)
    return result


@dataclass
class Run:
    """One training: CPU seconds, steps and the mean return of each rollout's episodes."""

    seconds: float = 0.0
    steps: int = 0
    returns: list[float] = field(default_factory=list)


class Until(BaseCallback):
    """Keeps each rollout's mean return, and stops once it reaches the target."""

    def __init__(self, run: Run, target: float) -> None:
        super().__init__()
        self.run, self.target = run, target
        self.episodes: list[float] = []

    def _on_step(self) -> bool:
        self.episodes += [info["episode"]["r"] for info in self.locals["infos"] if "episode" in info]
        return not self.run.returns or self.run.returns[-1] < self.target

    def _on_rollout_end(self) -> None:
        self.run.returns.append(float(np.mean(self.episodes)))
        self.run.steps = self.num_timesteps
        self.episodes.clear()


def train(mdp: VirtualMDP, env: VecEnv, settings: PpoSettings, steps: int, target: float, seed: int) -> Run:
    """Train until the target or the last step."""
    run = Run()
    model = build_model(replace(mdp.config, ppo=settings, steps=steps), env, seed)
    start = time.process_time()
    model.learn(steps, callback=Until(run, target))
    run.seconds = time.process_time() - start
    return run


class Scaled(VirtualEnv):
    """The single environment with the rewards' scale that training uses; `Monitor` undoes it for the returns."""

    def step(self, action: Any) -> Any:
        """As the plain environment, the reward scaled."""
        state, reward, failed, truncated, info = super().step(action)
        return state, reward / self.mdp.config.failure_reward, failed, truncated, info


class Unscaled(Monitor):
    """Writes returns in Eq. 2's own scale."""

    def step(self, action: Any) -> Any:
        """As `Monitor`, the return scaled back."""
        *rest, info = super().step(action)
        if "episode" in info:
            info["episode"]["r"] *= self.env.unwrapped.mdp.config.failure_reward
        return *rest, info


def training(mdp: VirtualMDP, seeds: int, steps: int) -> dict[str, Any]:
    """CPU seconds to the same mean return, both sides in turn."""
    rows = []
    for seed in range(seeds):
        one = DummyVecEnv([lambda: Unscaled(Scaled(mdp))])
        theirs = train(mdp, one, PAPER, steps, np.inf, seed)
        target = theirs.returns[-1]
        many = VirtualVecEnv(mdp, PpoSettings().envs, seed, reward_scale=1.0 / mdp.config.failure_reward)
        ours = train(mdp, many, PpoSettings(), 50 * steps, target, seed)
        rows.append(
            {
                "seed": seed,
                "start_return": theirs.returns[0],
                "target_return": target,
                "reached_return": ours.returns[-1],
                "one_at_a_time": {"seconds": theirs.seconds, "steps": theirs.steps},
                "vectorised": {"seconds": ours.seconds, "steps": ours.steps},
                "ratio": theirs.seconds / ours.seconds,
            }
        )
    return {"runs": rows, "ratio": summary([row["ratio"] for row in rows])}


def summary(values: Any) -> dict[str, float]:
    """Median and range."""
    return {"median": float(np.median(values)), "low": float(np.min(values)), "high": float(np.max(values))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=9, help="of the stepping comparison")
    parser.add_argument("--seeds", type=positive, default=3, help="of the training comparison")
    parser.add_argument("--steps", type=int, default=8192, help="of the reference training")
    parser.add_argument("--out", type=Path, help="where to write the JSON too")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    result = {
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.date.today().isoformat(),
        "dim": DIM,
        "load_average": os.getloadavg(),
        "threads": os.environ.get("OMP_NUM_THREADS", f"{os.cpu_count()} (default)"),
        "stepping_per_second": {str(known): stepping(made_up_field(known), arguments.repeats) for known in KNOWN},
        "training_cpu_seconds": training(made_up_field(84), arguments.seeds, arguments.steps),
    }
    text = json.dumps(result, indent=2)
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
