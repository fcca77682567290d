import numpy as np
import pytest

from faultfield.detector.batches import Batches, Stream


def test_a_stream_is_one_whole_shuffle_after_another_from_any_position() -> None:
    stream = Stream(np.array([3, 5, 8, 13]), (7,))
    long = stream.take(0, 23)
    for lap in range(5):
        assert sorted(long[4 * lap : 4 * lap + 4]) == [3, 5, 8, 13]
    assert len({tuple(long[4 * lap : 4 * lap + 4]) for lap in range(5)}) > 1
    for start in range(20):
        assert stream.take(start, 3).tolist() == long[start : start + 3].tolist()


def _labels(n: int, failures: int, dense: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    failed, has_reason = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
    failed[rng.permutation(n)[:failures]] = True
    has_reason[rng.permutation(n)[:dense]] = True
    return failed, has_reason


def test_an_epoch_shows_every_sample_once() -> None:
    failed, dense = _labels(50, 20, 10)
    batches = Batches(failed, dense, 8, (0,))
    rows = np.concatenate([batches.at(step) for step in range(batches.steps(1.0))])
    assert batches.steps(1.0) == 7
    assert sorted(rows[:50]) == list(range(50))


@pytest.mark.parametrize("size", [1, 2, 5, 8, 32])
def test_shares_hold_in_every_batch_and_on_the_whole(size: int) -> None:
    failed, dense = _labels(200, 150, 20)
    batches = Batches(failed, dense, size, (1,), dense_share=0.4, balanced=True)
    rows = [batches.at(step) for step in range(40)]
    assert all(len(each) == size for each in rows)
    assert all(abs(dense[each].mean() - 0.4) * size <= 1 for each in rows)
    assert all(abs(failed[each].mean() - 0.5) * size <= 2 for each in rows)
    everything = np.concatenate(rows)
    assert dense[everything].mean() == pytest.approx(0.4, abs=0.01)
    assert failed[everything].mean() == pytest.approx(0.5, abs=0.03)


def test_an_empty_stratum_leaves_its_place() -> None:
    failed, dense = np.ones(10, dtype=bool), np.zeros(10, dtype=bool)
    batches = Batches(failed, dense, 4, (0,), dense_share=0.5, balanced=True)
    assert all(len(batches.at(step)) == 4 for step in range(5))


def test_batches_follow_from_seed_and_step_alone() -> None:
    failed, dense = _labels(30, 15, 9)
    one, two = (Batches(failed, dense, 6, (4, 1), 0.5, True) for _ in range(2))
    assert [two.at(step).tolist() for step in (9, 2)] == [one.at(step).tolist() for step in (9, 2)]
    other = Batches(failed, dense, 6, (4, 2), 0.5, True)
    assert any(other.at(step).tolist() != one.at(step).tolist() for step in range(3))


def test_reasons_for_failures_alone_do_not_upset_the_balance() -> None:
    failed = np.arange(200) % 2 == 0
    batches = Batches(failed, failed & (np.arange(200) < 100), 8, (0,), dense_share=0.75, balanced=True)
    for step in range(20):
        assert failed[batches.at(step)].sum() == 4
