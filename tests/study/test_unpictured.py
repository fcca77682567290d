"""A study of an environment that cannot picture stored states, as a real robot cannot."""

from pathlib import Path

import pytest

from faultfield.errors import SetupError, StudyError
from faultfield.study import Silent, Study, StudyConfig, run_all, stages
from faultfield.study.ask import predict
from faultfield.study.hunt import hunt

FILE = """
policy: {type: "tests.toy:PointPolicy"}
environment: {type: "tests.toy:UnpicturedReach"}
known: {goal_color: [red, blue, orange, [0.9, 0.2, 0.2]], brightness: [0.9, 0.6, 0.4, 0.2], wind: [0.3, 1.5]}
unseen: {brightness: [0.3, 0.8], wind: [1.8, 0.1]}
controls: {expert: {type: "tests.toy:PointExpert"}}
rollouts: {nominal: 10, per_variation: 5, workers: 1}
diagnosis: {verify: 1, spread: 1}
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(StudyConfig.parse(FILE, "here"), tmp_path / "study")


def test_it_is_diagnosed_by_the_values_of_factors(study: Study) -> None:
    with study:
        found = run_all(study, Silent())
        assert found.selection is not None
        assert [score.estimator for score in found.selection.scores] == ["values"]
        assert (found.field, found.map, found.probe) == (None, None, None)
        assert {entry.density for entry in found.ranking} == {None}
        expected = {entry.variation.get("brightness"): entry.failure_probability for entry in found.ranking}
        assert expected[0.3] > expected[0.8]
        assert found.ranking[0].text in (study.directory / "report.html").read_text()
        assert run_all(study, Silent()).fingerprint == found.fingerprint
        dark, light = (study.space.variation({"brightness": value}) for value in (0.25, 0.95))
        rows = predict(study, [dark, light])
        assert rows[0]["failure_probability"] > rows[1]["failure_probability"]


def test_a_hunt_goes_by_the_values_of_factors(study: Study) -> None:
    with study:
        found = hunt(study, budget=24, progress=Silent())
        assert found.rollouts == 24
        assert found.distinct > 0


def test_what_looks_at_pictures_is_refused(study: Study) -> None:
    with study:
        for how in ({"strategy": "diagnostic"}, {"estimator": "probe"}, {"strategy": "forest", "with_probe": True}):
            with pytest.raises(StudyError, match=r"no snapshot\(\) and observe\(\), so variations cannot be pictured"):
                hunt(study, budget=24, progress=Silent(), **how)  # type: ignore[arg-type]
        assert len(study.ledger) == 0
        stages.collect(study, Silent())
        for stage in (stages.fit, stages.search):
            with pytest.raises(StudyError, match=r"'faultfield diagnose .*' ranks by the values of factors alone"):
                stage(study, Silent())
        with pytest.raises(SetupError, match="use estimators on texts or values"):
            predict(study, [study.space.variation({"brightness": 0.25})], estimator="probe")
