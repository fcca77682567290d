"""A strategy, a budget of real rollouts, and one rule of verification: which episode comes next, and what was found."""

from collections.abc import Sequence
from dataclasses import dataclass

from faultfield.errors import StudyError, VariationError
from faultfield.rollouts.episode import Episode
from faultfield.search.base import Strategy
from faultfield.search.verification import Verification
from faultfield.variations import Variation

_PATIENCE = 20
"""A strategy that has nothing left but what is done with may say so by asking for that as many times in a row."""


@dataclass(frozen=True)
class Trial:
    """One episode that is to be rolled out.

    Attributes:
        variation: Under what.
        index: How many episodes of it came before in this campaign.
    """

    variation: Variation
    index: int


@dataclass(frozen=True)
class Find:
    """A verified failure.

    Attributes:
        variation: Under what the policy fails.
        failures, episodes: As they stood when it was verified.
        rollouts: How many rollouts the campaign had spent by then.
    """

    variation: Variation
    failures: int
    episodes: int
    rollouts: int


class Campaign:
    """Spends a budget of rollouts. What a strategy asks for is rolled out until it is verified or left.

    What is verified is never rolled out again, whoever asks for it, and is found once.

    Every strategy is judged and served by the same rule, so that they differ in where they look and in nothing else.
    Variations begun come first; the rest of a batch is asked for anew.

    Args:
        strategy: Says where to look.
        rule: When a failure is verified, and when a variation is left.
        budget: Rollouts in all.
        batch: Rollouts between two updates of the strategy, at most.

    Attributes:
        spent: Rollouts told so far.
        finds: Verified failures in the order in which they were verified.

    Raises:
        StudyError: The budget does not suffice for one variation.
    """

    def __init__(self, strategy: Strategy, rule: Verification, budget: int, batch: int = 4) -> None:
        rule.check_budget(budget)
        if batch < 1:
            raise StudyError(f"A batch must have at least one rollout, not {batch}.")
        self.strategy, self.rule, self.budget, self.batch = strategy, rule, budget, batch
        self.spent = 0
        self.finds: list[Find] = []
        self.counts: dict[Variation, tuple[int, int]] = {}
        self._verified: set[Variation] = set()

    def next(self) -> list[Trial]:
        """The next batch; empty once the budget is spent, or once the strategy has nothing more to propose.

        Raises:
            StudyError: The strategy asks for no variation, or for one outside its space.
        """
        count = min(self.batch, self.budget - self.spent)
        begun = [v for v in self.counts if self._goes_on(v) and self.rule.verdict(*self.counts[v]) == "open"][:count]
        chosen = dict.fromkeys(begun)
        if len(chosen) < count:
            chosen |= dict.fromkeys(self._further(count - len(chosen), 1 if begun else _PATIENCE))
        return [Trial(v, self.counts.get(v, (0, 0))[1]) for v in list(chosen)[:count]]

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Count the episodes of a batch and pass them on to the strategy."""
        for episode in episodes:
            failures, total = self.counts.get(episode.variation, (0, 0))
            failures, total = failures + (not episode.success), total + 1
            self.counts[episode.variation] = failures, total
            self.spent += 1
            # Told of more, its rate may fall below the bound and rise above it again.
            if self.rule.verified(failures, total) and episode.variation not in self._verified:
                self._verified.add(episode.variation)
                self.finds.append(Find(episode.variation, failures, total, self.spent))
        self.strategy.tell(episodes)

    def _further(self, count: int, times: int) -> list[Variation]:
        """What the strategy asks for and may be rolled out; it is asked again where that is nothing."""
        for _ in range(times):
            asked = [self._inside(variation) for variation in self._asked(count)]
            wanted = [variation for variation in asked if self._goes_on(variation)]
            if wanted or not asked:
                return wanted
        return []

    def _goes_on(self, variation: Variation) -> bool:
        # A strategy may come back to what was left, but no variation gets more than its share.
        return variation not in self._verified and self.counts.get(variation, (0, 0))[1] < self.rule.most

    def _asked(self, count: int) -> Sequence[Variation]:
        asked: object = self.strategy.ask(count)
        if not isinstance(asked, Sequence) or not all(isinstance(each, Variation) for each in asked):
            name = type(self.strategy).__name__
            raise StudyError(f"The strategy {name} must answer ask({count}) with a list of variations, not {asked!r}.")
        return asked

    def _inside(self, variation: Variation) -> Variation:
        try:
            return self.strategy.space.validate(variation)
        except VariationError as error:
            name = type(self.strategy).__name__
            raise StudyError(f"The strategy {name} asked for a variation outside the space: {error}") from error
