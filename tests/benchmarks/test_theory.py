"""The problems that the theorems are checked on: each measure against what can be worked out by hand or otherwise."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import theory_problems as problems
from faultfield.search.config import SearchConfig
from faultfield.search.mdp import VirtualMDP


def test_the_table_gives_the_rewards_and_ends_of_the_virtual_mdp():
    rng = np.random.default_rng(0)
    mdp = VirtualMDP(
        rng.normal(size=(5, 4)).astype(np.float32), np.array([0.0, 0.3, 0.5, 0.9, 1.0]), SearchConfig(repeat_penalty=0)
    )
    table = problems.table_of(mdp)
    walkers = mdp.walkers(range(4000))
    for action in range(5):
        before = walkers.at.copy()
        steps = mdp.step(walkers, np.repeat(mdp.points[action : action + 1], 4000, axis=0))
        after = steps.reached + 5 * steps.failed
        assert np.allclose(steps.rewards, table.reward[before, action, after])
        assert steps.failed.mean() == pytest.approx(table.transition[0, action, table.ended].sum(), abs=0.04)
        mdp.reset(walkers, np.flatnonzero(steps.failed))


def test_optimum_is_the_best_of_all_policies():
    problem = problems.random_problem(3, states=4, actions=2)
    every = np.stack(np.meshgrid(*[[0, 1]] * 4), axis=-1).reshape(-1, 4)
    best = np.max([problems.values_of(problem, policy) for policy in every], axis=0)
    assert problem.optimum().max(axis=1) == pytest.approx(best)


def test_miss_is_the_farthest_that_either_boundary_is_from_the_other():
    line = problems.on_a_line(place=0.23)
    x = line.grid[:, 0]
    assert line.miss(x - 0.31) == pytest.approx(0.08)
    assert line.miss((x - 0.23) * (x + 0.52)) == pytest.approx(0.75, abs=0.01)
    assert line.miss(np.ones_like(x)) == 2.0
    square = problems.in_a_square()
    # Known at the grid's points alone, it is found to within a spacing (a fifteenth).
    assert square.miss(square.probability - 0.5) < 1 / 15
    # A straight line through the middle misses the wave by its crest.
    assert square.miss(square.grid[:, 1]) == pytest.approx(0.4, abs=0.05)


def test_belief_is_gaussian_process_regression():
    """The updates one by one against a reference library's fit to all outcomes at once."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel

    place = problems.on_a_line()
    asked, means = [], []

    def choose(mean, deviation, rng):
        means.append(mean.copy())
        asked.append(int(rng.integers(len(mean))))
        return asked[-1]

    problems.misses(place, choose, (12,), seed=5)
    rng = np.random.default_rng(5)
    outcomes = [float((rng.integers(201), rng.random())[1] < place.probability[where]) - 0.5 for where in asked]
    kernel = ConstantKernel(0.25, "fixed") * RBF(0.4, "fixed")
    model = GaussianProcessRegressor(kernel, alpha=0.25).fit(place.grid[asked[:11]], outcomes[:11])
    assert means[11] == pytest.approx(model.predict(place.grid), abs=1e-8)


def test_theorem_2_more_queries_and_better_chosen_ones_find_the_boundary_more_precisely():
    square = problems.in_a_square()
    found = {
        choose: np.array([problems.misses(square, choose, (20, 160), seed) for seed in range(4)])
        for choose in (problems.at_random, problems.most_entropy)
    }
    for rows in found.values():
        assert rows[:, 1].mean() < rows[:, 0].mean()
    assert np.median(found[problems.most_entropy][:, 1]) < 0.8 * np.median(found[problems.at_random][:, 1])


def test_theorem_3_a_critic_of_samples_is_near_earlier_with_shaping():
    times = []
    for seed in range(10):
        problem = problems.random_problem(seed)
        policy = problem.optimum().argmax(axis=1)
        true = problems.values_of(problem, policy)
        rng = np.random.default_rng(seed)
        shaped = problem.shaped(true + 0.5 * true.std() * rng.normal(size=7))
        times.append(
            [
                problems.reached(problems.sampled_critic_errors(p, policy, 300, rng), 0.3 * np.abs(true).max())
                for p in (problem, shaped)
            ]
        )
    plain, ours = np.array(times).T
    assert (ours < plain).all()
