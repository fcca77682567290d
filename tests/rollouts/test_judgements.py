"""Verdicts in the ledger: kept, read back, exported, and whole after a kill."""

import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faultfield.errors import LedgerError
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.verdict import Round, Verdict
from tests.rollouts.test_ledger import ROOT, make

SLIPPED = Verdict.of((Round(0.75, "It “slipped”.", 0.5623, 0.25), Round(0.9, "It fell.", 0.325, 0.125)), best=1)
FINE = Verdict.of((Round(0.125, "The robot succeeded.", 0.3768, 0.0),), best=0)
UNREAD = Verdict(math.nan, "I cannot tell", math.nan, math.nan)


def test_verdicts_are_read_back_by_episode_in_their_order(tmp_path: Path) -> None:
    episodes = [make(seed, wind=0.25) for seed in range(4)]
    keys = [episode.key for episode in episodes]
    with Ledger(tmp_path, create=True) as ledger:
        for episode in episodes:
            ledger.append(episode)
        assert ledger.verdicts() == {}
        ledger.add_verdicts("d", {keys[2]: SLIPPED, keys[0]: FINE})
    with Ledger(tmp_path) as ledger:
        assert ledger.verdicts() == {keys[0]: FINE, keys[2]: SLIPPED}
        assert list(ledger.verdicts()) == [keys[0], keys[2]]
        ledger.add_verdicts("d", {keys[3]: UNREAD})
        read = ledger.verdicts("d")[keys[3]]
        assert math.isnan(read.failure_probability)
        assert (read.reason, read.rounds, read.failed) == ("I cannot tell", (), False)
        assert ledger.verdicts("another") == {}


def test_detectors_stand_beside_one_another_and_nothing_is_changed(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        for seed in range(2):
            ledger.append(make(seed))
        first, second = (episode.key for episode in ledger.episodes(load="none"))
        fingerprint = ledger.fingerprint()
        ledger.add_verdicts("old", {first: SLIPPED, second: SLIPPED})
        ledger.add_verdicts("new", {first: FINE})
        ledger.add_verdicts("old", {first: FINE})
        assert ledger.verdicts("old") == {first: SLIPPED, second: SLIPPED}
        assert ledger.verdicts("new") == {first: FINE}
        assert ledger.verdicts() == {first: FINE, second: SLIPPED}
        assert {key: each.detector for key, each in ledger.judgements().items()} == {first: "new", second: "old"}
        assert ledger.fingerprint() == fingerprint
        ledger.check()


def test_verdicts_as_columns_beside_the_episodes(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        for seed in range(3):
            ledger.append(make(seed))
        before = ledger.to_pandas()
        assert before.failure_probability.isna().all()
        assert before.reason.isna().all()
        keys = [episode.key for episode in ledger.episodes(load="none")]
        ledger.add_verdicts("old", {keys[0]: FINE})
        ledger.add_verdicts("new", {keys[0]: SLIPPED, keys[2]: UNREAD})
        table, frame = ledger.to_arrow(), ledger.to_pandas()
    assert table["reason"].to_pylist() == ["It fell.", None, "I cannot tell"]
    assert table["detector"].to_pylist() == ["new", None, "new"]
    assert table["rounds"].to_pylist() == [2, None, 0]
    assert table["failure_probability"].to_pylist() == [0.9, None, None]
    np.testing.assert_array_equal(frame.detection_entropy, [0.325, np.nan, np.nan])
    assert frame.history[0] == '[[0.75, "It “slipped”.", 0.5623, 0.25], [0.9, "It fell.", 0.325, 0.125]]'
    assert frame.seed.tolist() == before.seed.tolist()


def test_the_picture_that_was_judged_is_kept(tmp_path: Path) -> None:
    picture = np.full((20, 30, 3), (200, 40, 90), np.uint8)
    with Ledger(tmp_path, create=True) as ledger:
        for seed in range(2):
            ledger.append(make(seed))
        keys = [episode.key for episode in ledger.episodes(load="none")]
        ledger.add_verdicts("d", dict.fromkeys(keys, FINE), {keys[0]: picture})
        with_one, without = (ledger.judgements()[key] for key in keys)
    assert without.shown is None
    assert with_one.shown is not None
    kept = np.asarray(Image.open(with_one.shown))
    assert kept.shape == picture.shape
    assert np.abs(kept.astype(int) - picture).max() <= 3


def test_an_episode_that_is_not_there_stops_the_whole_batch(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        ledger.append(make(0))
        (key,) = (episode.key for episode in ledger.episodes())
        with pytest.raises(LedgerError, match="has no episode p-e-"):
            ledger.add_verdicts("d", {key: FINE, (*key[:3], 7): FINE})
        assert ledger.verdicts() == {}


def test_a_ledger_from_before_there_were_verdicts_still_opens(tmp_path: Path) -> None:
    with Ledger(tmp_path / "old", create=True) as ledger:
        ledger.append(make(0))
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    with sqlite3.connect(tmp_path / "old" / "ledger.sqlite") as database:
        assert database.execute(tables).fetchall() == [("episodes",)], "the table is made when it is first needed"
    database.close()
    shutil.copytree(tmp_path / "old", tmp_path / "new")
    with Ledger(tmp_path / "new") as ledger:
        (key,) = (episode.key for episode in ledger.episodes())
        ledger.add_verdicts("d", {key: SLIPPED})
        ledger.append(make(1))
        assert len(ledger) == 2
        assert ledger.verdicts() == {key: SLIPPED}


def test_a_damaged_verdict_is_named(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        ledger.append(make(0))
        ledger.add_verdicts("d", {ledger.episodes()[0].key: FINE})
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("UPDATE verdicts SET history = '[[1]]'")
    database.close()
    with Ledger(tmp_path) as ledger, pytest.raises(LedgerError, match=r"Verdict 1 of the ledger .* is damaged"):
        ledger.verdicts()


WRITER = textwrap.dedent("""
    import sys
    from faultfield.rollouts.ledger import Ledger
    from tests.rollouts.test_judgements import SLIPPED
    with Ledger(sys.argv[1]) as ledger:
        keys = [episode.key for episode in ledger.episodes(load="none")]
        print("ready", flush=True)
        for count in range(10**6):
            ledger.add_verdicts(f"d{count}", dict.fromkeys(keys, SLIPPED))
            print(count, flush=True)
""")


def test_killed_in_the_middle_of_a_batch_it_loses_that_batch_at_most(tmp_path: Path) -> None:
    episodes = 60
    with Ledger(tmp_path, create=True) as ledger:
        for seed in range(episodes):
            ledger.append(make(seed))
    rng = np.random.default_rng(0)
    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], cwd=ROOT, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        told = -1
        for line, _ in zip(writer.stdout, range(int(rng.integers(2, 12))), strict=False):
            told = int(line)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
            counts = dict(database.execute("SELECT detector, COUNT(*) FROM verdicts GROUP BY detector").fetchall())
        database.close()
        assert set(counts.values()) == {episodes}, "half a batch was kept"
        assert len(counts) > told, "a batch that was told as added is lost"
