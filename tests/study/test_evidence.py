"""What a study takes for known, and whose outcomes it takes for the expert's."""

from dataclasses import replace
from pathlib import Path

from faultfield.rollouts.episode import Episode
from faultfield.study import Study, StudyConfig, stages
from faultfield.study.candidates import candidates
from faultfield.variations import NOMINAL, Variation

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


def test_an_expert_that_was_replaced_has_no_say(tmp_path: Path) -> None:
    study = opened(tmp_path)
    red = study.space.variation({"goal_color": "red"})
    own = replace(
        rolled(study, red, "expert"), policy=stages.control_spec(study, "expert").fingerprint,
        environment=study.identity["environment"],
    )  # fmt: skip
    study.ledger.append(replace(own, policy="the one before", success=False))
    assert stages.control_episodes(study, "expert") == []
    study.ledger.append(replace(own, seed=1))
    assert [e.seed for e in stages.control_episodes(study, "expert")] == [1]
    without = opened(tmp_path, FILE.replace('controls: {expert: {type: "tests.toy:PointExpert"}}', ""))
    assert stages.control_episodes(without, "expert") == []
