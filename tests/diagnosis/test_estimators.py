"""Every estimator on real rollouts of the toy, against the toy's exact failure rates."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from faultfield.diagnosis.anomaly import Anomaly
from faultfield.diagnosis.base import Estimator
from faultfield.diagnosis.classifier import FieldClassifier
from faultfield.diagnosis.density import ENOUGH, Density, DensityScorer
from faultfield.diagnosis.fields import FieldBank
from faultfield.diagnosis.gp import FieldGP
from faultfield.diagnosis.images import ImageNetwork
from faultfield.diagnosis.metrics import spearman
from faultfield.diagnosis.values import ValuesForest, ValuesGP, ValuesLogistic
from faultfield.errors import LedgerError
from faultfield.field.config import FieldConfig
from faultfield.field.views import Views
from faultfield.search.config import PpoSettings, SearchConfig
from tests.diagnosis.conftest import PixelEncoder, ToyStudy

FIELD = FieldConfig(dim=16, steps=80, lr=3e-3, folds=0)
SEARCH = SearchConfig(steps=512, ppo=PpoSettings(net=(16,), envs=16, epochs=2))


def bank(views: Views, *inputs: str) -> FieldBank:
    return FieldBank(views, FIELD.model_copy(update={"inputs": inputs or ("vision", "text")}), 0, PixelEncoder())


FACTORIES: dict[str, Callable[[Views], Estimator]] = {
    "field": lambda v: FieldClassifier(v, folds=2, bank=bank(v)),
    "field+probe": lambda v: FieldClassifier(v, folds=2, bank=bank(v, "vision", "text", "probe")),
    "gp": lambda v: FieldGP(v, folds=2, bank=bank(v)),
    "density": lambda v: Density(v, folds=2, bank=bank(v), search=SEARCH),
    "values": lambda v: ValuesGP(v, folds=2),
    "values-logistic": lambda v: ValuesLogistic(v, folds=2),
    "values-forest": lambda v: ValuesForest(v, folds=2),
    "anomaly": lambda v: Anomaly(v, folds=2, encoder=PixelEncoder()),
    "anomaly-pixels": lambda v: Anomaly(v, space="pixels", folds=2),
    "cnn": lambda v: ImageNetwork(v, epochs=1, folds=2),
    "resnet": lambda v: ImageNetwork(v, network="resnet", epochs=1, folds=2),
}

RANKS = {"field": 0.6, "field+probe": 0.6, "gp": 0.6, "values": 0.5, "anomaly": 0.4}
"""Least rank correlation with the exact rates, of those that the toy gives what they need."""


def test_a_bank_keeps_the_newest_fields_without_their_gradients(toy: ToyStudy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("faultfield.diagnosis.fields._KEPT", 2)
    fields = FieldBank(toy.views, FIELD.model_copy(update={"steps": 1}), 0, PixelEncoder())
    first, second, third = (fields.field(toy.episodes[: len(toy.episodes) - i]) for i in range(3))
    assert all(p.grad is None for p in first._network.parameters())
    assert fields.field(toy.episodes[:-2]) is third
    assert fields.field(toy.episodes[:-1]) is second
    assert fields.field(toy.episodes) is not first


@pytest.mark.parametrize("name", FACTORIES)
def test_estimates_are_probabilities_in_order_and_repeat(name: str, toy: ToyStudy) -> None:
    estimator = FACTORIES[name](toy.views).fit(toy.episodes)
    assert estimator.name == name
    answer = estimator.estimate(toy.unseen)
    for column in (answer.mean, answer.low, answer.high, answer.support):
        assert column.shape == (len(toy.unseen),)
        assert column.dtype == np.float64
        assert ((column >= 0) & (column <= 1)).all()
    assert (answer.low <= answer.mean).all()
    assert (answer.mean <= answer.high).all()
    backwards = estimator.estimate(toy.unseen[::-1])
    np.testing.assert_allclose(backwards.mean[::-1], answer.mean, atol=1e-5)
    np.testing.assert_allclose(estimator.estimate([toy.episodes[8].variation]).support, 1.0, atol=1e-3)
    if name in RANKS:
        assert spearman(answer.mean, toy.rates) > RANKS[name]


@pytest.mark.parametrize("name", ["field", "values"])
def test_the_same_seed_gives_the_same_estimates(name: str, toy: ToyStudy) -> None:
    first, second = (FACTORIES[name](toy.views).fit(toy.episodes).estimate(toy.unseen) for _ in range(2))
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.high, second.high)


def test_no_episodes_is_refused(toy: ToyStudy) -> None:
    with pytest.raises(LedgerError, match="roll out the known variations"):
        ValuesGP(toy.views).fit([])


def test_estimating_before_fitting_is_refused(toy: ToyStudy) -> None:
    with pytest.raises(LedgerError, match="call fit first"):
        ValuesGP(toy.views).estimate(toy.unseen)


def test_one_field_serves_all_estimators_of_a_bank(toy: ToyStudy) -> None:
    shared = bank(toy.views)
    assert shared.field(toy.episodes) is shared.field(list(toy.episodes))
    assert shared.field(toy.episodes) is not shared.field(toy.episodes[:40])


def test_density_ratios_are_against_nominal(toy: ToyStudy) -> None:
    estimator = Density(toy.views, folds=2, bank=bank(toy.views), search=SEARCH)
    estimator.fit(toy.episodes)
    nominal, dark = estimator.scorer.log_ratios([toy.episodes[0].variation, toy.unseen[6]])
    assert nominal == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(dark)


def test_density_keeps_the_training_that_orders_the_known_variations(toy: ToyStudy) -> None:
    shared = bank(toy.views)
    # So little training that which way the policy goes is a matter of the seed.
    weak = replace(SEARCH, steps=64, ppo=replace(SEARCH.ppo, epochs=1, learning_rate=1e-6))
    alone = [DensityScorer(shared, weak, seed, restarts=1).fit(toy.episodes) for seed in range(4)]
    assert min(scorer.agreement for scorer in alone) < ENOUGH, "some of these trainings fail"
    wanted = next((s for s in alone if s.agreement >= ENOUGH), max(alone, key=lambda s: s.agreement))
    kept = DensityScorer(shared, weak, 0, restarts=4).fit(toy.episodes)
    assert kept.agreement == wanted.agreement
    assert np.array_equal(kept.log_ratios(toy.unseen), wanted.log_ratios(toy.unseen))


def test_hidden_factors_are_seen_by_values_alone(toy: ToyStudy, windy: Sequence) -> None:
    calm, storm = (toy.views.space.variation({"wind": w}) for w in (0.1, 1.9))
    by_values = ValuesGP(toy.views, folds=2).fit(windy).estimate([calm, storm]).mean
    assert by_values[1] > by_values[0] + 0.2
