"""What a study takes for known, and whose outcomes it takes for the expert's."""

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from faultfield.diagnosis.base import Estimates
from faultfield.diagnosis.selection import select
from faultfield.errors import StudyError
from faultfield.rollouts.episode import Episode
from faultfield.study import Silent, Study, StudyConfig, controls, stages
from faultfield.study.ask import roll_out
from faultfield.study.assemble import _caveats
from faultfield.study.candidates import candidates
from faultfield.study.diagnose import _verify, diagnose, run_all
from faultfield.study.ranking import Ranking, _scores, ranking_stamp
from faultfield.study.seeds import VERIFY_SEED
from faultfield.variations import NOMINAL, Variation
from tests.diagnosis.test_calibration import Always

FILE = """
policy: {type: "tests.toy:PointPolicy"}
environment: {type: "tests.toy:PointReach"}
known: {goal_color: [red, blue]}
unseen: {goal_color: [yellow, cyan], brightness: [0.4]}
controls: {expert: {type: "tests.toy:PointExpert"}}
diagnosis: {pairs: 3}
"""


def opened(path: Path, text: str = FILE) -> Study:
    return Study(StudyConfig.parse(text, "here"), path / "study")


def rolled(study: Study, variation: Variation, stage: str, seed: int = 0) -> Episode:
    return Episode(variation, seed, True, 5, study.identity["policy"], study.identity["environment"], stage)


def test_what_was_rolled_out_to_learn_from_is_no_candidate(tmp_path: Path) -> None:
    study = opened(tmp_path)
    study.ledger.append(rolled(study, NOMINAL, "known"))
    before = candidates(study)
    yellow, dark = study.space.variation({"goal_color": "yellow"}), study.space.variation({"brightness": 0.4})
    pair = next(v for v in before if len(v) == 2)
    for variation, stage in ((yellow, "hunt"), (pair, "check"), (dark, "verify")):
        study.ledger.append(rolled(study, variation, stage))
    assert candidates(study) == [v for v in before if v not in (yellow, pair)]
    assert dark in before, "what was verified was not learned from"


def test_candidates_may_come_from_the_whole_space(tmp_path: Path) -> None:
    listed = candidates(begun(tmp_path / "listed", FILE))
    study = begun(tmp_path / "sampled", FILE.replace("pairs: 3", "pairs: 3, sampled: 20"))
    found = candidates(study)
    assert found[: len(listed)] == listed
    drawn = found[len(listed) :]
    assert 15 <= len(drawn) <= 20
    assert len(set(found)) == len(found)
    assert {len(v) for v in drawn} == {1, 2}
    assert not set(drawn) & set(study.known)
    assert candidates(study) == found, "drawn again, they are the same"


def begun(path: Path, text: str) -> Study:
    study = opened(path, text)
    study.ledger.append(rolled(study, NOMINAL, "known"))
    return study


def test_an_expert_that_was_replaced_has_no_say(tmp_path: Path) -> None:
    study = opened(tmp_path)
    red = study.space.variation({"goal_color": "red"})
    own = replace(
        rolled(study, red, "expert"), policy=controls.policy_spec(study, "expert").fingerprint,
        environment=study.identity["environment"],
    )  # fmt: skip
    study.ledger.append(replace(own, policy="the one before", success=False))
    assert controls.episodes(study, "expert") == []
    study.ledger.append(replace(own, seed=1))
    assert [e.seed for e in controls.episodes(study, "expert")] == [1]
    without = opened(tmp_path, FILE.replace('controls: {expert: {type: "tests.toy:PointExpert"}}', ""))
    assert controls.episodes(without, "expert") == []


def test_a_range_that_steps_on_nothing_changed_asks_for_no_such_candidate(tmp_path: Path) -> None:
    study = opened(tmp_path, FILE.replace("brightness: [0.4]", "brightness: {low: 0.4, high: 1.0, count: 3}"))
    study.ledger.append(rolled(study, NOMINAL, "known"))
    asked = candidates(study)
    assert {v["brightness"] for v in asked if len(v) == 1 and "brightness" in v} == {0.4, 0.7}
    assert all(study.space.changed(v) == v for v in asked)


def test_what_was_made_of_other_episodes_is_not_ranked_with(tmp_path: Path) -> None:
    study = opened(tmp_path, FILE + "field: {steps: 5}\nsearch: {strategy: ppo, steps: 64}\n")
    with study:
        stages.collect(study, Silent())
        with pytest.raises(StudyError, match="run 'faultfield fit "):
            stages.check_current(study)
        stages.fit(study, Silent())
        with pytest.raises(StudyError, match="run 'faultfield search "):
            diagnose(study, Silent())
        stages.search(study, Silent())
        stages.check_current(study)
        study.ledger.append(rolled(study, study.space.variation({"goal_color": "yellow"}), "hunt"))
        with pytest.raises(StudyError, match="was not made from"):
            diagnose(study, Silent())


TRAINED = FILE + "field: {steps: 5}\nsearch: {strategy: ppo, steps: 64}\n"


def trained(path: Path, text: str = TRAINED) -> Study:
    study = opened(path, text)
    stages.collect(study, Silent())
    stages.fit(study, Silent())
    stages.search(study, Silent())
    return study


def test_a_search_takes_no_field_of_other_episodes(tmp_path: Path) -> None:
    with trained(tmp_path) as study:
        study.ledger.append(rolled(study, study.space.variation({"goal_color": "yellow"}), "hunt"))
        with pytest.raises(StudyError, match="run 'faultfield fit "):
            stages.search(study, Silent())


def test_a_ranking_that_is_there_is_not_shown_beside_another_field(tmp_path: Path) -> None:
    with trained(tmp_path) as study:
        diagnose(study, Silent())
    with opened(tmp_path, TRAINED.replace("steps: 5", "steps: 6")) as study:
        stages.fit(study, Silent())
    with opened(tmp_path, TRAINED) as study, pytest.raises(StudyError, match="run 'faultfield fit "):
        diagnose(study, Silent())


def test_a_ranking_is_not_kept_when_its_estimator_was_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    source = "from faultfield.diagnosis.values import ValuesForest\n\n\nclass Mine(ValuesForest):\n    pass\n"
    (tmp_path / "my_estimator.py").write_text(source)
    study = begun(tmp_path, FILE.replace("pairs: 3", 'pairs: 3, estimator: "my_estimator:Mine"'))
    before = ranking_stamp(study, candidates(study))
    assert ranking_stamp(study, candidates(study)) == before
    (tmp_path / "my_estimator.py").write_text(source + "    other = 1\n")
    assert ranking_stamp(study, candidates(study)) != before


@pytest.mark.parametrize("gone", ["field", "states.npz", "diagnostic"])
def test_what_was_deleted_is_made_again(gone: str, tmp_path: Path) -> None:
    with trained(tmp_path) as study:
        place = study.directory / gone
        shutil.rmtree(place) if place.is_dir() else place.unlink()
        with pytest.raises(StudyError, match="first, or 'faultfield run "):
            stages.check_current(study)
        stages.fit(study, Silent())
        stages.search(study, Silent())
        stages.check_current(study)


def test_what_a_kill_left_half_made_counts_as_not_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with trained(tmp_path) as study:
        monkeypatch.setattr("faultfield.study.directory.Study.mark_done", killed)
        with opened(tmp_path, TRAINED.replace("steps: 5", "steps: 6")) as other, pytest.raises(KeyboardInterrupt):
            stages.fit(other, Silent())
        with pytest.raises(StudyError, match="run 'faultfield fit "):
            stages.check_current(study)


def test_nominal_episodes_that_were_kept_of_a_check_count(tmp_path: Path) -> None:
    how = {"episodes": 20, "seed": 0, "keep": True, "role": "policy", "progress": Silent()}
    with opened(tmp_path, TRAINED) as study:
        roll_out(study, [NOMINAL], **how)  # type: ignore[arg-type]
        nominal = stages.collect_nominal(study, Silent())
        assert [episode.seed for episode in nominal] == list(range(20))
        assert all(episode.trajectory is not None for episode in nominal)
        assert nominal[0].stage == "check"
        stages.collect(study, Silent())
        stages.fit(study, Silent())


def test_a_policy_that_never_succeeds_is_told_before_all_is_rolled_out(tmp_path: Path) -> None:
    with (
        opened(tmp_path, TRAINED.replace("tests.toy:PointPolicy", "tests.toy:PointBlind")) as study,
        pytest.raises(StudyError, match="fails in all 20 nominal episodes"),
    ):
        run_all(study, Silent())
    assert len(study.ledger) == 20


def test_what_is_learned_is_judged_by_the_experts_episodes_that_are_shown(tmp_path: Path) -> None:
    study = opened(tmp_path)
    red = study.space.variation({"goal_color": "red"})
    study.ledger.append(rolled(study, NOMINAL, "known"))
    study.ledger.append(rolled(study, red, "known"))
    who, where = controls.policy_spec(study, "expert").fingerprint, controls.env_spec(study).fingerprint
    own = replace(rolled(study, red, "expert"), policy=who, environment=where)
    # On the usual scenes two of five fail, on those of a verification four of five.
    outcomes = [(seed, seed > 1) for seed in range(5)] + [(VERIFY_SEED + seed, seed > 3) for seed in range(5)]
    for seed, success in outcomes:
        study.ledger.append(replace(own, seed=seed, success=success))
    assert red in {episode.variation for episode in stages.evidence(study)}


@pytest.mark.parametrize("seed", [99_999, 250_000, 300_000, 999_999, 9_999_999, 11_000_000])
def test_what_is_judged_on_is_not_kept_to_be_learned_from(seed: int, tmp_path: Path) -> None:
    study = opened(tmp_path)
    asked = [study.space.variation({"goal_color": "red"})]
    how = {"episodes": 2, "role": "policy", "progress": Silent()}
    with study:
        with pytest.raises(StudyError, match="take seeds from 1000000 to 9999999, or below 100000"):
            roll_out(study, asked, seed=seed, keep=True, **how)  # type: ignore[arg-type]
        assert roll_out(study, asked, seed=seed, keep=False, **how)[0]["episodes"] == 2  # type: ignore[arg-type]
        for free in (99_998, 1_000_000):
            assert roll_out(study, asked, seed=free, keep=True, **how)[0]["episodes"] == 2  # type: ignore[arg-type]


def test_an_expert_counts_where_the_study_puts_it_now(tmp_path: Path) -> None:
    how = {"episodes": 2, "seed": 1_000_000, "keep": False, "role": "expert", "progress": Silent()}
    for horizon in (20, 21):
        place = f"controls: {{environment: {{horizon: {horizon}}}, expert: "
        with opened(tmp_path, FILE.replace("controls: {expert: ", place)) as study:
            red = [study.space.variation({"goal_color": "red"})]
            assert roll_out(study, red, **how)[0]["episodes"] == 2  # type: ignore[arg-type]


def test_what_is_told_of_estimators_is_what_they_were_chosen_by(tmp_path: Path) -> None:
    study = opened(tmp_path)
    red, blue = (study.space.variation({"goal_color": color}) for color in ("red", "blue"))
    episodes = [replace(rolled(study, v, "known", seed), success=v != red) for v in (NOMINAL, red) for seed in range(9)]
    selection = select({"always": lambda: Always(0.9)}, [*episodes, rolled(study, blue, "hunt")], draws=20)
    (score,) = selection.scores
    assert score.brier.value == pytest.approx((9 * 0.1**2 + 0.9**2) / 10), "nine episodes count more than one"
    assert _scores(selection)["always"]["brier"] == score.brier.value


def test_what_was_verified_stays_verified_when_others_rank_higher(tmp_path: Path) -> None:
    study = opened(tmp_path, FILE.replace("pairs: 3", "verify: 1, spread: 0, episodes: 3"))
    yellow, cyan, dark = candidates_of(study)
    for seed in range(3):
        study.ledger.append(rolled(study, yellow, "verify", VERIFY_SEED + seed))
    # Fewer than a verification has are no verification.
    study.ledger.append(rolled(study, dark, "verify", VERIFY_SEED))
    ranking = SimpleNamespace(candidates=[yellow, cyan, dark], order=[1, 0, 2])
    feasible = {v.key: SimpleNamespace(infeasible=False) for v in ranking.candidates}
    found = _verify(study, ranking, feasible, Silent())  # type: ignore[arg-type]
    assert {key: outcome.episodes for key, outcome in found.items()} == {yellow.key: 3, cyan.key: 3}


def candidates_of(study: Study) -> list[Variation]:
    study.ledger.append(rolled(study, NOMINAL, "known"))
    return candidates(study)


@pytest.mark.parametrize(("known", "told"), [(4, True), (9, True), (10, False)])
def test_intervals_from_few_known_variations_are_said_to_be_too_narrow(known: int, told: bool, tmp_path: Path) -> None:
    nothing = Estimates(*(np.empty(0) for _ in range(4)))
    held_out = {str(number): 0.1 for number in range(known)}
    lines = _caveats(Ranking([], nothing, [], "probe", "", {}, held_out), {}, opened(tmp_path), 0)
    narrow = [line for line in lines if "too narrow" in line]
    assert len(narrow) == told
    assert all(f"calibrated on {known} known variations" in line for line in narrow)
