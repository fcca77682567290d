"""Our search: the correction by what was seen nearby against integrals, and where the search goes."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.hunting import Hunt, corrected
from faultfield.errors import LedgerError
from faultfield.search.pool import Told
from tests.search.spaces import SPACE, episode


def told(failures, episodes):
    count = len(failures)
    variations = tuple(SPACE.grid(2 * count + 3, ["light"])[:count])
    assert len(variations) == count
    return Told(variations, np.zeros((count, 1)), np.array(failures, float), np.array(episodes, float))


class Fixed(Estimator):
    """Says what it is told to say, and refuses to learn where asked."""

    name = "fixed"

    def __init__(self, chance, refuse=False):
        self._chance, self._refuse = chance, refuse

    def fit(self, episodes):
        if self._refuse:
            raise LedgerError("Too few.")
        self.seen = list(episodes)
        return self

    def estimate(self, candidates):
        mean = np.array([self._chance(v) for v in candidates])
        return Estimates(mean, mean, mean, mean)


def hunted(chance, fails, pool, rounds=4, count=3, **more):
    search = Hunt(SPACE, lambda: Fixed(chance), pool=pool, **more)
    asked = []
    for _ in range(rounds):
        batch = search.ask(count)
        asked.append(batch)
        search.tell([episode(v, fails(v), seed) for seed, v in enumerate(batch)])
    return asked


def test_the_correction_is_the_mode_of_the_posterior():
    """Against a general optimiser on the log posterior, and the Gaussian conditional for rows never seen."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(5, 5))
    covariance = factor @ factor.T + 0.1 * np.eye(5)
    prior, counts = rng.normal(size=5), told([3, 0, 1], [3, 2, 4])

    def loss(g):
        logits = prior[:3] + g
        likelihood = counts.failures @ logits - counts.episodes @ np.logaddexp(0, logits)
        return 0.5 * g @ np.linalg.solve(covariance[:3, :3], g) - likelihood

    mode = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-9}).x
    mean, deviation = corrected(prior, covariance[:3], np.diag(covariance), counts)
    weights = np.linalg.solve(covariance[:3, :3], covariance[:3])
    np.testing.assert_allclose(mean, prior + mode @ weights, atol=1e-5)
    rate = expit(prior[:3] + mode)
    noise = np.diag(1.0 / (counts.episodes * rate * (1 - rate)))
    gain = np.linalg.solve(covariance[:3, :3] + noise, covariance[:3])
    expected = np.diag(covariance) - np.einsum("ij,ij->j", covariance[:3], gain)
    np.testing.assert_allclose(deviation**2, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("prior", "failures", "episodes"),
    [([-5.3], [10], [10]), ([-2.9], [20], [20]), ([-5.3] * 12, [2] * 12, [2] * 12), ([4.0, -6.0], [0, 9], [30, 9])],
)
def test_what_nobody_expected_is_believed_as_far_as_it_goes(prior, failures, episodes):
    """Where whole Newton steps go to and fro: the mode's condition holds, which is that nothing pulls any more."""
    count = len(prior)
    covariance = 2.25 * (0.3 + 0.7 * np.eye(count))
    prior, counts = np.array(prior), told(failures, episodes)
    mean, _ = corrected(prior, covariance, np.diag(covariance), counts)
    gradient = counts.failures - counts.episodes * expit(mean)
    np.testing.assert_allclose(mean - prior, covariance @ gradient, atol=1e-4)


def test_without_rollouts_the_prior_stands():
    mean, deviation = corrected(np.array([1.0, -1.0]), np.empty((0, 2)), np.array([4.0, 1.0]), told([], []))
    assert mean.tolist() == [1.0, -1.0]
    assert deviation.tolist() == [2.0, 1.0]


def test_it_begins_where_the_estimator_sees_failures_and_spreads_over_factors():
    pool = [*SPACE.grid(6, ["light"]), *SPACE.grid(3, ["texture"]), *SPACE.grid(4, ["cube_color"])]
    chance = {"light": 0.95, "texture": 0.9, "cube_color": 0.02}
    first = hunted(lambda v: chance[next(iter(v))], lambda v: True, pool, rounds=1, count=2)[0]
    assert {next(iter(v)) for v in first} == {"light", "texture"}


def test_a_success_sends_it_elsewhere_and_a_failure_brings_it_back():
    """The estimator is wrong about both factors; a few rollouts are enough to see it."""
    pool = [*SPACE.grid(12, ["light"]), *SPACE.grid(12, ["cube_color"])]
    asked = hunted(
        lambda v: 0.7 if "light" in v else 0.3, lambda v: "cube_color" in v, pool, rounds=6, count=2
    )  # fmt: skip
    assert all("light" in v for v in asked[0])
    late = [v for batch in asked[3:] for v in batch]
    assert sum("cube_color" in v for v in late) >= 4


def test_an_estimator_that_cannot_learn_yet_is_stood_in_for():
    pool = [*SPACE.grid(4, ["light"]), *SPACE.grid(4, ["cube_color"])]
    prior = Fixed(lambda v: 0.9 if "cube_color" in v else 0.1)
    search = Hunt(SPACE, lambda: Fixed(lambda v: 0.5, refuse=True), prior=prior, pool=pool)
    assert all("cube_color" in v for v in search.ask(2))
    assert len(Hunt(SPACE, lambda: Fixed(lambda v: 0.5, refuse=True), pool=pool).ask(3)) == 3


def test_what_was_known_before_is_learned_from_and_not_proposed_around():
    known = [episode(v, True, seed) for v in SPACE.grid(3, ["texture"]) for seed in range(3)]
    made = []

    def make():
        made.append(Fixed(lambda v: 0.5))
        return made[-1]

    pool = [*SPACE.grid(6, ["light"]), SPACE.variation({"texture": "wood", "light": 0.5})]
    search = Hunt(SPACE, make, known=known, pool=pool)
    batch = search.ask(1)
    assert len(made[0].seen) == len(known)
    assert batch[0] not in set(SPACE.grid(3, ["texture"]))
    search.tell([episode(batch[0], True)])
    search.ask(1)
    assert len(made[-1].seen) == len(known) + 1


def test_failures_known_before_make_no_find_of_this_hunt():
    """One that failed often before is as far from a find as any other, and no nearer than what is held for surer."""
    often, sure = SPACE.variation({"texture": "wood"}), SPACE.variation({"light": 0.5})
    known = [episode(often, seed < 6, seed) for seed in range(20)]
    search = Hunt(SPACE, lambda: Fixed(lambda v: 0.95 if v == sure else 0.3), known=known, pool=[often, sure])
    assert search.ask(1) == [sure]


def test_it_repeats_with_the_seed():
    pool = SPACE.grid(5)
    runs = [hunted(lambda v: 0.4, lambda v: "light" in v, pool, seed=7) for _ in range(2)]
    assert runs[0] == runs[1]
    flat = [v for batch in runs[0] for v in batch]
    assert len(set(flat)) == len(flat)
    assert pytest.approx(0.0) == sum(v not in set(pool) for v in flat)


def test_it_comes_back_to_what_was_left_when_nothing_better_remains():
    pool = SPACE.grid(3, ["texture"])
    search = Hunt(SPACE, lambda: Fixed(lambda v: 0.5), pool=pool)
    first = search.ask(3)
    assert set(first) == set(pool)
    always, never, once = first
    search.tell([episode(always, True), episode(always, True, 1), episode(never, False), episode(never, False, 1)])
    search.tell([episode(once, True), episode(once, False, 1), episode(once, False, 2)])
    assert search.ask(3) == [once, never], "what failed twice is found already"


def test_what_nobody_can_do_sends_it_elsewhere_and_teaches_the_estimator_nothing():
    pool = [*SPACE.grid(12, ["light"]), *SPACE.grid(12, ["cube_color"])]
    made = []

    def make():
        made.append(Fixed(lambda v: 0.98 if "light" in v else 0.05))
        return made[-1]

    shares = {}
    for judged in (False, True):
        search, late = Hunt(SPACE, make, pool=pool), []
        for number in range(6):
            batch = search.ask(2)
            late += batch if number > 2 else []
            search.tell([episode(v, True, seed) for v in batch for seed in range(2)])
            if judged:
                search.disregard([v for v in batch if "light" in v])
        shares[judged] = sum("cube_color" in v for v in late)
    assert shares[True] > shares[False]
    assert {name for each in made[-1].seen for name in each.variation} == {"cube_color"}
