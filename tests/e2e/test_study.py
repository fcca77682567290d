"""A whole study through the command line: results, resumption, repetition, and questions to it."""

import json
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faultfield.diagnosis.result import Diagnosis
from faultfield.rollouts.ledger import Ledger
from faultfield.study import Study
from tests.e2e.conftest import ROOT, Cli
from tests.toy import PointPolicy, PointReach


def test_a_run_leaves_a_whole_diagnosis(study: Path) -> None:
    diagnosis = Diagnosis.read(study / "diagnosis.json")
    assert diagnosis.nominal.episodes == 6
    assert len(diagnosis.known) == 12
    assert len(diagnosis.ranking) == 12, "one of the brightnesses asked for is known already"
    verified = [entry for entry in diagnosis.ranking if entry.verified]
    assert len(verified) == 5
    assert all(entry.verified.episodes == 5 for entry in verified if entry.verified)
    assert (study / "report.html").stat().st_size > 10_000
    infeasible = [entry for entry in diagnosis.ranking if entry.infeasible]
    assert {"wind": 1.5} in [entry.variation for entry in infeasible], "against this wind the expert fails too"
    assert all(entry.rank is None for entry in infeasible)


def test_the_ranking_follows_the_true_failure_rates(study: Path) -> None:
    """The toy's failure rates are known in closed form; what the probe can see must be ranked by them."""
    policy, space = PointPolicy(), PointReach().variation_space
    entries = [e for e in Diagnosis.read(study / "diagnosis.json").ranking if e.visible]
    truth = {e.key: policy.failure_rate(space.variation(e.variation)) for e in entries}
    wrong = [
        (a.text, b.text)
        for a in entries for b in entries
        if truth[a.key] > truth[b.key] + 0.5 and a.failure_probability <= b.failure_probability
    ]  # fmt: skip
    assert not wrong


def test_running_again_changes_nothing_and_rolls_out_nothing(cli: Cli, study: Path) -> None:
    before = Diagnosis.read(study / "diagnosis.json").fingerprint
    rows = len(Ledger(study / "ledger"))
    cli("run", study)
    assert Diagnosis.read(study / "diagnosis.json").fingerprint == before
    assert len(Ledger(study / "ledger")) == rows


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_ten_random_moments_and_resumed_it_ends_the_same(cli: Cli, study: Path, study_file: Path) -> None:
    resumed = study_file.parent / "killed" / "point"
    rng = random.Random(0)
    for _ in range(10):
        process = subprocess.Popen(
            cli.command("run", study_file, "--out", resumed),
            cwd=ROOT, env=cli.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(timeout=rng.uniform(1.0, 12.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
    cli("run", study_file, "--out", resumed)
    whole, again = (Diagnosis.read(folder / "diagnosis.json") for folder in (study, resumed))
    assert Ledger(resumed / "ledger").fingerprint() == Ledger(study / "ledger").fingerprint()
    same = {"created", "study"}
    assert again.model_dump(exclude=same) == whole.model_dump(exclude=same)


def test_predict_prints_json_and_nothing_else(cli: Cli, study: Path, tmp_path: Path) -> None:
    file = tmp_path / "asked.yaml"
    file.write_text("- {goal_color: [0.0, 1.0, 0.0]}\n- {goal_color: red, brightness: 0.95}\n- {}\n- {wind: 0.7}\n")
    rows = json.loads(cli("predict", study, "--variations", file, "--json").stdout)["variations"]
    assert [row["variation"] for row in rows] == [
        {"goal_color": [0.0, 1.0, 0.0]}, {"brightness": 0.95, "goal_color": "red"}, {}, {"wind": 0.7},
    ]  # fmt: skip
    assert set(rows[0]) == {"variation", "text", "failure_probability", "low", "high", "support"}
    assert all(0 <= r["low"] <= r["failure_probability"] <= r["high"] <= 1 for r in rows)
    assert rows[0]["failure_probability"] > 0.7 > 0.4 > rows[1]["failure_probability"]


def test_rollout_counts_what_happens_and_keeps_it_when_told(cli: Cli, study: Path, tmp_path: Path) -> None:
    copy = tmp_path / "point"
    shutil.copytree(study, copy)
    file = tmp_path / "asked.yaml"
    file.write_text("- {goal_color: blue}\n- {goal_color: red}\n")
    arguments = ("rollout", copy, "--variations", file, "--episodes", "4", "--seed", "77", "--json")
    rows = len(Ledger(copy / "ledger"))
    blue, red = json.loads(cli(*arguments).stdout)["variations"]
    assert (blue["episodes"], blue["failures"], red["failures"]) == (4, 4, 0)
    assert blue["low"] == pytest.approx(0.5101, abs=1e-3), "Wilson interval of 4 of 4"
    assert len(Ledger(copy / "ledger")) == rows
    assert json.loads(cli(*arguments, "--keep").stdout)["variations"] == [blue, red]
    assert len(Ledger(copy / "ledger")) == rows + 8
    cli("fit", copy)
    shutil.rmtree(copy / "diagnostic")
    assert f"run 'faultfield search {copy}' first" in cli("diagnose", copy, code=2).stderr.replace("\n", " ")


def test_a_study_of_another_policy_is_refused(cli: Cli, study: Path, study_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(study_file.read_text().replace('"tests.toy:PointPolicy"', '"tests.toy:PointPolicy", chunk: 2'))
    message = cli("run", other, "--out", study, code=2).stderr
    assert "another policy" in message
    assert "--out" in message


def test_a_studied_directory_takes_no_other_policy(cli: Cli, study: Path) -> None:
    message = cli("run", study, "--policy", "tests.toy:PointPolicy", code=2).stderr
    assert "give the study's file" in message


def test_a_policy_that_is_not_there_is_named(cli: Cli, study_file: Path, tmp_path: Path) -> None:
    message = cli("run", study_file, "--policy", "models/nowhere", "--out", tmp_path / "out", code=2).stderr
    assert "models/nowhere" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("brightness: [0.3", "brightness: [7.0"), "brightness"),
        (("goal_color: [red", "goal_colour: [red"), "did you mean 'goal_color'"),
        (("tests.toy:PointPolicy", "tests.toy:Nobody"), "no 'Nobody'"),
        (("tests.toy:PointReach", "nowhere:Env"), "cannot be imported"),
        (("rollouts: {per_variation", "rollouts: {per_variaton"), "did you mean 'per_variation'"),
        (('{type: "tests.toy:PointPolicy"}', '{type: "tests.broken:NanPolicy"}'), "not finite"),
        (('{type: "tests.toy:PointPolicy"}', '{type: "tests.broken:WidePolicy"}'), "must have shape"),
        (('{type: "tests.toy:PointPolicy"}', '{type: "tests.broken:WordPolicy"}'), "real numbers"),
        (('{type: "tests.toy:PointReach"}', '{type: "tests.broken:BrokenReach"}'), "motor"),
        (
            ('{type: "tests.toy:PointPolicy"}', '{type: "faultfield.policies.bc:VisualBC", checkpoint: nowhere}'),
            "nowhere",
        ),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_two(
    cli: Cli, study_file: Path, tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    text = study_file.read_text()
    assert change[0] in text
    file = tmp_path / "bad.yaml"
    file.write_text(text.replace(*change, 1))
    said = cli("run", file, "--out", tmp_path / "out", code=2).stderr
    assert message in said
    assert "Traceback" not in said
    assert not list((tmp_path / "out").glob(".*")), "nothing half-written stays"


def test_stages_say_what_must_come_first(cli: Cli, study_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "collect" in cli("fit", study_file, "--out", out, code=2).stderr
    assert not out.exists()
    Study.open(study_file, out)
    assert "no study" in cli("run", tmp_path / "none.yaml", code=2).stderr
    assert "not a study's directory" in cli("report", tmp_path, code=2).stderr
    file = tmp_path / "asked.yaml"
    file.write_text("- {goal_color: red}\n")
    assert "run 'faultfield run" in cli("predict", out, "--variations", file, code=2).stderr


def test_help_teaches_without_importing_a_simulator_or_torch(cli: Cli) -> None:
    assert "predict" in cli("--help").stdout
    seen = "import sys, faultfield.cli; print([m for m in ('torch', 'mujoco', 'robosuite') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", seen], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
