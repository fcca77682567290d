"""Replays a search strategy on a truth table: every rollout is the next unused episode of a row."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.envs.base import VariableEnv
from faultfield.field.probe import FEATURES
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.intervals import wilson
from faultfield.rollouts.states import StateBank
from faultfield.search.base import Strategy
from faultfield.search.campaign import Campaign
from faultfield.search.verification import Verification
from faultfield.variations import NOMINAL, Variation, VariationSpace
from faultfield.variations.cells import cell_of
from table import TruthTable


class Snapped(Strategy):
    """A strategy that proposes freely, brought to the table: each proposal becomes the nearest row not asked for yet.

    Args:
        inner: Proposes.
        table: Has the rows.
    """

    def __init__(self, inner: Strategy, table: TruthTable) -> None:
        super().__init__(inner.space, inner.seed)
        self._inner, self._left = inner, list(table.variations)
        self._codes = list(inner.space.encode_many(self._left))

    def ask(self, count: int) -> list[Variation]:
        """Rows nearest to what the strategy asks for; fewer once every row was asked for."""
        chosen = []
        for proposal in self._inner.ask(min(count, len(self._left))):
            code = self.space.encode(proposal)
            nearest = int(np.argmin([np.sum((row - code) ** 2) for row in self._codes]))
            chosen.append(self._left.pop(nearest))
            self._codes.pop(nearest)
        # A grid may end before the table does; what is left of the rows comes in their order.
        while len(chosen) < count and self._left:
            chosen.append(self._left.pop(0))
            self._codes.pop(0)
        return chosen

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Pass the episodes on, under the rows' variations."""
        self._inner.tell(episodes)


class Shuffled(Strategy):
    """The table's rows in a random order: random search without replacement.

    Args:
        space: Of the table.
        table: Has the rows.
        seed: Of the order.
    """

    def __init__(self, space: VariationSpace, table: TruthTable, seed: int = 0) -> None:
        super().__init__(space, seed)
        rows = table.variations
        self._left = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]

    def ask(self, count: int) -> list[Variation]:
        """The next rows."""
        chosen, self._left = self._left[:count], self._left[count:]
        return chosen

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Learns nothing."""


class Level(Estimator):
    """One failure probability for all, of what was rolled out: what knowing no picture and no policy leaves."""

    name = "level"

    def fit(self, episodes: Sequence[Episode]) -> "Level":
        """Count, drawn towards one in five as if five episodes had said so."""
        tried = [episode for episode in episodes if not episode.variation.is_nominal]
        self._rate = (1.0 + sum(not e.success for e in tried)) / (5.0 + len(tried))
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """The same for all."""
        n = len(candidates)
        return Estimates(np.full(n, self._rate), np.zeros(n), np.ones(n), np.zeros(n))


class Truth(Estimator):
    """Every row's own rate, which no strategy can know: what is left to be found by a better estimate ends here."""

    name = "truth"

    def __init__(self, table: TruthTable) -> None:
        self._rates = {row.variation: row.rate for row in table.rows}

    def fit(self, episodes: Sequence[Episode]) -> "Truth":
        """Nothing to learn."""
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """The rates."""
        rates = np.array([self._rates[variation] for variation in candidates])
        return Estimates(rates, rates, rates, np.ones(len(rates)))


class Others(Estimator):
    """What can be said of a row by the rates of all rows but a tenth that it is in, from its values and the probe's.

    No strategy can know so much: hundreds of rows, each rolled out many times. Beyond this a better estimate needs
    better features and not more rollouts.

    Args:
        table: Has the rows.
        space: Of their values.
    """

    name = "others"

    def __init__(self, table: TruthTable, space: VariationSpace) -> None:
        from sklearn.ensemble import ExtraTreesRegressor
        from sklearn.model_selection import KFold, cross_val_predict

        changed = [[float(name in row.variation) for name in space.factors] for row in table.rows]
        features = np.array([row.features for row in table.rows])
        rows = np.concatenate([space.encode_many(table.variations), np.array(changed), features], axis=1)
        trees = ExtraTreesRegressor(400, min_samples_leaf=2, random_state=0)
        said = cross_val_predict(
            trees, rows, [row.rate for row in table.rows], cv=KFold(10, shuffle=True, random_state=0)
        )
        self._rates = dict(zip(table.variations, said, strict=True))

    def fit(self, episodes: Sequence[Episode]) -> "Others":
        """Nothing more to learn."""
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """What the other rows say."""
        rates = np.array([self._rates[variation] for variation in candidates])
        return Estimates(rates, rates, rates, np.ones(len(rates)))


class TableViews(Views):
    """What the probe said of the table's rows, as an estimator expects it; no simulator and no policy."""

    def __init__(self, table: TruthTable, space: VariationSpace) -> None:
        super().__init__(cast(VariableEnv, SimpleNamespace(variation_space=space)), StateBank((), ()))
        self._features = {row.variation.key: row.features for row in table.rows}
        self._hidden: dict[Variation, bool] = {}
        self._features[NOMINAL.key] = np.zeros(len(FEATURES))

    def hidden(self, variations: Sequence[Variation]) -> np.ndarray:
        """Whether each changes something that no picture shows, answered once for each."""
        for variation in variations:
            if variation not in self._hidden:
                self._hidden[variation] = bool(super().hidden([variation])[0])
        return np.array([self._hidden[v] for v in variations], dtype=bool)

    def probe(self, variations: Sequence[Variation]) -> np.ndarray:
        """The rows' features, float64 (n, len(FEATURES))."""
        return np.stack([self._features[v.key] for v in variations])


def replay(
    table: TruthTable, strategy: Strategy, rule: Verification, budget: int, seed: int, batch: int = 4
) -> Campaign:
    """Spend the budget; the episodes of each row come in an order drawn from the seed.

    Returns:
        The campaign, with its finds and counts.
    """
    rng = np.random.default_rng(seed)
    outcomes = {row.variation: rng.permutation(np.array(row.failed)) for row in table.rows}
    campaign = Campaign(strategy, rule, budget, batch)
    facts: dict[str, Any] = {"steps": 1, "policy": table.policy, "environment": table.environment, "stage": "hunt"}
    while trials := campaign.next():
        campaign.tell([Episode(t.variation, t.index, not outcomes[t.variation][t.index], **facts) for t in trials])
    return campaign


def curve(campaign: Campaign, space: VariationSpace, budget: int) -> np.ndarray:
    """Distinct verified failures after 1…budget rollouts, int64 (budget,)."""
    counts = np.zeros(budget, dtype=np.int64)
    seen: set[str] = set()
    for find in campaign.finds:
        cell = cell_of(find.variation, space)
        if cell not in seen:
            seen.add(cell)
            counts[find.rollouts - 1 :] += 1
    return counts


def false_claims(campaign: Campaign, table: TruthTable, bound: float) -> int:
    """Verified failures whose whole row does not bear them out."""
    rows = {row.variation: row.failed for row in table.rows}
    return sum(wilson(sum(rows[f.variation]), len(rows[f.variation]))[0] <= bound for f in campaign.finds)
