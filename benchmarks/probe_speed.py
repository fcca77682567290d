"""How many candidates a second the probe answers on one core, rendering included.

python benchmarks/probe_speed.py [--checkpoint models/lift-bc] [--candidates 40] [--repeats 5]
"""

import argparse
import os
import time

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np

from faultfield.envs.robosuite import Robosuite
from faultfield.field.views import Views
from faultfield.policies.bc import VisualBC
from faultfield.rollouts.runner import rollout
from faultfield.rollouts.states import StateBank
from faultfield.variations import NOMINAL


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", default="models/lift-bc")
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    env, policy = Robosuite(), VisualBC(arguments.checkpoint)
    episodes = [
        rollout(env, policy, NOMINAL, seed, policy_id="", env_id="", stage="known", keep_trajectory=True)
        for seed in range(10)
    ]
    states = StateBank.choose(episodes)
    rng = np.random.default_rng(0)
    names = [factor.name for factor in env.variation_space if factor.visible]
    wall, cpu = [], []
    for _ in range(arguments.repeats):
        candidates = []
        while len(candidates) < arguments.candidates:
            name = str(rng.choice(names))
            value = env.variation_space.factor(name).sample(rng)
            candidates.append(env.variation_space.variation({name: value}))
        views = Views(env, states, policy)
        views.response()
        started, spent = time.perf_counter(), time.process_time()
        views.probe(candidates)
        wall.append(len(candidates) / (time.perf_counter() - started))
        cpu.append(len(candidates) / (time.process_time() - spent))
    print(
        f"{len(states.moments)} moments, {arguments.candidates} random one-factor candidates, {arguments.repeats} runs"
    )
    for name, rates in (("wall clock", wall), ("processor time", cpu)):
        print(f"candidates a second by {name}: {np.median(rates):.1f} ({min(rates):.1f} to {max(rates):.1f})")


if __name__ == "__main__":
    main()
