"""RoboMD's three theorems (3.5), each on a problem small enough to know the answer."""

import numpy as np
import pytest

from faultfield.search.config import PpoSettings, SearchConfig
from faultfield.search.diagnostic import train_diagnostic
from faultfield.search.reward import shaping
from tests.search.fields import line

DISCOUNT = 0.9


class Small:
    """A random Markov decision process of seven states and three actions; the last state ends the episode."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.transition = rng.dirichlet(np.ones(7), size=(7, 3))
        self.reward = rng.normal(size=(7, 3, 7))
        self.ended = np.arange(7) == 6
        self.potential = 3.0 * rng.normal(size=7)

    def rewards(self, shaped):
        if not shaped:
            return self.reward
        before, after = self.potential[:, None, None], self.potential[None, None, :]
        return self.reward + shaping(before, after, self.ended, DISCOUNT)

    def backup(self, values, rewards):
        """Action values (7, 3) after one step of the Bellman equation."""
        following = np.where(self.ended, 0.0, values)
        return np.einsum("sat,sat->sa", self.transition, rewards + DISCOUNT * following)

    def optimum(self, shaped):
        values = np.zeros(7)
        for _ in range(600):
            values = self.backup(values, self.rewards(shaped)).max(axis=1)
        return self.backup(values, self.rewards(shaped))


@pytest.mark.parametrize("seed", range(10))
def test_theorem_1_shaping_keeps_every_advantage(seed):
    problem = Small(seed)
    plain, shaped = problem.optimum(False), problem.optimum(True)
    assert np.abs(shaped + problem.potential[:, None] - plain).max() < 1e-9
    assert np.array_equal(plain.argmax(axis=1), shaped.argmax(axis=1))
    advantages = [q - q.max(axis=1, keepdims=True) for q in (plain, shaped)]
    assert np.abs(advantages[0] - advantages[1]).max() < 1e-9


def test_theorem_1_needs_a_potential_of_zero_where_the_episode_ends():
    """The check has teeth: counting the last state's potential changes the advantages."""
    problem = Small(0)
    plain = problem.optimum(False)
    problem.reward = problem.reward + shaping(
        problem.potential[:, None, None], problem.potential[None, None, :], np.zeros(7, dtype=bool), DISCOUNT
    )
    wrong = problem.optimum(False)
    advantages = [q - q.max(axis=1, keepdims=True) for q in (plain, wrong)]
    assert np.abs(advantages[0] - advantages[1]).max() > 1e-2


def landed_at(bonus, seed):
    """Failure rates where a trained policy's actions land.

    The theorem is about the reward of one action, hence a horizon of 1 and a discount of 0. Over longer episodes the
    bonus adds up until a failure ends them, and the best place moves to the succeeding side of the boundary.
    """
    known, rate = line()
    config = SearchConfig(
        steps=6000, horizon=1, discount=0.0, failure_reward=1.0, success_cost=1.0, repeat_penalty=0.0,
        uncertainty_bonus=bonus, outcome="expected",
        ppo=PpoSettings(net=(16,), envs=32, rollout=16, batch=256, learning_rate=1e-2, max_kl=None, log_std=-0.5),
    )  # fmt: skip
    policy = train_diagnostic(known, rate, config, seed)
    actions = policy.propose(1000, np.random.default_rng(seed))
    return rate[np.abs(actions - known.T).argmin(axis=1)]


def test_theorem_2_the_bonus_draws_the_search_to_the_boundary():
    shares = {bonus: [] for bonus in (0.0, 5.0)}
    for seed in range(3):
        for bonus, column in shares.items():
            landed = landed_at(bonus, seed)
            column.append(np.mean((landed > 0.2) & (landed < 0.8)))
            # What maximises 2 p − 1 + β H(p): certain failure without the bonus, p = 1/(1 + exp(−2/β)) with it.
            best = 1.0 / (1.0 + np.exp(-2.0 / bonus)) if bonus else 1.0
            assert landed.mean() == pytest.approx(best, abs=0.08)
    # Of a thousand actions each, a share of 0.1 has a standard error of 0.01.
    assert min(shares[5.0]) > max(shares[0.0]) + 0.1


@pytest.mark.parametrize("seed", range(10))
def test_theorem_3_a_critic_of_the_shaped_problem_gets_there_first(seed):
    """Where Φ is near the true values, the shaped critic starts nearer and stays ahead, at every tolerance."""
    rng = np.random.default_rng(seed)
    problem = Small(seed)
    true = problem.optimum(False).max(axis=1)
    problem.potential = true + 0.1 * rng.normal(size=7)
    # Evaluating the best policy: the operator is linear, so the error shrinks by γ at least at each update.
    policy = problem.optimum(False).argmax(axis=1)

    def errors(shaped):
        goal = problem.optimum(shaped)[np.arange(7), policy]
        values, found = np.zeros(7), []
        for _ in range(120):
            found.append(np.abs(values - goal).max())
            values = problem.backup(values, problem.rewards(shaped))[np.arange(7), policy]
        return np.array(found)

    plain, shaped = errors(False), errors(True)
    assert shaped[0] < plain[0]
    for found in (plain, shaped):
        assert (found[1:] <= DISCOUNT * found[:-1] + 1e-9).all()
    for tolerance in (0.5, 0.1, 0.01, 1e-3):
        if plain[0] > tolerance:
            assert (shaped <= tolerance).argmax() < (plain <= tolerance).argmax()


def test_theorem_3_needs_more_than_a_nearer_start():
    """Two states that lead to either alike, worth 1 and −1: plain values average out in one update.

    Where Φ is the values less 0.9, the critic starts nearer, but a constant error only fades with γ.
    """
    reward, values, shift = np.array([1.0, -1.0]), np.zeros(2), np.full(2, 0.9)
    potential = reward - shift
    shaped_reward = reward + DISCOUNT * potential.mean() - potential
    shaped = np.zeros(2)
    assert np.abs(shaped - shift).max() < np.abs(values - reward).max()
    for update in range(1, 30):
        values = reward + DISCOUNT * values.mean()
        shaped = shaped_reward + DISCOUNT * shaped.mean()
        assert np.abs(values - reward).max() < 1e-12
        assert np.abs(shaped - shift).max() == pytest.approx(0.9 * DISCOUNT**update)
