import pytest

from faultfield.detector.drafts import Drafts


def test_the_answer_before_is_the_first_guess() -> None:
    drafts = Drafts([(1, 2, 9)])
    assert drafts.after((), before=(1, 2, 3)) == (1, 2, 3)
    assert drafts.after((1, 2), before=(1, 2, 3)) == (3,)


def test_else_the_commonest_known_one_that_begins_alike() -> None:
    drafts = Drafts([(1, 2, 3), (1, 2, 4), (1, 2, 4), (5, 6)])
    assert drafts.after((1,)) == (2, 4)
    assert drafts.after((5,), before=(1, 2, 3)) == (6,)
    assert drafts.after((7,)) == ()


def test_else_it_goes_on_in_the_answer_before_where_it_left() -> None:
    drafts = Drafts()
    assert drafts.after((1, 9), before=(1, 2, 3, 4)) == (3, 4)
    assert drafts.after((1, 3), before=(1, 2, 3, 4)) == (4,)
    assert drafts.after((1, 2, 9, 3), before=(1, 2, 3, 4)) == (4,)


def test_the_rarest_is_forgotten() -> None:
    drafts = Drafts([(1, 1), (1, 1), (2, 2)], most=2)
    drafts.learn((3, 3))
    assert [drafts.after((first,)) for first in (1, 2, 3)] in ([(1,), (), (3,)], [(1,), (2,), ()])


def test_it_reaches_as_far_as_guesses_were_right() -> None:
    reaches = []
    for share in (0.0, 0.5, 0.9, 0.99):
        drafts = Drafts()
        for number in range(400):
            drafts.count(number % 100 < share * 100)
        # As far as a tenth of all guesses would be right.
        reaches.append((drafts.reach, max(k for k in range(1000) if max(share, 1e-9) ** k >= 0.1)))
    for found, expected in reaches:
        assert found == pytest.approx(expected, abs=0.25 * expected + 1)
    for _ in range(2000):
        drafts.count(False)
    assert drafts.reach == 0
