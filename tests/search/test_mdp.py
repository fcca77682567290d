import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faultfield.errors import StudyError
from faultfield.search.config import SearchConfig
from faultfield.search.mdp import VirtualMDP
from faultfield.search.reward import entropy, failure_reward, shaping, success_reward
from faultfield.search.streams import draw, following, scramble, stream, uniform
from tests.search.fields import two_clusters


def eq2(distance, repeats, failed, k_failure, k_success, k, horizon):
    """Eq. 2, one case at a time."""
    if failed:
        return k_failure / (distance + 1) - k * repeats
    return -k_success / (horizon * (distance + 1))


@settings(max_examples=200, deadline=None)
@given(
    penalty=hnp.arrays(np.float64, 7, elements=st.floats(0, 1e6)),
    repeats=hnp.arrays(np.int64, 7, elements=st.integers(0, 1000)),
    k_failure=st.floats(0.1, 1e4),
    k_success=st.floats(0, 1e4),
    k=st.floats(0, 100),
    horizon=st.integers(1, 500),
)
def test_reward_is_equation_2(penalty, repeats, k_failure, k_success, k, horizon):
    config = SearchConfig(failure_reward=k_failure, success_cost=k_success, repeat_penalty=k, horizon=horizon)
    on_failure = failure_reward(penalty, repeats, config)
    on_success = success_reward(penalty, config)
    for i in range(7):
        assert on_failure[i] == pytest.approx(eq2(penalty[i], repeats[i], True, k_failure, k_success, k, horizon))
        assert on_success[i] == pytest.approx(eq2(penalty[i], repeats[i], False, k_failure, k_success, k, horizon))


def test_the_papers_repeat_penalty_is_the_default():
    assert SearchConfig().repeat_penalty == 5.0
    assert SearchConfig().discount == 0.99


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 40), dim=st.integers(1, 64), offset=st.floats(-50, 50))
def test_nearest_is_brute_force(seed, count, dim, offset):
    rng = np.random.default_rng(seed)
    known = (offset + rng.normal(size=(count, dim)) * rng.uniform(0.01, 10)).astype(np.float32)
    mdp = VirtualMDP(known, np.zeros(count), SearchConfig())
    actions = (2.0 * rng.normal(size=(9, dim))).astype(np.float32)
    actions[0] = mdp.points[count // 2]
    reached, penalty = mdp.nearest(actions)
    for action, index, value in zip(actions, reached, penalty, strict=True):
        distances = [math.dist(action.tolist(), point.tolist()) for point in mdp.points]
        # Two points may be as near as single precision can tell.
        assert distances[index] <= min(distances) * (1 + 1e-4) + 1e-4
        assert value == pytest.approx(distances[index] / math.sqrt(dim), rel=1e-4, abs=1e-6)
    assert penalty[0] == 0.0


def test_distance_penalty_is_measured_against_the_spread_of_the_known():
    """Distance in embedding space over the known embeddings' root-mean-square distance to their mean."""
    known, rate = two_clusters()
    mdp = VirtualMDP(known, rate, SearchConfig())
    action = (known[3] + np.linspace(-0.1, 0.1, known.shape[1])).astype(np.float32)
    _, penalty = mdp.nearest(mdp.to_units(action[None]))
    spread = np.sqrt(((known - known.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert penalty[0] == pytest.approx(np.linalg.norm(action - known[3]) / spread, rel=1e-4)


def test_the_box_holds_the_known():
    known, rate = two_clusters()
    known[:, 5] = 7.0
    mdp = VirtualMDP(known, rate, SearchConfig(margin=0.1))
    assert (mdp.points > mdp.low).all()
    assert (mdp.points < mdp.high).all()
    varying = np.arange(known.shape[1]) != 5
    width = np.ptp(mdp.points, axis=0)[varying]
    assert (mdp.high - mdp.low)[varying] == pytest.approx(1.2 * width, rel=1e-4)


def test_an_episode_ends_with_a_failure_or_at_the_horizon_and_repeats_are_counted():
    known = np.array([[0.0], [1.0]], dtype=np.float32)
    mdp = VirtualMDP(known, np.array([0.0, 1.0]), SearchConfig(horizon=3, repeat_limit=2))
    walkers = mdp.walkers([0])
    success, failure = mdp.points[:1], mdp.points[1:]
    seen = []
    for action in (success, success, success, failure, failure, failure, failure, success):
        steps = mdp.step(walkers, action)
        seen.append((bool(steps.failed[0]), bool(steps.truncated[0]), float(steps.rewards[0])))
        if steps.failed[0] or steps.truncated[0]:
            mdp.reset(walkers, np.array([0]))
    cost = -100.0 / 3
    assert [s[:2] for s in seen] == [
        (False, False), (False, False), (False, True), (True, False), (True, False), (True, False), (True, False),
        (False, False),
    ]  # fmt: skip
    # Across episodes, up to the limit of two.
    assert [s[2] for s in seen] == pytest.approx([cost, cost, cost, 100.0, 95.0, 90.0, 90.0, cost])


def test_outcomes_follow_the_failure_rate():
    known = np.zeros((1, 2), dtype=np.float32)
    rate = np.array([0.3])
    actions = np.zeros((4000, 2), dtype=np.float32)
    sampled = VirtualMDP(known, rate, SearchConfig(outcome="sample"))
    failed = sampled.step(sampled.walkers(np.arange(4000)), actions).failed
    assert abs(failed.mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 4000)
    label = VirtualMDP(known, rate, SearchConfig(outcome="label"))
    assert not label.step(label.walkers(np.arange(4000)), actions).failed.any()
    expected = VirtualMDP(known, rate, SearchConfig(outcome="expected"))
    rewards = expected.step(expected.walkers(np.arange(4000)), actions).rewards
    assert rewards == pytest.approx(np.full(4000, 0.3 * 100.0 - 0.7 * 100.0 / 5))


def test_episodes_start_anywhere():
    known, rate = two_clusters(count=10)
    mdp = VirtualMDP(known, rate, SearchConfig())
    counts = np.bincount(mdp.walkers(np.arange(5000)).at, minlength=10)
    # Chi-square with 9 degrees of freedom exceeds 33.7 once in ten thousand.
    assert ((counts - 500) ** 2 / 500).sum() < 33.7


def test_streams_are_splitmix64():
    """The reference sequence of SplitMix64 from state 1234567, as published with the algorithm."""
    word, outputs = 1234567, []
    for _ in range(3):
        word, uniform = draw(word)
        outputs.append(scramble(word))
        assert 0.0 <= uniform < 1.0
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_compiled_streams_are_the_same():
    for seed in range(50):
        word, compiled = stream(seed), np.uint64(stream(seed))
        for _ in range(3):
            word, expected = draw(word)
            compiled = np.uint64(following(compiled))
            assert compiled == word
            assert uniform(compiled) == expected


def test_entropy_and_bonus():
    p = np.array([0.0, 0.5, 0.9, 1.0])
    assert entropy(p) == pytest.approx([0.0, math.log(2), -0.9 * math.log(0.9) - 0.1 * math.log(0.1), 0.0], abs=1e-9)
    known = np.array([[0.0], [1.0]], dtype=np.float32)
    plain = VirtualMDP(known, np.array([0.0, 0.0]), SearchConfig())
    curious = VirtualMDP(known, np.zeros(2), SearchConfig(uncertainty_bonus=3.0), probability=np.array([0.5, 0.9]))
    actions = plain.points
    gained = curious.step(curious.walkers([0, 1]), actions).rewards - plain.step(plain.walkers([0, 1]), actions).rewards
    assert gained == pytest.approx(3.0 * entropy(np.array([0.5, 0.9])))


def test_shaping_telescopes_over_an_episode():
    """However an episode went, the discounted shaping adds up to −Φ of its first state."""
    rng = np.random.default_rng(0)
    known, _ = two_clusters()
    rate = np.full(len(known), 0.1)
    potential = rng.normal(size=len(known))
    plain = VirtualMDP(known, rate, SearchConfig(horizon=10**6))
    shaped = VirtualMDP(known, rate, SearchConfig(horizon=10**6, shaping=True), potential=potential)
    a, b = plain.walkers([3]), shaped.walkers([3])
    start = potential[b.at[0]]
    total, discount = 0.0, 1.0
    for _ in range(500):
        action = rng.uniform(plain.low, plain.high, size=(1, plain.dim)).astype(np.float32)
        first, second = plain.step(a, action), shaped.step(b, action)
        total += discount * float(second.rewards[0] - first.rewards[0])
        discount *= 0.99
        if second.failed[0]:
            break
    assert second.failed[0]
    assert total == pytest.approx(-start)
    assert shaping(np.float64(2.0), np.float64(3.0), np.False_, 0.9) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"known": np.zeros((0, 4), dtype=np.float32)}, "finite array"),
        ({"known": np.full((3, 4), np.nan, dtype=np.float32)}, "finite array"),
        ({"failure_rate": np.zeros(2)}, "failure_rate of 3 known embeddings"),
        ({"failure_rate": np.array([0.0, 0.5, 1.5])}, "0–1"),
        ({"config": SearchConfig(shaping=True)}, "potential"),
        ({"potential": np.zeros(4)}, "potential of 3"),
    ],
)
def test_bad_arrays_are_refused(change, says):
    arguments = {"known": np.eye(3, 4, dtype=np.float32), "failure_rate": np.zeros(3), "config": SearchConfig()}
    arguments.update(change)
    with pytest.raises(StudyError, match=says):
        VirtualMDP(arguments.pop("known"), arguments.pop("failure_rate"), arguments.pop("config"), **arguments)
