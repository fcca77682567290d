"""RoboMD's three theorems (its 3.5) against problems small enough to know the answer.

1. Advantages with and without shaping, on random decision processes and on the virtual MDP as a table.
2. Where trained diagnostic policies look, by the weight of the uncertainty bonus; and how near the believed boundary
   comes to the true one with the number of queries, by how the queries are chosen.
3. After how many updates a critic's error is below a tolerance, with and without shaping.

Run: OMP_NUM_THREADS=1 python benchmarks/theory.py --out docs/results/theory

Writes `<out>.json` and the figure `<out>.png`. Medians over seeds stand with their bootstrap interval (95 %).
"""

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory_problems as problems
from faultfield.files import write_text
from faultfield.search.config import PpoSettings, SearchConfig
from faultfield.search.diagnostic import train_diagnostic
from faultfield.search.mdp import VirtualMDP
from faultfield.search.reward import entropy
from pages import run
from theory_figure import draw

CHECKPOINTS = (10, 20, 40, 80, 160, 320)
FITTED = slice(2, None)
BONUSES = (0.0, 1.0, 2.0, 5.0, 10.0)
UPDATES, SAMPLED_UPDATES = 60, 400
NOISES = (0.1, 0.5, 1.0, 2.0, 4.0)
SHOWN = (0.1, 1.0)
CHOICES = {
    "at random": problems.at_random,
    "most entropy": problems.most_entropy,
    "drawn by entropy": problems.by_entropy,
    "straddle": problems.most_ambiguous,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=200, help="random decision processes")
    parser.add_argument("--seeds", type=int, default=20, help="of the queries")
    parser.add_argument("--trainings", type=int, default=6, help="of the diagnostic policy, each bonus and horizon")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    result = {
        "command": " ".join(["python", *sys.argv]),
        "date": datetime.date.today().isoformat(),
        "advantages": advantages(arguments.problems),
        "concentration": concentration(arguments.trainings),
        "precision": precision(arguments.seeds),
        "critic": critic(arguments.problems),
    }
    write_text(arguments.out.with_suffix(".json"), json.dumps(result, indent=1) + "\n")
    draw(result, arguments.out.with_suffix(".png"))


def advantages(count: int) -> dict[str, Any]:
    """Theorem 1: by how much shaping changes an advantage, at most, over states and actions."""
    rows: dict[str, list[float]] = {"as built": [], "as written": []}
    moved = 0
    for seed in range(count):
        problem = problems.random_problem(seed)
        potential = 3.0 * np.random.default_rng([seed, 1]).normal(size=7)
        plain = problem.advantages()
        for name, ends_at_zero in (("as built", True), ("as written", False)):
            changed = problem.shaped(potential, ends_at_zero=ends_at_zero).advantages()
            rows[name].append(float(np.abs(changed - plain)[:-1].max()))
        moved += bool((changed.argmax(axis=1) != plain.argmax(axis=1))[:-1].any())
    table = problems.table_of(field_of(0))
    potential = np.tile(logit(field_of(0).failure_rate), 2)
    plain = table.advantages()
    change = {
        name: float(np.abs(table.shaped(potential, ends_at_zero=zero).advantages() - plain).max())
        for name, zero in (("as built", True), ("as written", False))
    }
    values = table.optimum().max(axis=1)
    return {
        "random": {name: {"all": row} | median(row) for name, row in rows.items()},
        "random_best_action_changed_as_written": {"of": count, "count": int(moved)},
        "virtual_mdp": {
            "largest_change": change,
            "advantage_range": float(np.ptp(plain)),
            "best_value": float(values[0]),
            "range_of_best_values_over_states": float(np.ptp(values)),
            "potential_range": [float(potential.min()), float(potential.max())],
        },
    }


def concentration(trainings: int) -> dict[str, Any]:
    """Theorem 2: share of a trained policy's actions that land where the failure rate lies between 0.2 and 0.8.

    The theorem is about the reward of one action, hence a discount of 0; and the same in episodes as they are searched.
    """
    known = np.linspace(-1.0, 1.0, 41)[:, None].astype(np.float32)
    rate = 1.0 / (1.0 + np.exp(-8.0 * known[:, 0].astype(np.float64)))
    result: dict[str, Any] = {"by_chance": float(((rate > 0.2) & (rate < 0.8)).mean())}
    for setting, horizon, discount in (("one action", 1, 0.0), ("episodes", 5, 0.99)):
        for bonus in BONUSES:
            config = SearchConfig(
                steps=6000, horizon=horizon, discount=discount, failure_reward=1.0, success_cost=float(horizon),
                repeat_penalty=0.0, uncertainty_bonus=bonus, outcome="expected",
                ppo=PpoSettings(net=(16,), envs=32, rollout=16, batch=256, learning_rate=1e-2, max_kl=None,
                                log_std=-0.5),
            )  # fmt: skip
            shares, places = [], []
            for seed in range(trainings):
                policy = train_diagnostic(known, rate, config, seed)
                actions = policy.propose(1000, np.random.default_rng(seed))
                landed = rate[np.abs(actions - known.T).argmin(axis=1)]
                shares.append(float(np.mean((landed > 0.2) & (landed < 0.8))))
                places.append(float(landed.mean()))
            # The same action again and again until it fails: 2 p − 1 and the bonus each time.
            worth = (2.0 * rate - 1.0 + bonus * entropy(rate)) / (1.0 - discount * (1.0 - rate))
            result[f"{setting}, bonus {bonus:g}"] = median(shares) | {
                "mean_failure_rate": median(places),
                "best_failure_rate": float(rate[worth.argmax()]),
            }
    return result | {"jump": jumps()}


def jumps() -> list[dict[str, float]]:
    """Lemma 1 asks for a Lipschitz reward: the steepest slope of the virtual MDP's mean reward over smaller steps."""
    known = np.linspace(-1.0, 1.0, 41)[:, None].astype(np.float32)
    rate = 1.0 / (1.0 + np.exp(-8.0 * known[:, 0].astype(np.float64)))
    config = SearchConfig(horizon=1, failure_reward=1.0, success_cost=1.0, repeat_penalty=0.0, outcome="expected")
    mdp = VirtualMDP(known, rate, config)
    middle = 0.5 * (mdp.points[20] + mdp.points[21])
    rows = []
    for step in (1e-1, 1e-2, 1e-3, 1e-4):
        actions = np.stack([middle - step / 2, middle + step / 2]).astype(np.float32)
        rewards = mdp.step(mdp.walkers([0, 1]), actions).rewards
        rows.append({"step": step, "slope": float(abs(rewards[1] - rewards[0]) / step)})
    return rows


def precision(seeds: int) -> dict[str, Any]:
    """Theorem 2: Hausdorff distance of the believed boundary from the true one, by the number of queries."""
    result: dict[str, Any] = {"queries": list(CHECKPOINTS)}
    for name, place, runs in (("line", problems.on_a_line(), 5 * seeds), ("square", problems.in_a_square(), seeds)):
        rows: dict[str, Any] = {"seeds": runs}
        for choice, choose in CHOICES.items():
            found = np.array([problems.misses(place, choose, CHECKPOINTS, seed) for seed in range(runs)])
            rows[choice] = {"by_queries": [median(column) for column in found.T], "slope": slope(found)}
        result[name] = rows
    return result


def slope(found: NDArray[np.float64]) -> dict[str, float]:
    """Change of log(mean miss) with log(queries) from 40 queries on, and its range over resampled seeds."""
    queries = np.log(CHECKPOINTS[FITTED])

    def fit(rows: NDArray[np.float64]) -> float:
        return float(np.polyfit(queries, np.log(rows.mean(axis=0)[FITTED]), 1)[0])

    rng = np.random.default_rng(0)
    drawn = [fit(found[rng.integers(len(found), size=len(found))]) for _ in range(1000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": fit(found), "low": float(low), "high": float(high)}


def critic(count: int) -> dict[str, Any]:
    """Theorem 3: updates until the largest error of a critic is a hundredth of the largest value, or a fifth of it.

    The policy is the best one. Φ is its true values and noise, whose deviation is a multiple of the values' own.
    """
    curves: dict[str, list[Any]] = {}
    rows = []
    for noise in NOISES:
        times = []
        for seed in range(count):
            rng = np.random.default_rng([seed, 2])
            problem = problems.random_problem(seed)
            policy = problem.optimum().argmax(axis=1)
            true = problems.values_of(problem, policy)
            shaped = problem.shaped(true + noise * true.std() * rng.normal(size=7))
            top = float(np.abs(true).max())
            both = [problems.critic_errors(p, policy, 300) for p in (problem, shaped)]
            sampled = [problems.sampled_critic_errors(p, policy, SAMPLED_UPDATES, rng) for p in (problem, shaped)]
            times.append(
                [problems.reached(e, 0.01 * top) for e in both]
                + [problems.reached(e, 0.2 * top) for e in sampled]
                + [float(both[1][0] < both[0][0])]
            )
            if noise in SHOWN:
                curves.setdefault("plain", []).append(both[0][: UPDATES + 1] / top)
                curves.setdefault(f"noise {noise:g}", []).append(both[1][: UPDATES + 1] / top)
        plain, ours, plain_sampled, ours_sampled, nearer = np.array(times).T
        held = nearer > 0
        rows.append(
            {
                "noise": noise,
                "premise": int(held.sum()),
                "premise_and_earlier": int((ours < plain)[held].sum()),
                "premise_and_later": int((ours > plain)[held].sum()),
                "no_premise": int((~held).sum()),
                "no_premise_and_earlier": int((ours < plain)[~held].sum()),
                "updates_plain": median(plain),
                "updates_shaped": median(ours),
                "sampled_updates_plain": median(plain_sampled),
                "sampled_updates_shaped": median(ours_sampled),
                "sampled_never_plain": int(np.isinf(plain_sampled).sum()),
                "sampled_never_shaped": int(np.isinf(ours_sampled).sum()),
            }
        )
    quartiles = {key: np.quantile(column, [0.25, 0.5, 0.75], axis=0).tolist() for key, column in curves.items()}
    return {"problems": count, "by_noise": rows, "constant_error": constant_errors(count), "curves": quartiles}


def constant_errors(count: int) -> dict[str, Any]:
    """Where Theorem 3 fails: Φ is the true values less a constant, so that the critic starts a tenth nearer.

    On the random problems, and on two states that lead to either alike, where plain values average out at once.
    """
    even = np.full((2, 1, 2), 0.5)
    reward = np.array([1.0, -1.0])[:, None, None] * np.ones((2, 1, 2))
    two = problems.Tabular(even, reward, np.zeros(2, dtype=bool), 0.9)
    times = []
    for problem in (two, *(problems.random_problem(seed) for seed in range(count))):
        policy = problem.optimum().argmax(axis=1)
        true = problems.values_of(problem, policy)
        top = np.abs(true).max()
        both = [problems.critic_errors(p, policy, 300) for p in (problem, problem.shaped(true - 0.9 * top))]
        times.append([problems.reached(errors, 0.01 * top) for errors in both])
    plain, shaped = np.array(times[1:]).T
    return {
        "two_states_updates": times[0],
        "random_later": int((shaped > plain).sum()),
        "random_earlier": int((shaped < plain).sum()),
        "of": count,
    }


def field_of(seed: int, known: int = 24, dim: int = 16) -> VirtualMDP:
    """Embeddings whose first hidden number decides failure."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(known, 3))
    embeddings = np.tanh(hidden @ rng.normal(size=(3, dim))).astype(np.float32)
    rate = rng.binomial(10, 1.0 / (1.0 + np.exp(-2.0 * hidden[:, 0]))) / 10
    return VirtualMDP(embeddings, rate, SearchConfig(repeat_penalty=0.0))


def logit(rate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Failure logit of ten episodes, half an episode added on either side."""
    return np.log((10.0 * rate + 0.5) / (10.5 - 10.0 * rate))


def median(column: Any) -> dict[str, float]:
    """Median and its 95 % range over resampled entries."""
    values = np.asarray(column, dtype=np.float64)
    drawn = np.median(np.random.default_rng(0).choice(values, size=(1000, len(values))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")
    return {"median": float(np.median(values)), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    run(main, "theory.py")
