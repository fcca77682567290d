"""RoboMD's Fig. 5: over which known variations the actions of PPO, A2C and SAC spread.

    python benchmarks/figure5.py STUDY_DIR [--seeds 3] [--steps N] [--actions 4000] [--out docs/results/figure5]
        [--cache runs/tables] [--quick]

Each algorithm is trained in the virtual MDP of the study's own field. Then actions are drawn from it, each at a random
known embedding, and counted by the known variation whose embedding is nearest, which is what the virtual MDP takes them
for. The entropy of these shares is what the paper tells of PPO. Beside them stands the Gaussian that PPO and A2C start
from, in the middle of the known embeddings: what is due to where those lie rather than to what was learned; and
the paper's special case, a PPO that chooses from the list of known variations, each choice answered by a draw from what
was counted. Writes `<out>.png` too. `--quick`: one seed, hardly any training.
"""

import argparse
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.measures import entropy
from faultfield.files import write_text
from faultfield.report.theme import LIGHT, dress, figure
from faultfield.report.words import label, shorten
from faultfield.search.config import SearchConfig
from faultfield.search.diagnostic import train_diagnostic
from faultfield.search.known import train_known
from faultfield.search.mdp import VirtualMDP
from faultfield.study import Study, stages
from faultfield.variations import VariationSpace
from pages import facts, grid, positive, run, tell, write
from paper_numbers import ELSEWHERE, FIGURE_5_PPO

UNTRAINED, LISTED = "before training", "PPO, over the list"

TRIALS = 1024
"""Of the search over the list, each answered from the counts."""

ALGORITHMS = {"ppo": "PPO", "a2c": "A2C", "sac": "SAC"}


def main() -> None:
    """Train, count, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--steps", type=int, help="virtual steps, instead of the study's")
    parser.add_argument("--actions", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=Path("docs/results/figure5"))
    parser.add_argument("--cache", type=Path, default=Path("runs/tables"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.seeds, options.steps, options.actions = 1, 1024, 400
    study = Study.open(options.study)
    counts = Counts.of([e for e in stages.evidence(study) if not e.variation.is_nominal])
    known = stages.embed(study, stages.load_field(study), counts.variations).astype(np.float32)
    config = replace(study.config.search, steps=options.steps or study.config.search.steps)
    found: dict[str, list[list[float]]] = {
        UNTRAINED: [
            untrained(VirtualMDP(known, counts.rates, config), seed, options.actions).tolist()
            for seed in range(options.seeds)
        ]
    }
    found[LISTED] = [
        listed(study.space, counts, config, seed, 64 if options.quick else TRIALS).tolist()
        for seed in range(options.seeds)
    ]
    for algorithm, name in ALGORITHMS.items():
        search = replace(config, algorithm=algorithm)
        found[name] = [
            shares(known, counts.rates, search, seed, options.actions, options.cache).tolist()
            for seed in range(options.seeds)
        ]
        tell(f"{name}: entropy {', '.join(f'{entropy(row):.2f}' for row in found[name])}")
    result = facts(
        policy=study.identity["policy"], seeds=options.seeds, steps=config.steps, actions=options.actions,
        known=[{"variation": v.to_json(), "failures": int(k), "episodes": int(n)}
               for v, k, n in zip(counts.variations, counts.failures, counts.episodes, strict=True)],
        shares=found, paper={"PPO": FIGURE_5_PPO},
    )  # fmt: skip
    draw(result, options.out.with_suffix(".png"))
    write(options.out, result, page(result, options.out.name))


def shares(
    known: NDArray[np.float32], rates: NDArray[np.float64], config: SearchConfig, seed: int, actions: int, cache: Path
) -> NDArray[np.float64]:
    """Share of the trained policy's actions that are nearest to each known embedding, float64 (m,), sum 1."""
    made_from = [known.tobytes().hex(), rates.tolist(), asdict(config), seed, actions]
    file = cache / f"actions-{config.algorithm}-{hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]}.json"
    if not file.exists():
        policy = train_diagnostic(known, rates, config, seed)
        mdp = VirtualMDP(known, rates, config)
        drawn = policy.propose(actions, np.random.default_rng(seed))
        reached, _ = mdp.nearest(mdp.to_units(drawn))
        counted = np.bincount(reached, minlength=len(known)) / actions
        write_text(file, json.dumps(counted.tolist()))
    return np.array(json.loads(file.read_text(encoding="utf-8")))


def untrained(mdp: VirtualMDP, seed: int, actions: int) -> NDArray[np.float64]:
    """The same of a policy that has learned nothing: what is due to where the known embeddings lie, float64 (m,)."""
    drawn = np.random.default_rng(seed).standard_normal((actions, mdp.dim))
    reached, _ = mdp.nearest(np.clip(drawn, mdp.low, mdp.high).astype(np.float32))
    return np.bincount(reached, minlength=mdp.count) / actions


def listed(space: VariationSpace, counts: Counts, config: SearchConfig, seed: int, trials: int) -> NDArray[np.float64]:
    """Probabilities of the paper's special case, a PPO that chooses from the list of variations, float64 (m,)."""
    rng = np.random.default_rng(seed)
    rates = dict(zip(counts.variations, counts.rates, strict=True))
    # One choice an episode: of variations on top of each other nothing was counted.
    once = replace(config, horizon=1)
    return train_known(space, counts.variations, lambda v: rng.random() < rates[v], trials, once, seed).pmf()


def draw(result: Mapping[str, Any], path: Path) -> None:
    """One panel an algorithm, the variations by failure rate; bars are means over seeds, dots the seeds."""
    rates = np.array([row["failures"] / row["episodes"] for row in result["known"]])
    order = np.argsort(-rates, kind="stable")
    names = [shorten(label(result["known"][i]["variation"]), 30) for i in order]
    made = figure(LIGHT, 9.6, 10.5)
    panels = made.subplots(len(result["shares"]), 1, sharex=True, sharey=True)
    for axes, (name, rows) in zip(panels, result["shares"].items(), strict=True):
        columns = np.array(rows)[:, order]
        dress(axes, LIGHT, grid="y")
        colors = [LIGHT.diverging(rate) for rate in rates[order]]
        axes.bar(range(len(order)), columns.mean(axis=0), color=colors, edgecolor=LIGHT.muted, linewidth=0.5)
        for row in columns:
            axes.scatter(range(len(order)), row, s=9, color=LIGHT.ink, linewidth=0, zorder=3)
        axes.axhline(1.0 / len(order), color=LIGHT.muted, linewidth=0.8, linestyle=":")
        entropies = ", ".join(f"{entropy(row):.2f}" for row in rows)
        axes.set_title(f"{name}: entropy {entropies} nats (the most: {np.log(len(order)):.2f})", loc="left",
                       fontsize=10)  # fmt: skip
        axes.title.set_color(LIGHT.ink)
        axes.set_ylabel("share of actions")
        axes.yaxis.label.set_color(LIGHT.muted)
    counted = [f"{names[place]}  {rates[i]:.0%}" for place, i in enumerate(order)]
    panels[-1].set_xticks(range(len(order)), counted, rotation=60, ha="right", rotation_mode="anchor", fontsize=8,
                          color=LIGHT.ink)  # fmt: skip
    panels[-1].set_xlabel("known variation, and how often it failed; dots are seeds, dotted: all alike")
    panels[-1].xaxis.label.set_color(LIGHT.muted)
    path.parent.mkdir(parents=True, exist_ok=True)
    made.savefig(path, dpi=120, facecolor=LIGHT.paper, metadata={"Software": None})


def page(result: Mapping[str, Any], name: str) -> list[str]:
    """The numbers beside the figure."""
    rates = np.array([row["failures"] / row["episodes"] for row in result["known"]])
    most = np.log(len(rates))
    rows = []
    for algorithm, columns in result["shares"].items():
        entropies = [entropy(row) for row in columns]
        on_failures = [float(np.array(row)[rates >= 0.5].sum()) for row in columns]
        reached = [int((np.array(row) > 0).sum()) for row in columns]
        rows.append([
            algorithm, ", ".join(f"{each:.3f}" for each in entropies), f"{np.mean(entropies):.3f}",
            ", ".join(map(str, reached)), ", ".join(f"{each:.2f}" for each in on_failures),
            f"{FIGURE_5_PPO:.4f}" if algorithm in ("PPO", LISTED) else "–",
        ])  # fmt: skip
    head = ("algorithm", "entropy by seed, nats", "mean", "variations reached", "share on failing ones", "the paper")
    return [
        "# Over which variations the search's actions spread (RoboMD, Fig. 5)", "",
        f"{result['actions']} actions of each trained diagnostic policy ({result['steps']} virtual steps, "
        f"{result['seeds']} seeds from 0) on {len(rates)} known variations of policy `{result['policy']}`, "
        f"{(rates >= 0.5).sum()} of which fail in at least half of their episodes. The most that an entropy can be: "
        f"{most:.3f}. {ELSEWHERE}", "",
        f"![Shares of actions]({name}.png)", "", *grid(head, rows),
    ]  # fmt: skip


if __name__ == "__main__":
    run(main, "figure5.py")
