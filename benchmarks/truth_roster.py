"""Every estimator and baseline that `truth.py` compares, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from faultfield.diagnosis.anomaly import Anomaly
from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.classifier import FieldClassifier
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.density import TUNED, Density
from faultfield.diagnosis.fields import FieldBank
from faultfield.diagnosis.gp import FieldGP
from faultfield.diagnosis.images import ImageNetwork
from faultfield.diagnosis.probe import ProbeLogistic, ProbePrior
from faultfield.diagnosis.values import ValuesForest, ValuesGP, ValuesLogistic
from faultfield.field.config import FieldConfig
from faultfield.field.encoders import CachingEncoder, Encoder, build_encoder
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.search.config import SearchConfig
from faultfield.variations import Variation


class BaseRate(Estimator):
    """The mean failure rate of the known variations, whatever is asked: what knowing nothing else is worth."""

    name = "base-rate"

    def fit(self, episodes: Sequence[Episode]) -> "BaseRate":
        """Count."""
        self._rate = float(Counts.of(episodes).rates.mean())
        return self

    def estimate(self, candidates: Sequence[Variation]) -> Estimates:
        """The same for all."""
        n = len(candidates)
        return Estimates(np.full(n, self._rate), np.zeros(n), np.ones(n), np.zeros(n))


@dataclass(frozen=True)
class Settings:
    """What the roster is built with."""

    field: FieldConfig
    search: SearchConfig
    folds: int = 5
    slow_folds: int = 3
    seed: int = 0
    encoder: Encoder | None = None


def roster(views: Views, settings: Settings) -> dict[str, Callable[[], Estimator]]:
    """Name to factory, cheapest first; estimators on the same field share its fits."""
    encoder = settings.encoder or CachingEncoder(build_encoder(settings.field.encoder))
    seed, folds, slow = settings.seed, settings.folds, settings.slow_folds

    def bank(**changes: object) -> FieldBank:
        return FieldBank(views, settings.field.model_copy(update=changes), seed, encoder)

    outcome, variation = bank(contrast="outcome"), bank(contrast="variation")
    aware = bank(contrast="outcome", inputs=("vision", "text", "probe"))
    mute = bank(contrast="outcome", inputs=("vision",))

    def density(shared: FieldBank, algorithm: str) -> Density:
        search = replace(settings.search, algorithm=algorithm)
        return Density(views, seed, search=search, average="density", folds=slow, restarts=1, bank=shared)

    def drift(algorithm: str) -> Density:
        return Density(views, seed, search=replace(TUNED, algorithm=algorithm), folds=slow, bank=outcome)

    return {
        "base-rate": BaseRate,
        "probe-prior": lambda: ProbePrior(views, seed),
        "probe": lambda: ProbeLogistic(views, seed),
        "values": lambda: ValuesGP(views, seed, folds=folds),
        "values-logistic": lambda: ValuesLogistic(views, seed, folds=folds),
        "values-forest": lambda: ValuesForest(views, seed, folds=folds),
        "anomaly": lambda: Anomaly(views, seed, encoder=encoder, folds=folds),
        "anomaly-pixels": lambda: Anomaly(views, seed, space="pixels", folds=folds),
        "field": lambda: FieldClassifier(views, seed, folds=folds, bank=outcome),
        "field (contrast: variation)": lambda: FieldClassifier(views, seed, folds=folds, bank=variation),
        "field (vision alone)": lambda: FieldClassifier(views, seed, folds=folds, bank=mute),
        "field+probe": lambda: FieldClassifier(views, seed, folds=folds, bank=aware),
        "gp": lambda: FieldGP(views, seed, folds=folds, bank=outcome),
        "gp (contrast: variation)": lambda: FieldGP(views, seed, folds=folds, bank=variation),
        "gp+probe": lambda: FieldGP(views, seed, folds=folds, bank=aware),
        "cnn": lambda: ImageNetwork(views, seed, network="cnn", folds=slow),
        "resnet": lambda: ImageNetwork(views, seed, network="resnet", folds=slow),
        "density (ppo)": lambda: density(outcome, "ppo"),
        "density (a2c)": lambda: density(outcome, "a2c"),
        "density (sac)": lambda: density(outcome, "sac"),
        "density (ppo, drift)": lambda: drift("ppo"),
        "density (a2c, drift)": lambda: drift("a2c"),
        "density (ppo, contrast: variation)": lambda: density(variation, "ppo"),
    }
