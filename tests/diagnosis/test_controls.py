"""Feasibility and floor."""

from faultfield.diagnosis.controls import feasibility, floor, teachable
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome
from faultfield.variations import NOMINAL, Variation

A, B, C, D = (Variation({"light": float(i)}, "Light.") for i in range(4))


def test_the_expert_decides_what_is_infeasible() -> None:
    expert = [Outcome(A, 10, 10), Outcome(B, 10, 0), Outcome(C, 5, 3)]
    judged = feasibility([D, C, B, A], expert)
    assert [f.infeasible for f in judged] == [None, True, False, True]
    # Three of five is more than half, but its Wilson interval is 0.23–0.88.
    assert [f.certain for f in judged] == [False, False, True, True]
    assert judged[3].expert == expert[0]


def test_the_limit_is_a_setting() -> None:
    assert feasibility([A], [Outcome(A, 10, 2)], limit=0.1)[0].infeasible


def test_the_floor_is_paired_by_variation() -> None:
    policy = [Outcome(A, 10, 0), Outcome(B, 10, 5), Outcome(C, 10, 10)]
    blind = [Outcome(A, 10, 9), Outcome(B, 10, 9), Outcome(D, 10, 0)]
    found = floor(policy, blind)
    assert found is not None
    assert (found.blind, found.policy, found.variations) == (0.9, 0.25, 2)
    assert 0.4 <= found.low <= 0.65 <= found.high <= 0.9


def test_no_shared_variation_has_no_floor() -> None:
    assert floor([Outcome(A, 5, 0)], [Outcome(B, 5, 5)]) is None


def test_nothing_is_learned_from_what_nobody_can_do() -> None:
    def tried(variation: Variation, success: bool) -> Episode:
        return Episode(variation, 0, success, 1, "p", "e", "known")

    episodes = [tried(NOMINAL, True), tried(A, False), tried(B, False), tried(C, True)]
    expert = [tried(NOMINAL, False), tried(A, False), tried(B, True)]
    assert teachable(episodes, expert) == [episodes[0], episodes[2], episodes[3]]
