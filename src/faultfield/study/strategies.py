"""Whom a hunt asks what to roll out next: strategies by name, what each takes, and how each is made for a study."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from faultfield import plugins
from faultfield.diagnosis.base import Estimator
from faultfield.diagnosis.hunting import Hunt
from faultfield.diagnosis.probe import ProbeLine, ProbePrior
from faultfield.errors import StudyError
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.states import StateBank
from faultfield.search.base import Strategy
from faultfield.search.pool import PoolSearch
from faultfield.study import stages
from faultfield.study.directory import Study
from faultfield.study.field_search import FieldSearch
from faultfield.study.ranking import PICTURED, make_estimator

OURS = "hunt"

STRATEGIES = {
    "random": "faultfield.search:RandomSearch",
    "sobol": "faultfield.search:SobolSearch",
    "grid": "faultfield.search:GridSearch",
    "map-elites": "faultfield.search.map_elites:MapElitesSearch",
    "level-set": "faultfield.search.level_set:LevelSetSearch",
    "forest": "faultfield.search.forest:ForestSearch",
    "diagnostic": "faultfield.study.field_search:FieldSearch",
    OURS: "faultfield.diagnosis.hunting:Hunt",
}
"""Strategies by name."""


@dataclass(frozen=True)
class Wanted:
    """A strategy and how it is to be made.

    Attributes:
        strategy: By name, or `module:Class`.
        failures: Failed episodes that make a find.
        estimator: For `hunt`; by default the study's, and the probe where the study leaves the choice.
        with_probe: Give the probe's features to a strategy that takes any.
        order: How many factors a proposal changes at most; by default what the strategy takes.
    """

    strategy: str = OURS
    failures: int = 2
    estimator: str | None = None
    with_probe: bool = False
    order: int | None = None

    def begun_from(self, study: Study) -> dict[str, Any]:
        """What of the study's settings its proposals hang on; plain values."""
        chosen = self._estimator(study)
        if self.strategy != "diagnostic" and (self.strategy != OURS or chosen in ("auto", "probe", "values")):
            return {}
        config = study.config
        return {
            "chosen": chosen, "field": config.field.model_dump(mode="json"), "search": asdict(config.search),
            "folds": config.diagnosis.folds,
        }  # fmt: skip

    def _estimator(self, study: Study) -> str:
        return self.estimator or study.config.diagnosis.estimator

    def load(self) -> Callable[..., Any]:
        """The strategy's class.

        Raises:
            StudyError: There is none of this name, or it does not take what is wanted of it.
        """
        name = self.strategy
        if name not in STRATEGIES and ":" not in name:
            known = ", ".join(STRATEGIES)
            raise StudyError(f"There is no strategy '{name}'; known are {known}, or give 'module:Class'.")
        make: Callable[..., Any] = plugins.load(STRATEGIES.get(name, name), what="strategy")
        self._check(make)
        return make

    def _check(self, make: Callable[..., Any]) -> None:
        if self.order is not None and self.order < 1:
            raise StudyError(f"A variation changes one factor at least, not {self.order}.")
        if self.order is not None and not _takes(make, "order"):
            raise StudyError(f"The strategy {make.__name__} takes no order; leave --order out.")
        if self.estimator is not None and make is not Hunt:
            raise StudyError(f"Only the strategy '{OURS}' takes an estimator; leave --estimator out.")
        if self.estimator not in (None, "auto"):
            plugins.load(self.estimator, what="estimator", group="faultfield.estimators")
        if self.with_probe and make is Hunt:
            raise StudyError(f"The strategy '{OURS}' asks the probe by itself; leave --with-probe out.")
        if self.with_probe and not _takes(make, "features"):
            raise StudyError(f"The strategy {make.__name__} takes no features; leave --with-probe out.")

    def try_out(self, study: Study) -> None:
        """Build it once, where that costs nothing: what is wrong with it is told before anything is rolled out.

        Raises:
            StudyError: It cannot be built from a space and a seed, or is no strategy.
        """
        make = self.load()
        if not stages.has_views(study):
            self._check_blind(study, make)
        if make not in (Hunt, FieldSearch) and not self.with_probe:
            _made(study, make, **self._order)

    def _check_blind(self, study: Study, make: Callable[..., Any]) -> None:
        if make is FieldSearch or self.with_probe or (make is Hunt and self._estimator(study) in PICTURED):
            raise StudyError(
                f"The environment '{study.env_spec.type}' has no snapshot() and observe(), so variations cannot be "
                f"pictured; take the strategy '{OURS}' with the estimator 'values', or one on factor values."
            )

    def build(self, study: Study, nominal: Sequence[Episode], known: Sequence[Episode]) -> Strategy:
        """The strategy for a study, told what is known.

        Args:
            study: Whose space, policy and settings.
            nominal: Episodes whose states the probe asks at.
            known: Episodes from before.

        Raises:
            StudyError: It cannot be built from a space and a seed, or is no strategy.
        """
        make = self.load()
        if make is Hunt:
            return self._ours(study, views_on(study, nominal), known)
        if make is FieldSearch:
            bank = stages.make_bank(study, views_on(study, nominal))
            return FieldSearch(study.space, bank, known, study.config.rollouts.seed, study.config.search, **self._order)
        extra = self._order
        if isinstance(make, type) and issubclass(make, PoolSearch):
            extra["failures"] = self.failures
        if self.with_probe:
            extra["features"] = views_on(study, nominal).probe
        strategy = _made(study, make, **extra)
        # What ours begins with, all begin with.
        strategy.tell(known)
        return strategy

    @property
    def _order(self) -> dict[str, Any]:
        return {} if self.order is None else {"order": self.order}

    def _ours(self, study: Study, views: Views, known: Sequence[Episode]) -> Hunt:
        name = self._estimator(study)
        prior: Estimator | None = None
        if name in ("auto", "probe"):
            name = "probe" if views.can_probe else "values"
        if views.can_probe:
            prior = ProbePrior(views)
        bank = stages.make_bank(study, views)

        def fresh() -> Estimator:
            return ProbeLine(views) if name == "probe" else make_estimator(study, name, views, bank)

        seed = study.config.rollouts.seed
        return Hunt(study.space, fresh, seed, prior=prior, known=known, failures=self.failures, **self._order)


def views_on(study: Study, nominal: Sequence[Episode]) -> Views:
    """Views on states of this hunt's nominal episodes; the same as a fit would choose."""
    if stages.has_views(study) and not (study.directory / stages.STATES).exists():
        StateBank.choose(nominal).save(study.directory / stages.STATES)
    return stages.make_views(study)


def _takes(make: Callable[..., Any], name: str) -> bool:
    try:
        return name in inspect.signature(make).parameters
    except (TypeError, ValueError):  # A class written in C does not say.
        return False


def _made(study: Study, make: Callable[..., Any], **extra: Any) -> Strategy:
    try:
        strategy = make(study.space, study.config.rollouts.seed, **extra)
    except TypeError as error:
        raise StudyError(f"The strategy {make.__name__} cannot be built from a space and a seed: {error}.") from error
    if not isinstance(strategy, Strategy):
        raise StudyError(f"The strategy {make.__name__} must be a faultfield.search.Strategy.")
    return strategy
