"""A hunt on the toy: what it finds is real, it stops and goes on, and says what is wrong before it rolls out."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from faultfield.cli import app
from faultfield.errors import StudyError
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.scenes import own_scenes
from faultfield.search import RandomSearch, Strategy
from faultfield.study import Silent, Study, StudyConfig, run_all, stages
from faultfield.study.field_search import FieldSearch
from faultfield.study.hunt import Hunted, hunt
from faultfield.study.seeds import HUNT_SEED
from faultfield.study.strategies import STRATEGIES
from faultfield.variations import Variation
from tests.toy import PointPolicy, PointReach

TEXT = """
policy: {type: "tests.toy:PointPolicy"}
environment: {type: "tests.toy:PointReach"}
known: {goal_color: [red, green, orange], brightness: [0.3, 0.9]}
unseen: {brightness: {low: 0.2, high: 0.95, count: 4}}
rollouts: {per_variation: 3, nominal: 20, workers: 1}
controls: {expert: {type: "tests.toy:PointExpert"}, per_variation: 3}
field: {steps: 10}
search: {strategy: ppo, steps: 500}
"""


def opened(directory: Path) -> Study:
    return Study(StudyConfig.parse(TEXT, "here"), directory)


def hunts(study: Study, **settings: object) -> Hunted:
    return hunt(study, **{"budget": 24, "progress": Silent(), **settings})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Hunted]:
    study = opened(tmp_path_factory.mktemp("hunt") / "whole")
    return study, hunts(study)


def test_it_spends_the_budget_and_its_finds_are_failures(whole: tuple[Study, Hunted]) -> None:
    study, found = whole
    rolled = study.ledger.episodes(stage="hunt", load="none")
    assert found.rollouts == len(rolled) == 24
    assert all(e.seed in own_scenes(e.variation, HUNT_SEED, 20) for e in rolled)
    assert len({e.seed for e in rolled}) == 24, "no scene decides about two variations"
    assert found.nominal == (0, 20)
    assert found.bound == pytest.approx(0.1611, abs=1e-4)
    assert len(found.finds) >= 6
    policy = PointPolicy()
    for find in found.finds:
        mine = [e for e in rolled if e.variation == find.variation]
        assert sum(not e.success for e in mine) >= find.failures >= 2
        assert policy.failure_rate(find.variation) > 0.16 or "wind" in find.variation


def test_it_finds_more_than_chance(whole: tuple[Study, Hunted], tmp_path: Path) -> None:
    _, found = whole
    chance = hunts(opened(tmp_path / "random"), strategy="random")
    assert len(found.finds) > len(chance.finds)


def test_what_the_expert_cannot_do_is_no_weakness(whole: tuple[Study, Hunted]) -> None:
    study, found = whole
    tried = {e.variation for e in study.ledger.episodes(stage="expert", load="none")}
    assert {find.variation for find in found.finds} <= tried
    for judged in found.feasible:
        wind = float(judged.variation.get("wind", 0.0))  # type: ignore[arg-type]
        assert judged.infeasible == (wind >= 1.0) or 0.8 < wind < 1.2
    assert found.distinct <= len(set(found.cells))


class Killed(Exception):
    pass


class Dying(Silent):
    """Ends the process, so to say, after some rollouts."""

    def __init__(self, after: int) -> None:
        self.after = after

    @contextmanager
    def task(self, name: str, total: int) -> Iterator:
        def update(done: int) -> None:
            if name == "Hunting" and done >= self.after:
                raise Killed

        yield update


def test_killed_and_run_again_it_ends_the_same(whole: tuple[Study, Hunted], tmp_path: Path) -> None:
    study, found = whole
    again = opened(tmp_path / "killed")
    for after in (5, 14):
        with pytest.raises(Killed):
            hunts(again, progress=Dying(after))
    rolled = len(again.ledger.episodes(stage="hunt", load="none"))
    assert 14 <= rolled < 24
    assert hunts(again).to_json() == found.to_json()
    assert again.ledger.fingerprint() == study.ledger.fingerprint()
    longer = hunts(again, budget=30)
    assert longer.finds[: len(found.finds)] == found.finds
    assert len(again.ledger.episodes(stage="hunt", load="none")) == 30


def test_it_goes_on_when_others_were_collected_meanwhile(tmp_path: Path) -> None:
    study = opened(tmp_path / "between")
    short = hunts(study, budget=12)
    stages.collect(study, Silent())
    longer = hunts(study, budget=16)
    assert longer.finds[: len(short.finds)] == short.finds
    assert len(study.ledger.episodes(stage="hunt", load="none")) == 16
    assert {*study.known} <= {e.variation for e in study.ledger.episodes("known", load="none")}, "there is more to know"


def test_another_estimator_begins_with_what_is_known_by_then(tmp_path: Path) -> None:
    def begun(study: Study) -> set[str]:
        return {file.name for file in (study.directory / "hunts").iterdir()}

    with opened(tmp_path / "first") as study:
        hunts(study, budget=2)
        first = begun(study)
    config = study.config.model_copy(
        update={"diagnosis": study.config.diagnosis.model_copy(update={"estimator": "values-logistic"})}
    )
    with Study(config, study.directory) as other:
        stages.collect(other, Silent())
        hunts(other, budget=2)
        assert len(begun(other) - first) == 1
        named = config.diagnosis.model_copy(update={"folds": 3})
        with Study(config.model_copy(update={"diagnosis": named}), study.directory) as third:
            hunts(third, budget=2)
            assert len(begun(third)) == 3


def test_two_hunts_of_one_study_share_what_both_ask_for(tmp_path: Path) -> None:
    study = opened(tmp_path / "two")

    class Beside(Silent):
        """Another hunt that rolls out the same before this one comes to it."""

        @contextmanager
        def task(self, name: str, total: int) -> Iterator:
            if name == "Hunting":
                hunts(Study(study.config, study.directory), strategy="sobol", budget=8)
            yield lambda done: None

    alone = hunts(opened(tmp_path / "one"), strategy="sobol", budget=8)
    with_nominal = stages.collect_nominal(study, Silent())
    assert with_nominal
    assert hunts(study, strategy="sobol", budget=8, progress=Beside()).to_json() == alone.to_json()
    assert len(study.ledger.episodes(stage="hunt", load="none")) == 8


@pytest.mark.parametrize("strategy", ["random", "sobol", "forest"])
def test_no_more_factors_change_than_one_asks_for(strategy: str, tmp_path: Path) -> None:
    study = opened(tmp_path / strategy)
    hunts(study, strategy=strategy, budget=12, order=1)
    assert {len(e.variation) for e in study.ledger.episodes(stage="hunt", load="none")} == {1}


def test_what_it_tried_is_learned_from(whole: tuple[Study, Hunted]) -> None:
    study, _ = whole
    assert "hunt" in {e.stage for e in stages.evidence(study)}


@pytest.mark.parametrize("strategy", ["sobol", "map-elites", "forest"])
def test_other_strategies_spend_the_same_budget(strategy: str, tmp_path: Path) -> None:
    study = opened(tmp_path / strategy)
    found = hunts(study, strategy=strategy, budget=8, with_probe=strategy != "sobol")
    assert (found.strategy, found.rollouts) == (strategy, 8)


def test_the_diagnostic_policy_searches_a_field_that_learns(tmp_path: Path) -> None:
    study = opened(tmp_path / "diagnostic")
    assert hunts(study, strategy="diagnostic", budget=4).rollouts == 4


def test_its_candidates_do_not_run_out() -> None:
    space = PointReach().variation_space
    bank = SimpleNamespace(field=lambda episodes: None, embed=lambda field, variations: np.zeros((len(variations), 2)))
    strategy = FieldSearch(space, bank, pool_size=8)  # type: ignore[arg-type]
    assert len(set(strategy.ask(6) + strategy.ask(6) + strategy.ask(20))) == 32


class Astray(Strategy):
    def ask(self, count: int) -> list[Variation]:
        return [Variation({"brightness": 7.0})]

    def tell(self, episodes: object) -> None:
        pass


class Mute(Astray):
    def ask(self, count: int) -> list[Variation]:
        return None  # type: ignore[return-value]


class Listening(RandomSearch):
    heard: ClassVar[list[list[Episode]]] = []

    def tell(self, episodes: Sequence[Episode]) -> None:
        self.heard.append(list(episodes))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"budget": 1}, "budget of 1 rollouts is smaller than one variation"),
        ({"strategy": "sobl"}, "no strategy 'sobl'; known are random, "),
        ({"strategy": "random", "with_probe": True}, "RandomSearch takes no features"),
        ({"strategy": "tests.study.test_hunt:Astray"}, "Astray asked for a variation outside the space"),
        ({"strategy": "tests.study.test_hunt:Mute"}, r"Mute must answer ask\(4\) with a list of variations, not None"),
        ({"failures": 30, "budget": 40}, "at most 20 failed episodes, not 30"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(settings: dict[str, object], says: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=says):
        hunts(opened(tmp_path / "wrong"), **settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"estimator": "prob"}, "no estimator 'prob'"),
        ({"strategy": "builtins:dict"}, "dict cannot be built from a space and a seed"),
        ({"strategy": "types:SimpleNamespace"}, "SimpleNamespace cannot be built"),
        ({"strategy": "builtins:slice"}, r"slice must be a faultfield\.search\.Strategy"),
        ({"order": 0}, "changes one factor at least, not 0"),
        ({"strategy": "tests.study.test_hunt:Mute", "order": 1}, "Mute takes no order; leave --order out"),
        ({"strategy": "grid", "with_probe": True}, "GridSearch takes no features"),
        ({"with_probe": True}, "asks the probe by itself"),
        ({"strategy": "random", "estimator": "probe"}, "Only the strategy 'hunt' takes an estimator"),
    ],
)
def test_options_that_make_no_sense_are_told_before_anything_is_rolled_out(
    settings: dict[str, object], says: str, tmp_path: Path
) -> None:
    study = opened(tmp_path / "wrong")
    with pytest.raises(StudyError, match=says):
        hunts(study, **settings)
    assert not study.ledger.episodes()


def test_every_strategy_is_told_what_the_study_knows(whole: tuple[Study, Hunted], tmp_path: Path) -> None:
    study = opened(tmp_path / "known")
    known = stages.collect_nominal(study, Silent())
    Listening.heard = []
    hunts(study, strategy="tests.study.test_hunt:Listening")
    assert {episode.key for episode in known} <= {episode.key for episode in Listening.heard[0]}


def test_names_lead_to_strategies() -> None:
    from faultfield import plugins

    assert all(issubclass(plugins.load(name), Strategy) for name in STRATEGIES.values())  # type: ignore[arg-type]


def test_what_a_hunt_found_and_nobody_can_do_is_no_known_weakness(tmp_path: Path) -> None:
    study = opened(tmp_path / "found")
    found = hunts(study, budget=60)
    lost = {judged.variation for judged in found.feasible if judged.infeasible}
    assert lost, "the toy's wind is too strong for its expert, and nothing of it was found"
    diagnosis = run_all(study, Silent())
    known = {study.space.variation(each.variation): each for each in diagnosis.known}
    assert lost <= set(known)
    assert all(known[variation].infeasible for variation in lost)
    assert not any(known[judged.variation].infeasible for judged in found.feasible if judged.variation not in lost)
    assert {variation for variation, each in known.items() if each.sought} == {*known} - {*study.known}
    assert any("sought by a hunt" in line for line in diagnosis.caveats)


def test_finds_are_confirmed_on_scenes_that_they_have_not_met(whole: tuple[Study, Hunted]) -> None:
    study, found = whole
    hunted = {(e.variation, e.seed) for e in study.ledger.episodes(stage="hunt", load="none")}
    again = hunts(study, confirm=6)
    assert again.finds == found.finds
    assert [(o.variation, o.episodes) for o in again.confirmed] == [(find.variation, 6) for find in found.finds]
    fresh = {(e.variation, e.seed) for e in study.ledger.episodes(stage="verify", load="none")}
    assert len(fresh) == 6 * len(found.finds)
    assert not fresh & hunted
    row, outcome = again.to_json()["found"][0], again.confirmed[0]
    low, high = outcome.interval()
    assert row["confirmed"] == {"failures": outcome.failures, "episodes": 6, "low": low, "high": high}
    assert hunts(study).to_json() == found.to_json(), "nothing was learned from them"


class Judging(RandomSearch):
    """Remembers what it was told to disregard, and how many rollouts it knew then."""

    told: ClassVar[list[Variation]] = []

    def disregard(self, variations: Sequence[Variation]) -> None:
        self.told.extend(variations)


def test_a_strategy_hears_at_once_what_the_expert_cannot_do_either(tmp_path: Path) -> None:
    found = hunts(opened(tmp_path / "judged"), strategy="tests.study.test_hunt:Judging", budget=60)
    assert Judging.told == [judged.variation for judged in found.feasible if judged.infeasible]
    assert Judging.told


def test_the_command_prints_json_and_nothing_else(whole: tuple[Study, Hunted]) -> None:
    study, found = whole
    done = CliRunner().invoke(app, ["hunt", str(study.directory), "--budget", "24", "--json"])
    assert done.exit_code == 0
    content = json.loads(done.stdout)
    assert content == json.loads(json.dumps(found.to_json()))
    assert content["nominal"] == {"failures": 0, "episodes": 20, "high": found.bound}
    text = CliRunner().invoke(app, ["hunt", str(study.directory), "--budget", "24"]).stdout
    assert f"{found.distinct} distinct verified failures in 24 rollouts" in text
