"""The diagnostic policy in the loop: the field is learned anew from every rollout, and searched again."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.fields import FieldBank
from faultfield.rollouts.episode import Episode
from faultfield.search.config import SearchConfig
from faultfield.search.diagnostic_strategy import DiagnosticSearch
from faultfield.search.sobol import SobolSearch
from faultfield.variations import Variation, VariationSpace


class FieldSearch(DiagnosticSearch):
    """`DiagnosticSearch` on a field that is fitted to all episodes so far whenever something is asked.

    Args:
        space: Every proposal lies in it.
        bank: Fits fields.
        known: Episodes from before, of two outcomes at least where a field is to be had from the start.
        seed: Of the pool, the training and the draws.
        config: How the diagnostic policy learns.
        pool: What may be proposed; when None, variations from a Sobol sequence.
        pool_size: How many of the sequence at a time: once they are used up, there are more.
        order: How many factors a variation of the sequence changes at most.

    Attributes:
        bank: As given.
        episodes: Everything that was told.
    """

    def __init__(
        self,
        space: VariationSpace,
        bank: FieldBank,
        known: Sequence[Episode] = (),
        seed: int = 0,
        config: SearchConfig | None = None,
        pool: Sequence[Variation] | None = None,
        pool_size: int = 256,
        order: int = 3,
    ) -> None:
        self._more = SobolSearch(space, seed, order) if pool is None else None
        super().__init__(space, self._place, seed, config, () if pool is None else pool, pool_size)
        self.bank = bank
        self.episodes: list[Episode] = []
        if known:
            self.tell(known)

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Keep the episodes: the next `ask` learns a field and a policy from all of them."""
        super().tell(episodes)
        self.episodes.extend(episodes)

    def _candidates(self, count: int) -> list[Variation]:
        pool = super()._candidates(count)
        if self._more is not None and len(pool) - len(self._proposed) < count:
            pool.extend(self._more.ask(max(self._pool_size, count)))
        return pool

    def _place(self, variations: Sequence[Variation]) -> NDArray[np.float32]:
        embedded = self.bank.embed(self.bank.field(self.episodes), variations)
        return embedded.astype(np.float32)
