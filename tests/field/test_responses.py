"""Features of hand-made answers: zero where nothing changes, and what each of them notices."""

import numpy as np
import pytest

from faultfield.field.responses import BIAS, FEATURES, RESOLUTION, features

PHASES = np.array(["far"] * 2 + ["near"] * 4 + ["close"] * 4 + ["lift"] * 2)


@pytest.fixture
def nominal() -> np.ndarray:
    rng = np.random.default_rng(0)
    actions = rng.uniform(-0.5, 0.5, size=(12, 7)).astype(np.float32)
    actions[:2, 0] = 1.0
    actions[:, 6] = np.where(np.arange(12) < 6, -1, 1)
    return actions


def named(nominal: np.ndarray, changed: np.ndarray) -> dict[str, float]:
    return dict(zip(FEATURES, features(nominal, changed[None], PHASES)[0], strict=True))


def test_no_change_gives_zeros(nominal: np.ndarray) -> None:
    assert np.array_equal(features(nominal, np.stack([nominal] * 3), PHASES), np.zeros((3, len(FEATURES))))


def test_a_change_in_one_phase_shows_in_that_phase(nominal: np.ndarray) -> None:
    changed = nominal.copy()
    changed[PHASES == "near", 1] += 0.3
    row = named(nominal, changed)
    assert row["near"] == pytest.approx(np.log1p(0.3 / RESOLUTION), rel=1e-5)
    assert row["far"] == row["close"] == row["lift"] == 0.0
    assert row["grasp"] == pytest.approx(row["near"] / 2)
    assert row["bias_y"] == pytest.approx(np.tanh(0.15 / BIAS), rel=1e-5)
    assert row["bias_x"] == row["turn"] == row["flips"] == 0.0


def test_a_consistent_change_has_a_direction_and_a_scattered_one_has_none(nominal: np.ndarray) -> None:
    same, scattered, opposite = nominal.copy(), nominal.copy(), nominal.copy()
    same[:, 0] += 0.2
    opposite[:, 0] -= 0.2
    scattered[:, 0] += 0.2 * np.where(np.arange(12) % 2, 1, -1)
    rows = [named(nominal, a) for a in (same, scattered, opposite)]
    assert rows[0]["grasp"] == pytest.approx(rows[1]["grasp"], rel=1e-5)
    assert rows[0]["bias_x"] == pytest.approx(-rows[2]["bias_x"], rel=1e-5)
    assert rows[0]["bias_x"] > 0.8
    assert abs(rows[1]["bias_x"]) < 1e-5


def test_sizes_grow_with_the_change(nominal: np.ndarray) -> None:
    direction = np.random.default_rng(1).normal(size=nominal.shape).astype(np.float32)
    direction[:, 6] = 0
    rows = features(nominal, np.stack([nominal + s * direction for s in (0.01, 0.1, 1.0)]), PHASES)
    sizes = [FEATURES.index(name) for name in ("far", "near", "close", "lift", "grasp", "turn")]
    assert (np.diff(rows[:, sizes], axis=0) > 0).all()


def test_gripper_and_rotation_have_their_own(nominal: np.ndarray) -> None:
    changed = nominal.copy()
    changed[PHASES == "close", 6] *= -1
    changed[PHASES == "near", 4] += 0.2
    row = named(nominal, changed)
    assert row["flips"] == pytest.approx(0.5)
    assert row["turn"] == pytest.approx(np.log1p(0.1 / RESOLUTION), rel=1e-5)
    assert row["grasp"] == 0.0


def test_units_do_not_matter(nominal: np.ndarray) -> None:
    changed = nominal + np.random.default_rng(2).normal(0, 0.1, nominal.shape).astype(np.float32)
    assert np.allclose(
        features(nominal, changed[None], PHASES), features(0.05 * nominal, 0.05 * changed[None], PHASES), atol=1e-5
    )


def test_short_actions_have_no_gripper(nominal: np.ndarray) -> None:
    row = named(nominal[:, :2], -nominal[:, :2])
    assert row["flips"] == row["turn"] == row["bias_z"] == 0.0
    assert row["grasp"] > 0
