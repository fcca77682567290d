import numpy as np
import pytest

from faultfield.faults.captions import captions
from faultfield.faults.injection import inject
from faultfield.faults.record import Take, take
from faultfield.faults.states import FLAGS, VALUES, states
from faultfield.faults.task import FORWARD_Y, Hand
from faultfield.faults.tasks import task_named
from faultfield.variations import NOMINAL
from tests.faults.toy import PickAndPlace, pick

NAMES = (*VALUES, *FLAGS)


def named(row: tuple[float | None, ...]) -> dict[str, float | None]:
    return dict(zip(NAMES, row, strict=True))


def test_places_are_told_from_where_the_thing_lay() -> None:
    env, task = PickAndPlace(), pick()
    taken = take(env, inject(task, None), 3)
    first, last = (named(row) for row in states(env, task, taken, (0, taken.steps), NOMINAL))
    hand, cubes = (taken.snapshots[0][name] for name in ("hand", "cubes"))
    for axis, way in enumerate(("forward", "left", "up")):
        assert first[f"hand {way}"] == pytest.approx((hand - cubes[0])[axis], abs=1e-4)
        assert first[f"thing {way} of hand"] == pytest.approx((cubes[0] - hand)[axis], abs=1e-4)
        assert first[f"next thing {way} of thing"] == pytest.approx((cubes[1] - cubes[0])[axis], abs=1e-4)
    assert first["opening"] is None
    assert (first["raised"], first["moved"]) == (0.0, 0.0)
    moved = np.linalg.norm(taken.snapshots[-1]["cubes"][0] - cubes[0])
    assert last["moved"] == float(moved > 0.02) == 1.0


def test_another_frame_turns_the_ways() -> None:
    env, task = PickAndPlace(), pick()
    taken = take(env, inject(task, None), 3)
    turned = type(task)(**{**vars(task), "frame": FORWARD_Y})
    (one,), (other,) = (states(env, each, taken, (0,), NOMINAL) for each in (task, turned))
    assert named(other)["hand forward"] == named(one)["hand left"]
    assert named(other)["hand left"] == -(named(one)["hand forward"] or 0)
    assert named(other)["hand up"] == named(one)["hand up"]


@pytest.mark.parametrize("name", ["Lift", "pick-place-v3"])
def test_a_simulators_hand(name: str) -> None:
    pytest.importorskip("robosuite" if name == "Lift" else "metaworld")
    task = task_named(name)
    env = task.environment.build()
    taken = take(env, inject(task, None), 4)
    shown = (*range(0, taken.steps, 5), taken.steps)
    rows = [named(row) for row in states(env, task, taken, shown, NOMINAL)]
    env.close()
    assert isinstance(task.hand, Hand)
    openings = [row["opening"] or 0 for row in rows]
    assert 0.9 < max(openings) < 1.05
    # A held cube keeps the fingers apart, but not as far.
    assert openings[-1] < 0.8
    assert rows[0]["raised"] == rows[0]["near"] == 0.0
    # Lift is done as soon as the cube hangs; metaworld's hand is told from above the fingers.
    assert (rows[-1]["raised"], rows[-1]["near"]) == ((0.0, 1.0) if name == "Lift" else (1.0, 0.0))
    assert (rows[-1]["thing up"] or 0) > 0.01
    turns = [row["turn cosine"] for row in rows]
    assert (None in turns) == (name != "Lift")
    if name == "Lift":
        assert all(
            (row["turn cosine"] or 0) ** 2 + (row["turn sine"] or 0) ** 2 == pytest.approx(1, abs=1e-3) for row in rows
        )
        # The expert lines its fingers up with the sides before it lifts.
        assert (turns[-1] or 0) > 0.9


def last(name: str, seed: int = 1) -> tuple[dict[str, float | None], str]:
    """What is known of the end of an episode that succeeds, and the captions of it as one text."""
    task = task_named(name)
    env = task.environment.build()
    taken = take(env, inject(task, None), seed)
    (row,) = states(env, task, taken, (taken.steps,), NOMINAL)
    env.close()
    assert taken.success
    return named(row), " ".join(answer for _, answer in captions(row, 1, task.handled))


def test_the_thing_of_a_reach_is_its_mark() -> None:
    pytest.importorskip("metaworld")
    row, text = last("reach-v3")
    # Success is within 5 cm of the mark.
    assert all(abs(row[f"thing {way} of hand"] or 0) < 0.05 for way in ("forward", "left", "up"))
    assert row["thing up"] == row["moved"] == row["raised"] == 0.0
    assert row["next thing up of thing"] is None
    assert "Not raised, not moved." in text


@pytest.mark.parametrize("name", ["assembly-v3", "peg-insert-side-v3", "window-open-v3", "drawer-close-v3"])
def test_where_it_belongs_is_not_told_of_another_point(name: str) -> None:
    pytest.importorskip("metaworld")
    row, text = last(name)
    assert row["thing up of hand"] is not None
    assert {row[f"next thing {way} of thing"] for way in ("forward", "left", "up")} == {None}
    assert "belongs" not in text


def test_where_it_belongs_is_told_of_what_comes_there() -> None:
    pytest.importorskip("metaworld")
    row, text = last("pick-place-v3")
    # Success is within 7 cm of the mark.
    assert np.linalg.norm([row[f"next thing {way} of thing"] or 1 for way in ("forward", "left", "up")]) < 0.08
    assert "belongs" in text


def test_a_take_of_no_steps() -> None:
    env, task = PickAndPlace(), pick()
    taken = take(env, inject(task, None), 3)
    assert len(states(env, task, Take(True, taken.snapshots, taken.phases), (), NOMINAL)) == 0
