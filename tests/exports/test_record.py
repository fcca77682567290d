"""Episodes rolled out again, against a plain loop."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from faultfield.errors import LedgerError
from faultfield.exports.record import RecordingSetting, Shots, check_same, record
from faultfield.exports.recording import Recording
from faultfield.rollouts.episode import Episode, Trajectory
from faultfield.rollouts.worker import Setting
from faultfield.study import Study


def setting(study: Study, shots: Shots | None = None) -> RecordingSetting:
    return RecordingSetting(Setting.of(study.env_spec, study.policy_spec), shots)


def same(a: Recording, b: Recording) -> bool:
    groups = [(a.observations, b.observations), (a.states, b.states)]
    groups.append(({"a": a.actions, "r": a.rewards}, {"a": b.actions, "r": b.rewards}))
    return all(
        one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
        for one, other in groups
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_every_step_is_what_a_plain_loop_gives(
    study: Study, episodes: list[Episode], recordings: list[Recording], tmp_path: Path, workers: int
) -> None:
    found = [Recording.load(path, e) for path, e in record(episodes, setting(study), tmp_path, workers)]
    assert [each.episode for each in found] == episodes
    assert all(same(*pair) for pair in zip(found, recordings, strict=True))
    assert all(each.steps == each.episode.steps for each in found)


def test_stopped_half_way_it_goes_on_without_rolling_out_again(
    study: Study, episodes: list[Episode], tmp_path: Path
) -> None:
    begun = record(episodes, setting(study), tmp_path)
    first = [next(begun)[0] for _ in range(3)]
    begun.close()
    times = [path.stat().st_mtime_ns for path in first]
    paths = [path for path, _ in record(episodes, setting(study), tmp_path)]
    assert paths[:3] == first
    assert [path.stat().st_mtime_ns for path in first] == times
    assert len(set(paths)) == len(episodes) == len(list(tmp_path.iterdir()))


def test_moments_are_pictured_by_what_the_environment_sees(
    study: Study, episodes: list[Episode], recordings: list[Recording], tmp_path: Path
) -> None:
    (path, episode), *_ = record(episodes[:1], setting(study, Shots(columns=3)), tmp_path)
    found = Recording.load(path, episode)
    frames = recordings[0].images["top"]
    assert np.array_equal(found.pictures["front"], frames[[0, round((len(frames) - 1) / 2), -1]])


def test_another_outcome_than_the_ledgers_is_an_error(recordings: list[Recording]) -> None:
    recording = recordings[0]
    episode = recording.episode
    check_same(recording, episode)
    actions = recording.actions + np.float32(1e-6)
    other_picture = {"top": episode.initial["top"] + np.uint8(1)}
    for wrong in (
        replace(episode, success=not episode.success),
        replace(episode, steps=episode.steps + 1),
        replace(episode, initial=other_picture),
        replace(episode, trajectory=Trajectory((), actions)),
    ):
        with pytest.raises(LedgerError, match="otherwise than in the ledger"):
            check_same(recording, wrong)


def test_a_damaged_recording_is_told(episodes: list[Episode], tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(LedgerError, match="damaged"):
        Recording.load(tmp_path / "a.npz", episodes[0])
