"""RoboMD's diagnostic policy on a truth table, whose rows keep no pictures: those of the study's scenes are drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from faultfield.diagnosis.fields import FieldBank
from faultfield.rollouts.episode import Episode
from faultfield.search.config import SearchConfig
from faultfield.study import Silent, Study, stages
from faultfield.study.field_search import FieldSearch
from faultfield.study.strategies import views_on
from table import TruthTable


class PicturedSearch(FieldSearch):
    """`FieldSearch` among a table's rows. Each rollout shows one of the stored first states under its variation.

    In a study every episode has its own first picture; a table keeps none.
    """

    def tell(self, episodes: Sequence[Episode]) -> None:
        """Keep the episodes with their pictures."""
        super().tell([self._pictured(episode) for episode in episodes])

    def _pictured(self, episode: Episode) -> Episode:
        shots = self.bank.views.pictures([episode.variation])[0]
        return replace(episode, initial={"first": shots[episode.seed % len(shots)]})


@dataclass(frozen=True)
class Gallery:
    """What pictures the rows of a table.

    Attributes:
        bank: Fits fields on pictures of the study's nominal successes, under any variation.
        config: How the diagnostic policy learns.
    """

    bank: FieldBank
    config: SearchConfig

    @classmethod
    def of(cls, study: Study, steps: int) -> "Gallery":
        """The study's, rolled out under nominal conditions where it was not; with so many virtual steps a policy."""
        nominal = stages.collect_nominal(study, Silent())
        return cls(stages.make_bank(study, views_on(study, nominal)), replace(study.config.search, steps=steps))

    def search(self, table: TruthTable, nominal: Sequence[Episode], seed: int) -> PicturedSearch:
        """The diagnostic policy in the loop, among the rows, told the nominal episodes."""
        # One bank for all, so that pictures are drawn once; the fields of one play are not another's.
        bank = FieldBank(self.bank.views, self.bank.config, seed, self.bank.encoder())
        return PicturedSearch(bank.views.space, bank, nominal, seed, self.config, pool=table.variations)
