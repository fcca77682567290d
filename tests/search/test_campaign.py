"""Spending a budget: every rollout counted once, begun variations first, nothing outside the space."""

import pytest

from faultfield.errors import StudyError
from faultfield.search import GridSearch, RandomSearch, Strategy
from faultfield.search.campaign import Campaign
from faultfield.search.verification import Verification
from faultfield.variations import Categorical, Variation, VariationSpace
from tests.search.spaces import SPACE, episode

RULE = Verification(bound=0.1, failures=2, patience=1)


def fails(variation: Variation, index: int) -> bool:
    """Textures fail always, lights at every other episode, the rest never."""
    return "texture" in variation or ("light" in variation and index % 2 == 0)


def play(campaign: Campaign) -> list[list[Variation]]:
    rounds = []
    while trials := campaign.next():
        rounds.append([trial.variation for trial in trials])
        campaign.tell([episode(t.variation, fails(t.variation, t.index), t.index) for t in trials])
    return rounds


@pytest.mark.parametrize(("budget", "batch"), [(2, 1), (31, 4), (40, 7)])
def test_the_budget_is_spent_exactly(budget, batch):
    campaign = Campaign(RandomSearch(SPACE, 0), RULE, budget, batch)
    rounds = play(campaign)
    assert campaign.spent == budget == sum(map(len, rounds)) == sum(n for _, n in campaign.counts.values())
    assert all(len(set(asked)) == len(asked) <= batch for asked in rounds)


def test_a_variation_is_rolled_out_until_it_is_verified_or_left():
    campaign = Campaign(GridSearch(SPACE, values=2, order=1), RULE, 200, 3)
    play(campaign)
    for variation, counted in campaign.counts.items():
        if "texture" in variation:
            assert counted == (2, 2)
        elif "light" not in variation:
            assert counted == (0, 1)
    found = {find.variation for find in campaign.finds}
    assert found == {v for v, (k, _) in campaign.counts.items() if k >= 2}
    assert {v for v in found if "texture" in v} == set(SPACE.grid(2, ["texture"]))
    assert [f.rollouts for f in campaign.finds] == sorted(f.rollouts for f in campaign.finds)


def test_it_ends_when_the_strategy_has_nothing_left():
    campaign = Campaign(GridSearch(SPACE, values=1, order=1), RULE, 1000, 5)
    play(campaign)
    assert campaign.spent < 100
    assert campaign.next() == []


class Astray(Strategy):
    def ask(self, count: int) -> list[Variation]:
        return [Variation({"light": 99.0})]

    def tell(self, episodes) -> None:
        pass


def test_a_proposal_outside_the_space_is_refused_with_the_strategys_name():
    with pytest.raises(StudyError, match=r"strategy Astray asked for a variation outside the space.*0 to 2"):
        Campaign(Astray(SPACE), RULE, 10).next()


def test_a_budget_smaller_than_one_variation_is_refused():
    with pytest.raises(StudyError, match="smaller than one variation"):
        Campaign(RandomSearch(SPACE), RULE, 1)
    with pytest.raises(StudyError, match="at least one rollout"):
        Campaign(RandomSearch(SPACE), RULE, 10, 0)


class Stubborn(Strategy):
    def ask(self, count: int) -> list[Variation]:
        return [SPACE.variation({"light": 1.5})]

    def tell(self, episodes) -> None:
        pass


def test_a_strategy_may_come_back_but_no_variation_gets_more_than_its_share():
    rule = Verification(bound=0.1, failures=2, patience=1, most=7)
    campaign = Campaign(Stubborn(SPACE), rule, 100)
    while trials := campaign.next():
        campaign.tell([episode(t.variation, False, t.index) for t in trials])
    assert campaign.spent == 7


class Listed(Strategy):
    """Asks for the variations of a list again and again, whatever came of them."""

    def __init__(self, wanted: list[Variation]) -> None:
        super().__init__(SPACE)
        self._wanted, self.asked = wanted, 0

    def ask(self, count: int) -> list[Variation]:
        start, self.asked = self.asked, self.asked + count
        return [self._wanted[i % len(self._wanted)] for i in range(start, self.asked)]

    def tell(self, episodes) -> None:
        pass


def test_a_verified_failure_is_found_once_and_never_rolled_out_again():
    often, never = SPACE.variation({"light": 1.5}), SPACE.variation({"light": 0.5})
    # Failures, then a success that takes the rate below the bound, then failures that lift it above once more.
    outcomes = {often: [True, True, False, True, True, True, True], never: [False] * 7}
    campaign = Campaign(Listed([often, never]), Verification(bound=0.25, failures=2, most=7), 100, 1)
    assert not campaign.rule.verified(2, 3), "the third episode would take it back"
    while trials := campaign.next():
        campaign.tell([episode(t.variation, outcomes[t.variation][t.index], t.index) for t in trials])
    assert [(f.variation, f.failures, f.episodes) for f in campaign.finds] == [(often, 2, 2)]
    assert campaign.counts == {often: (2, 2), never: (0, 7)}, "the other gets its whole share, and then it ends"


def test_further_episodes_of_a_verified_failure_make_no_other_find_of_it():
    failing = SPACE.variation({"light": 1.5})
    campaign = Campaign(Listed([failing]), Verification(bound=0.25, failures=2), 100)
    campaign.tell([episode(failing, failed, i) for i, failed in enumerate([True, True, False, True, True])])
    assert [(f.failures, f.episodes) for f in campaign.finds] == [(2, 2)]


@pytest.mark.parametrize("batch", [1, 4])
def test_a_space_smaller_than_the_budget_ends_with_all_of_it_found(batch):
    space = VariationSpace([Categorical("cup", "Use a {} cup.", choices=("red", "blue", "green"))])
    campaign = Campaign(RandomSearch(space, 0), RULE, 1000, batch)
    while trials := campaign.next():
        campaign.tell([episode(t.variation, True, t.index) for t in trials])
    assert {find.variation for find in campaign.finds} == set(space.grid(3))
    assert campaign.spent == 2 * len(campaign.finds) == 6
