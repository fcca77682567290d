"""`faultfield explain` on whole studies: a simulator's, and the toy's with its report."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from faultfield.cli import main
from faultfield.detector import checkpoint
from faultfield.diagnosis.result import Diagnosis
from faultfield.faults.pictures import read_picture
from faultfield.rollouts.clip import episode_id
from faultfield.study import Silent, Study, stages
from tests.detector import pockets

LIFT = """
policy: {type: "faultfield.policies.scripted:ScriptedLift"}
environment: {type: "faultfield.envs.robosuite:Robosuite", task: Lift, images: false}
known: {table_color: [red]}
unseen: {table_color: [blue]}
rollouts: {per_variation: 1, nominal: 1, workers: 1}
"""
QUICK = ("--rounds", "1", "--samples", "1")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detector")
    checkpoint.save(pockets.model(), folder)
    return folder


class Explain:
    """Runs `faultfield explain … --json` in this process: what it printed, and what it told on standard error."""

    def __init__(self, detector: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._detector, self._monkeypatch, self._capsys = detector, monkeypatch, capsys

    def __call__(self, folder: Path, *more: str) -> tuple[dict, str]:
        arguments = ["faultfield", "explain", str(folder), "--model", str(self._detector), "--json", *QUICK, *more]
        self._monkeypatch.setattr(sys, "argv", arguments)
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = self._capsys.readouterr()
        assert not ended.value.code, printed.err
        return json.loads(printed.out), printed.err


@pytest.fixture
def explain(detector: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Explain:
    return Explain(detector, monkeypatch, capsys)


@pytest.mark.slow
def test_a_simulators_episodes_are_watched_anew_and_their_verdicts_kept(explain: Explain, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (tmp_path / "lift.yaml").write_text(LIFT)
    with Study.open(tmp_path / "lift.yaml", folder) as study:
        stages.collect(study, Silent())
        study.env.close()
    said, told = explain(folder)
    assert "2 new verdicts, 2 in all" in told
    assert "Left out" not in told
    with Study.open(folder) as study:
        episodes = study.ledger.episodes(load="none")
        judgements = study.ledger.judgements()
        frame = study.ledger.to_pandas()
    assert [each["id"] for each in said["verdicts"]] == [episode_id(episode) for episode in episodes]
    assert frame.failure_probability.tolist() == [each["failure_probability"] for each in said["verdicts"]]
    nominal, red = (read_picture(judgements[episode.key].shown) for episode in episodes)  # type: ignore[arg-type]
    assert nominal.shape == (3 * 84, 2 * 84, 3), "three cameras at the two moments that this detector looks at"
    share = [(picture[..., 0] > picture[..., 1:].max(axis=2).astype(int) + 100).mean() for picture in (nominal, red)]
    assert share[1] > 0.3 > 0.05 > share[0], "a table is red under its own variation alone"
    again, told = explain(folder)
    assert again == said
    assert "0 new verdicts, 2 in all" in told


def test_the_report_of_a_study_tells_what_the_detector_said(explain: Explain, study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "point"
    shutil.copytree(study, copy)
    before = Diagnosis.read(copy / "diagnosis.json")
    assert before.detector is None
    assert "Detector agrees" not in (copy / "report.html").read_text()
    said, _ = explain(copy, "--limit", "13", "--batch", "4", "--workers", "1")
    verdicts = said["verdicts"]
    after = Diagnosis.read(copy / "diagnosis.json")
    assert after.detector is not None
    assert after.detector.episodes == len(verdicts) == 13
    assert sum(e.verdicts.judged for e in [*after.known, *after.ranking] if e.verdicts) == 12, "the nominal one aside"
    assert after.fingerprint == before.fingerprint
    page = (copy / "report.html").read_text()
    assert "Detector agrees" in page
    failures = [e for e in [*after.known, *after.ranking] if e.verdicts and e.verdicts.failures]
    assert page.count('class="heard"') == len(failures) > 0
