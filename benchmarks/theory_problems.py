"""The small problems on which `theory.py` checks RoboMD's three theorems: each has a known answer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultfield.search.mdp import VirtualMDP
from faultfield.search.reward import entropy, failure_reward, shaping, success_reward

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tabular:
    """A finite Markov decision process; from an ended state nothing follows.

    Attributes:
        transition: Probability of each next state, (s, a, t).
        reward: (s, a, t).
        ended: Whether a state ends the episode, bool (t,).
        discount: γ.
    """

    transition: Floats
    reward: Floats
    ended: NDArray[np.bool_]
    discount: float

    def shaped(self, potential: Floats, *, ends_at_zero: bool = True) -> "Tabular":
        """With γ Φ(s′) − Φ(s) added; where an episode ends, s′ counts as 0 unless told otherwise."""
        ended = self.ended if ends_at_zero else np.zeros_like(self.ended)
        added = shaping(potential[:, None, None], potential[None, None, :], ended, self.discount)
        return Tabular(self.transition, self.reward + added, self.ended, self.discount)

    def backup(self, values: Floats) -> Floats:
        """Action values (s, a) after one step of the Bellman equation from state values (t,)."""
        following = self.reward + self.discount * np.where(self.ended, 0.0, values)
        return np.asarray((self.transition * following).sum(axis=2))

    def optimum(self) -> Floats:
        """Best action values (s, a), by value iteration to the last digit."""
        values = np.zeros(len(self.transition))
        while True:
            better = self.backup(values).max(axis=1)
            if np.abs(better - values).max() < 1e-13 * (1.0 + np.abs(better).max()):
                return self.backup(better)
            values = better

    def advantages(self) -> Floats:
        """How much worse than the best each action is, (s, a), ≤ 0."""
        best = self.optimum()
        return np.asarray(best - best.max(axis=1, keepdims=True))


def random_problem(seed: int, states: int = 7, actions: int = 3, discount: float = 0.9) -> Tabular:
    """Every state may follow every other; the last one ends the episode."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.ones(states), size=(states, actions))
    return Tabular(
        transition, rng.normal(size=(states, actions, states)), np.arange(states) == states - 1, discount
    )  # fmt: skip


def table_of(mdp: VirtualMDP) -> Tabular:
    """The virtual MDP with actions that hit a known embedding exactly and no repeats: m states, m actions.

    Next states are the m known embeddings reached with a success, and the same m reached with a failure, which end.
    """
    config, rate, count = mdp.config, mdp.failure_rate, mdp.count
    nothing = np.zeros(count)
    transition = np.zeros((2 * count, count, 2 * count))
    reward = np.zeros_like(transition)
    hit = np.arange(count)
    transition[:, hit, hit], transition[:, hit, count + hit] = 1.0 - rate, rate
    reward[:, hit, hit] = success_reward(nothing, config)
    reward[:, hit, count + hit] = failure_reward(nothing, nothing.astype(np.int64), config)
    return Tabular(transition, reward, np.arange(2 * count) >= count, config.discount)


@dataclass(frozen=True)
class Boundary:
    """A place with a known failure probability, and where it is one half.

    Attributes:
        grid: Where one may ask, (n, d), a regular grid of `shape` over −1 to 1.
        shape: Points along each dimension.
        probability: Of failure, (n,).
        truth: Points on the boundary, (b, d).
    """

    grid: Floats
    shape: tuple[int, ...]
    probability: Floats
    truth: Floats

    def crossings(self, values: Floats) -> Floats:
        """Where values (n,) pass through zero between neighbours of the grid, (c, d)."""
        field, places = values.reshape(self.shape), self.grid.reshape(*self.shape, -1)
        found = []
        for axis in range(len(self.shape)):
            left, right = (np.delete(field, end, axis) for end in (-1, 0))
            near, far = (np.delete(places, end, axis) for end in (-1, 0))
            passes = (left < 0.0) != (right < 0.0)
            share = (left[passes] / (left[passes] - right[passes]))[:, None]
            found.append(near[passes] + share * (far[passes] - near[passes]))
        return np.concatenate(found)

    def miss(self, values: Floats) -> float:
        """Hausdorff distance of their zeros from the boundary; the width of the place when they have none."""
        found = self.crossings(values)
        if not len(found):
            return 2.0
        apart = np.linalg.norm(found[:, None] - self.truth[None], axis=2)
        return float(max(apart.min(axis=0).max(), apart.min(axis=1).max()))


def on_a_line(place: float = 0.23, steepness: float = 8.0) -> Boundary:
    """One dimension, one boundary point."""
    x = np.linspace(-1.0, 1.0, 201)
    return Boundary(x[:, None], (201,), 1.0 / (1.0 + np.exp(-steepness * (x - place))), np.array([[place]]))


def in_a_square(steepness: float = 8.0) -> Boundary:
    """Two dimensions, a wave from side to side."""
    side = np.linspace(-1.0, 1.0, 31)
    x, y = (axis.ravel() for axis in np.meshgrid(side, side, indexing="ij"))
    along = np.linspace(-1.0, 1.0, 400)
    probability = 1.0 / (1.0 + np.exp(-steepness * (y - 0.4 * np.sin(3.0 * x))))
    truth = np.stack([along, 0.4 * np.sin(3.0 * along)], axis=1)
    return Boundary(np.stack([x, y], axis=1), (31, 31), probability, truth)


Choice = Callable[[Floats, Floats, np.random.Generator], int]


def at_random(mean: Floats, _deviation: Floats, rng: np.random.Generator) -> int:
    """Anywhere."""
    return int(rng.integers(len(mean)))


def most_entropy(mean: Floats, _deviation: Floats, rng: np.random.Generator) -> int:
    """Where the believed outcome is least certain: the largest H(a) of Theorem 2."""
    uncertainty = entropy(mean + 0.5)
    return int(rng.choice(np.flatnonzero(uncertainty >= uncertainty.max() - 1e-12)))


def by_entropy(mean: Floats, _deviation: Floats, rng: np.random.Generator) -> int:
    """Drawn with a density ∝ exp(10 H(a)): a stochastic policy, a thousand times likelier at the boundary."""
    weight = np.exp(10.0 * entropy(mean + 0.5))
    return int(rng.choice(len(mean), p=weight / weight.sum()))


def most_ambiguous(mean: Floats, deviation: Floats, _rng: np.random.Generator) -> int:
    """The straddle rule (Bryan et al. 2005): near the boundary and little known."""
    return int((1.96 * deviation - np.abs(mean)).argmax())


def misses(
    place: Boundary, choose: Choice, checkpoints: tuple[int, ...], seed: int, length: float = 0.4
) -> list[float]:
    """How far the believed boundary is from the true one after so many queries with a yes-or-no outcome each.

    The belief is Lemma 3's: a Gaussian process for p − ½, here with a squared-exponential kernel, updated exactly.
    """
    rng = np.random.default_rng(seed)
    apart = ((place.grid[:, None] - place.grid[None]) ** 2).sum(axis=2)
    # Deviations: p − ½ lies within ±½, and a coin's outcome has at most the variance ¼.
    covariance = 0.25 * np.exp(-0.5 * apart / length**2)
    mean = np.zeros(len(apart))
    found = []
    for query in range(1, checkpoints[-1] + 1):
        where = choose(mean, np.sqrt(np.maximum(covariance.diagonal(), 0.0)), rng)
        outcome = float(rng.random() < place.probability[where]) - 0.5
        column = covariance[:, where].copy()
        gain = column / (column[where] + 0.25)
        mean += gain * (outcome - mean[where])
        covariance -= gain[:, None] * column
        if query in checkpoints:
            found.append(place.miss(mean))
    return found


def critic_errors(problem: Tabular, policy: NDArray[np.int64], updates: int) -> Floats:
    """‖V_t − V‖∞ of a critic that starts at 0 and follows the Bellman equation of a fixed policy, (updates + 1,)."""
    states = np.arange(len(policy))
    goal = values_of(problem, policy)
    values, found = np.zeros(len(policy)), []
    for _ in range(updates + 1):
        found.append(np.abs(values - goal).max())
        values = problem.backup(values)[states, policy]
    return np.array(found)


def sampled_critic_errors(
    problem: Tabular, policy: NDArray[np.int64], updates: int, rng: np.random.Generator, rate: float = 0.1
) -> Floats:
    """The same for a critic that sees one sampled transition from every state at each update (TD(0))."""
    states = np.arange(len(policy))
    goal = values_of(problem, policy)
    edges = problem.transition[states, policy].cumsum(axis=1)
    values, found = np.zeros(len(policy)), []
    for _ in range(updates + 1):
        found.append(np.abs(values - goal).max())
        after = np.minimum((rng.random((len(policy), 1)) > edges).sum(axis=1), len(policy) - 1)
        target = problem.reward[states, policy, after] + problem.discount * np.where(
            problem.ended[after], 0.0, values[after]
        )
        values = values + rate * (target - values)
    return np.array(found)


def values_of(problem: Tabular, policy: NDArray[np.int64]) -> Floats:
    """The policy's state values, by solving the linear equations, (s,)."""
    states = np.arange(len(policy))
    moves = problem.transition[states, policy]
    gained = (moves * problem.reward[states, policy]).sum(axis=1)
    return np.linalg.solve(np.eye(len(policy)) - problem.discount * moves * ~problem.ended, gained)


def reached(errors: Floats, tolerance: float) -> float:
    """After how many updates the error is first at most this; infinite if never."""
    within = errors <= tolerance
    return float(within.argmax()) if within.any() else np.inf
