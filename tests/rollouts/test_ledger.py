import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faultfield.errors import LedgerError
from faultfield.rollouts.episode import Episode, Trajectory
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.runner import rollout
from faultfield.variations import NOMINAL, Variation
from tests.toy import PointPolicy, PointReach

ROOT = Path(__file__).parents[2]


def make(seed: int = 0, stage: str = "known", policy: str = "p", keep: bool = False, **values: object) -> Episode:
    env = PointReach()
    variation = env.variation_space.variation(values)
    return rollout(
        env, PointPolicy(), variation, seed,
        policy_id=policy, env_id="e", stage=stage, keep_trajectory=keep, keep_video=keep,
    )  # fmt: skip


def assert_same(a: Episode, b: Episode) -> None:
    assert a == b
    assert (a.variation.text, a.wall_time, dict(a.versions)) == (b.variation.text, b.wall_time, dict(b.versions))
    for name in ("initial", "initial_snapshot", "video"):
        np.testing.assert_equal(getattr(a, name), getattr(b, name))
    assert (a.trajectory is None) == (b.trajectory is None)
    if a.trajectory is not None and b.trajectory is not None:
        np.testing.assert_array_equal(a.trajectory.actions, b.trajectory.actions)
        assert a.trajectory.actions.dtype == b.trajectory.actions.dtype
        np.testing.assert_equal(list(a.trajectory.snapshots), list(b.trajectory.snapshots))


def test_what_is_appended_is_read_back_bit_for_bit_in_order(tmp_path: Path) -> None:
    episodes = [make(s, keep=s % 2 == 0, goal_color=[0.9, 0.1, 0.0], wind=0.25) for s in (5, 1, 3, 2)] + [make(0)]
    with Ledger(tmp_path, create=True) as ledger:
        for episode in episodes:
            ledger.append(episode)
    with Ledger(tmp_path) as ledger:
        assert len(ledger) == 5
        for written, read in zip(episodes, ledger.episodes(load="all"), strict=True):
            assert_same(written, read)
        for written, read in zip(episodes, ledger.episodes(), strict=True):
            assert_same(replace(written, trajectory=None, video=None), read)
        assert all(e.initial == {} and e.initial_snapshot is None for e in ledger.episodes(load="none"))
        ledger.check()


def test_choosing_by_stage_policy_and_environment(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        for stage, policy in [("verify", "p"), ("known", "p"), ("expert", "q"), ("known", "q")]:
            ledger.append(make(len(ledger), stage=stage, policy=policy))
        assert ledger.stages() == ["verify", "known", "expert"]
        assert [e.seed for e in ledger.episodes("known")] == [1, 3]
        assert [e.seed for e in ledger.episodes(policy="q")] == [2, 3]
        assert [e.seed for e in ledger.episodes("known", "q", "e")] == [3]
        assert ledger.episodes(environment="another") == []
        with pytest.raises(LedgerError, match="no episodes of stage 'blind'; roll them out first"):
            ledger.episodes("blind", required=True)


def test_what_is_there_is_found_by_its_key(tmp_path: Path) -> None:
    episode = make(3, wind=0.5)
    with Ledger(tmp_path, create=True) as ledger:
        assert episode not in ledger
        ledger.append(episode)
        assert episode in ledger
        assert episode.key in ledger
        assert ledger.has(episode.key)
        assert not ledger.has(episode.key, trajectory=True)
        for position, other in enumerate(("q", "f", NOMINAL.key, 4)):
            key = list(episode.key)
            key[position] = other
            assert tuple(key) not in ledger
        assert "nonsense" not in ledger


def test_appending_again_adds_only_what_was_not_kept(tmp_path: Path) -> None:
    poor, rich, later = make(0), make(0, keep=True), make(1)
    with Ledger(tmp_path, create=True) as ledger:
        ledger.append(poor)
        ledger.append(later)
        ledger.append(replace(poor, stage="another"))
        assert [e.stage for e in ledger.episodes()] == ["known", "known"]
        ledger.append(replace(rich, video=None))
        assert ledger.has(poor.key, trajectory=True)
        ledger.append(replace(rich, trajectory=None))
        ledger.append(poor)
        first, second = ledger.episodes(load="all")
        assert_same(replace(rich, wall_time=poor.wall_time), first)
        assert_same(later, second)
        ledger.check()


def test_an_episode_that_does_not_repeat_itself_is_refused(tmp_path: Path) -> None:
    episode = make(0)
    with Ledger(tmp_path, create=True) as ledger:
        ledger.append(episode)
        for other in (replace(episode, success=not episode.success), replace(episode, steps=episode.steps + 1)):
            with pytest.raises(LedgerError, match=r"seed 0 under \{\} with another outcome"):
                ledger.append(other)
        assert_same(ledger.episodes()[0], episode)


def test_rows_as_arrow_and_pandas(tmp_path: Path) -> None:
    episodes = [make(0, keep=True), make(1, goal_color="blue"), make(2, stage="verify", brightness=0.5)]
    with Ledger(tmp_path, create=True) as ledger:
        assert ledger.to_pandas().empty
        for episode in episodes:
            ledger.append(episode)
        table, frame = ledger.to_arrow(), ledger.to_pandas()
    assert table.num_rows == len(frame) == 3
    assert frame.seed.tolist() == [0, 1, 2]
    assert frame.success.tolist() == [e.success for e in episodes]
    assert frame.stage.tolist() == ["known", "known", "verify"]
    assert frame.trajectory.tolist() == [True, False, False]
    assert [json.loads(v) for v in frame.variation] == [e.variation.to_json() for e in episodes]
    assert json.loads(frame.versions[0])["numpy"] == np.__version__
    assert (frame.wall_time > 0).all()


def test_the_fingerprint_tells_contents_apart_but_not_times(tmp_path: Path) -> None:
    def fingerprint(name: str, episodes: list[Episode]) -> str:
        with Ledger(tmp_path / name, create=True) as ledger:
            for episode in episodes:
                ledger.append(episode)
            return ledger.fingerprint()

    episodes = [make(0, keep=True), make(1, wind=0.5)]
    same = [replace(e, wall_time=99.0, versions={}) for e in episodes]
    assert fingerprint("a", episodes) == fingerprint("b", same)
    assert episodes[0].trajectory is not None
    actions = episodes[0].trajectory.actions.copy()
    actions[0, 0] = np.nextafter(actions[0, 0], np.float32(2))
    others = [
        replace(episodes[0], success=not episodes[0].success),
        replace(episodes[0], trajectory=Trajectory(episodes[0].trajectory.snapshots, actions)),
        replace(episodes[0], initial={"top": 255 - episodes[0].initial["top"]}),
        replace(episodes[0], stage="verify"),
    ]
    prints = {fingerprint(f"c{i}", [other, episodes[1]]) for i, other in enumerate(others)}
    prints |= {fingerprint("d", episodes[::-1]), fingerprint("e", episodes), fingerprint("f", episodes[:1])}
    assert len(prints) == len(others) + 3


VALUES = st.dictionaries(
    st.text(min_size=1, max_size=8),
    st.one_of(
        st.text(max_size=8),
        st.floats(allow_nan=False, allow_infinity=False),
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=3).map(tuple),
    ),
    max_size=3,
)
ARRAYS = st.dictionaries(
    st.text(st.characters(codec="ascii", categories=["L", "N"], include_characters="./_ "), min_size=1, max_size=8),
    hnp.arrays(st.sampled_from([np.uint8, np.int64, np.float32, np.float64]), hnp.array_shapes(min_dims=0)),
    min_size=1,
    max_size=3,
)


@settings(max_examples=40, deadline=None)
@given(VALUES, st.text(min_size=1, max_size=20), ARRAYS, st.integers(0, 2**63 - 1), st.integers(1, 4))
def test_any_variation_and_any_snapshot_survive(
    tmp_path_factory: pytest.TempPathFactory,
    values: dict[str, Any],
    text: str,
    arrays: dict[str, Any],
    seed: int,
    steps: int,
) -> None:
    trajectory = Trajectory((arrays,) * steps, np.zeros((steps, 2), dtype=np.float32))
    episode = Episode(
        Variation(values, text), seed, True, steps, "p", "e", "known", initial_snapshot=arrays, trajectory=trajectory
    )
    with Ledger(tmp_path_factory.mktemp("ledger"), create=True) as ledger:
        ledger.append(episode)
        assert episode in ledger
        assert_same(ledger.episodes(load="all")[0], episode)
        ledger.check()


def test_arrays_that_cannot_be_stored_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    episode = make(0, keep=True)
    assert episode.trajectory is not None
    snapshots = episode.trajectory.snapshots
    ragged = (*snapshots[:-1], {**snapshots[-1], "goal": np.zeros(3)})
    lacking = (*snapshots[:-1], {"goal": snapshots[-1]["goal"]})
    more = (*snapshots[:-1], {**snapshots[-1], "more": np.zeros(3)})
    with Ledger(tmp_path, create=True) as ledger:
        for bad in (ragged, lacking, more):
            with pytest.raises(LedgerError, match="snapshots"):
                ledger.append(replace(episode, trajectory=Trajectory(bad, episode.trajectory.actions)))
        with pytest.raises(LedgerError, match="Python objects"):
            ledger.append(replace(episode, initial_snapshot={"thing": np.array([None])}))
        assert len(ledger) == 0
    assert not (tmp_path / "episodes").exists()


def test_a_directory_without_a_ledger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="holds no ledger; roll out episodes into it first"):
        Ledger(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / "ledger.sqlite").touch()
    with pytest.raises(LedgerError, match="is empty"):
        Ledger(tmp_path)
    with Ledger(tmp_path, create=True) as ledger, pytest.raises(LedgerError, match="holds no episodes"):
        ledger.episodes(required=True)


def test_files_that_are_not_a_ledger_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("variation,success\nred,1\n" * 200)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger(tmp_path)
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE recipes (name TEXT)")
    for create in (False, True):
        with pytest.raises(LedgerError, match="another program"):
            Ledger(tmp_path, create=create)
    database.close()


def test_another_format_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path, create=True).close()
    with sqlite3.connect(tmp_path / "ledger.sqlite") as database:
        database.execute("PRAGMA user_version = 2")
    database.close()
    with pytest.raises(LedgerError, match="has format 2"):
        Ledger(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "another"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        ledger.append(make(0))
        ledger.append(make(1))
        first, second = (tmp_path / file for file in ledger.to_pandas().file)
        data = bytearray(first.read_bytes())
        if damage == "cut":
            first.write_bytes(data[: len(data) // 2])
        elif damage == "flipped":
            data[len(data) // 4] ^= 0xFF
            first.write_bytes(data)
        elif damage == "gone":
            first.unlink()
        else:
            first.write_bytes(second.read_bytes())
        with pytest.raises(LedgerError, match=first.name):
            ledger.check()
        if damage != "another":
            with pytest.raises(LedgerError, match=first.name):
                ledger.episodes()
        assert [e.seed for e in ledger.episodes(load="none")] == [0, 1]


def test_a_file_without_a_row_is_overwritten(tmp_path: Path) -> None:
    episode = make(0)
    with Ledger(tmp_path / "a", create=True) as ledger:
        ledger.append(episode)
        name = ledger.to_pandas().file[0]
    orphan = tmp_path / "b" / name
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"half")
    with Ledger(tmp_path / "b", create=True) as ledger:
        assert episode not in ledger
        ledger.append(episode)
        ledger.check()


def test_a_second_writer_waits_and_then_says_so(tmp_path: Path) -> None:
    with Ledger(tmp_path, create=True) as ledger:
        ledger.append(make(0))
        other = sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with Ledger(tmp_path, timeout=0.05) as reader:
            assert [e.seed for e in reader.episodes()] == [0]
            with pytest.raises(LedgerError, match="Another process is writing"):
                reader.append(make(1))
        other.execute("COMMIT")
        other.close()
        ledger.append(make(1))
        assert len(ledger) == 2


WRITER = textwrap.dedent("""
    import sys
    from dataclasses import replace
    from faultfield.rollouts.ledger import Ledger
    from tests.rollouts.test_ledger import make
    episodes = [make(seed, keep=True) for seed in range(8)]
    print("ready", flush=True)
    with Ledger(sys.argv[1], create=True) as ledger:
        for count in range(10**6):
            ledger.append(replace(episodes[count % 8], seed=count))
            print(count, flush=True)
""")


def test_killed_at_any_moment_every_row_has_its_whole_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ledger_path = tmp_path / "ledger"
    survived = 0
    for _ in range(6):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, ledger_path], cwd=ROOT, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        told = -1
        # Killed a random few appends on, at whatever the writer is doing by then: it does not wait for us.
        for line, _ in zip(writer.stdout, range(int(rng.integers(1, 12))), strict=False):
            told = int(line)
        os.kill(writer.pid, signal.SIGKILL)
        writer.communicate()
        with Ledger(ledger_path) as ledger:
            ledger.check()
            seeds = [e.seed for e in ledger.episodes(load="all")]
        assert seeds == list(range(len(seeds)))
        assert len(seeds) > told, "an episode that was told as appended is lost"
        assert len(seeds) >= survived
        survived = len(seeds)
    assert survived > 0


def test_several_writers_append_all_of_theirs(tmp_path: Path) -> None:
    code = textwrap.dedent("""
        import sys
        from faultfield.rollouts.ledger import Ledger
        from tests.rollouts.test_ledger import make
        with Ledger(sys.argv[1], create=True) as ledger:
            for seed in range(10):
                ledger.append(make(seed, policy=sys.argv[2]))
                ledger.append(make(seed, policy="shared"))
        """)
    writers = [subprocess.Popen([sys.executable, "-c", code, tmp_path, name], cwd=ROOT) for name in "ab"]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    with Ledger(tmp_path) as ledger:
        ledger.check()
        for policy in ("a", "b", "shared"):
            assert [e.seed for e in ledger.episodes(policy=policy)] == list(range(10))
