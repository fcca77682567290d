import numpy as np
import pytest
from numpy.typing import NDArray

from faultfield.errors import FaultError
from faultfield.faults.fault import Fault
from faultfield.faults.injection import inject
from faultfield.faults.record import Take, moments, photograph, take
from tests.faults.toy import PickAndPlace, pick
from tests.toy import PointReach

TASK = pick()


def taken_of(*phases: str) -> Take:
    return Take(True, tuple({} for _ in range(len(phases) + 1)), phases)


def test_moments_evenly() -> None:
    assert moments(taken_of(*"a" * 70), 8) == (0, 10, 20, 30, 40, 50, 60, 70)
    assert moments(taken_of(*"a" * 3), 8) == (0, 1, 2, 3)


def test_moments_at_the_ends_of_phases() -> None:
    assert moments(taken_of("a", "a", "b", "c", "c", "c"), "phases") == (2, 3, 6)
    assert moments(taken_of("a", "b", "a", "a"), "phases") == (1, 2, 4)
    assert moments(taken_of("a"), "phases") == (1,)


def test_pictures_afterwards_are_those_of_the_moment() -> None:
    env = PickAndPlace()
    taken = take(env, inject(TASK, None), 0)
    frames = photograph(env, taken, (0, 5, taken.steps), TASK.cameras, 48)
    assert {camera: pictures.shape for camera, pictures in frames.items()} == dict.fromkeys(
        TASK.cameras, (3, 48, 48, 3)
    )
    # Seen from above, the red cube is where the state says.
    for picture, step in zip(frames["overhead"], (0, 5, taken.steps), strict=True):
        place = taken.snapshots[step]["cubes"][0]
        hand = taken.snapshots[step]["hand"]
        if np.linalg.norm(place[:2] - hand[:2]) > 0.15:
            assert _is_red(picture, place[0], place[1])


def _is_red(picture: NDArray[np.uint8], x: float, y: float) -> bool:
    column, row = int((x + 0.5) * 48), int((0.5 - y) * 48)
    return bool((picture[row, column] == (229, 25, 25)).all())


def test_an_episode_repeats_itself() -> None:
    fault = Fault("translation_x", "approach", "red cube", "x", 1, 0.1)
    env = PickAndPlace()
    first = take(env, inject(TASK, fault), 5)
    take(env, inject(TASK, None), 6)
    again = take(env, inject(TASK, fault), 5)
    assert first.phases == again.phases
    for one, other in zip(first.snapshots, again.snapshots, strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_an_environment_without_pictures_of_the_past() -> None:
    with pytest.raises(FaultError, match="PointReach"):
        take(PointReach(), inject(TASK, None), 0)


def test_an_episode_in_which_nothing_more_happens_is_cut() -> None:
    fault = Fault("translation_x", "approach", "red cube", "x", 1, 0.1)
    whole = take(PickAndPlace(), inject(TASK, fault), 0)
    cut = take(PickAndPlace(), inject(TASK, fault), 0, patience=10)
    assert whole.steps == 60 > cut.steps
    assert not cut.success
    assert len(cut.snapshots) == cut.steps + 1
    assert cut.phases == whole.phases[: cut.steps]
    pairs = list(zip(whole.snapshots[1:], whole.snapshots, strict=False))
    moved = [
        step for step, (now, before) in enumerate(pairs, 1) if any(np.abs(now[n] - before[n]).max() > 2e-3 for n in now)
    ]
    assert cut.steps == moved[-1] + 4


def test_a_success_is_never_cut() -> None:
    for seed in range(5):
        assert take(PickAndPlace(), inject(TASK, None), seed, patience=2).success
