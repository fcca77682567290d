"""Expert demonstrations for other trainers: successes alone, as many as planned, and not rolled out twice."""

from pathlib import Path

import numpy as np
import pytest

from faultfield.envs.base import PRIVILEGED
from faultfield.errors import PolicyError
from faultfield.repair.recordings import record_targets
from faultfield.repair.targets import Suspect, Target
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from tests.repair.toy import GripReach

ENV = EnvSpec("tests.repair.toy:GripReach")
SPACE = GripReach().variation_space
TARGETS = [
    Target(Suspect(SPACE.variation(values), 1.0, "known"), count)
    for values, count in (({"goal_color": "green"}, 3), ({"brightness": 0.3}, 2))
]


def test_successes_as_planned_under_each_target(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    expert = PolicySpec("tests.policies.halting:Halting")
    made = list(record_targets(tmp_path, TARGETS, ENV, expert, on_progress=lambda *done: calls.append(done)))
    assert [(dict(r.episode.variation), r.episode.success) for r in made] == [
        *[({"goal_color": "green"}, True)] * 3, *[({"brightness": 0.3}, True)] * 2,
    ]  # fmt: skip
    assert calls == [(n, 5) for n in range(1, 6)]
    assert len({r.episode.seed for r in made}) == 5
    for recording in made:
        assert recording.observations[PRIVILEGED][0, 0] >= 0
        assert recording.rewards[-1] == 1
        assert recording.episode.steps == recording.steps == len(recording.actions)


def test_what_waits_in_the_spool_is_not_rolled_out_again(tmp_path: Path) -> None:
    expert = PolicySpec("tests.policies.halting:Halting")
    whole = list(record_targets(tmp_path / "a", TARGETS, ENV, expert))
    some = record_targets(tmp_path / "b", TARGETS, ENV, expert)
    next(some)
    some.close()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "b").iterdir()}
    assert kept
    again = list(record_targets(tmp_path / "b", TARGETS, ENV, expert))
    assert [r.episode for r in again] == [r.episode for r in whole]
    assert all(np.array_equal(a.actions, b.actions) for a, b in zip(again, whole, strict=True))
    assert all(path.stat().st_mtime_ns == when for path, when in kept.items())


def test_another_seed_shows_other_scenes(tmp_path: Path) -> None:
    expert = PolicySpec("tests.policies.halting:Halting")
    first, second = (
        {r.episode.seed for r in record_targets(tmp_path / str(seed), TARGETS, ENV, expert, seed=seed)}
        for seed in (0, 1)
    )
    assert len(first) == len(second) == 5
    assert not first & second


def test_an_expert_that_cannot(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"succeeded in 0 of \d+ attempts under .*green"):
        list(record_targets(tmp_path, TARGETS, ENV, PolicySpec("tests.policies.halting:Never")))
