import pytest

from faultfield.detector.training.prompting import asks, lesson
from faultfield.detector.training.replies import Answer
from tests.detector.tiny import END
from tests.detector.training.toy import ToyCourse

COURSE = ToyCourse(12)
DENSE, SPARSE = 0, 1


def test_warm_up_is_told_nothing_and_learns_reasons_from_dense_samples_alone() -> None:
    taught = lesson("warm-up", [DENSE, SPARSE], COURSE, [True, False])
    target = COURSE.words(COURSE.annotated(DENSE))
    assert [(part.sample, part.ids, part.targets) for part in taught.parts] == [
        (0, (21,), 0), (0, (22, *target, END), len(target) + 1), (1, (21,), 0),
    ]  # fmt: skip
    assert taught.failed == (COURSE.label(DENSE), COURSE.label(SPARSE))
    assert (taught.detections, taught.targets) == (2, len(target) + 1)


def test_the_task_at_hand_is_never_told_its_own_annotation() -> None:
    words = COURSE.words(COURSE.annotated(DENSE))
    (reason,) = lesson("conditioned", [DENSE], COURSE, [False]).parts
    assert reason.ids == (22, 16 + COURSE.label(DENSE), *words, END)
    assert reason.targets == len(words) + 1
    (detection,) = lesson("conditioned", [DENSE], COURSE, [True]).parts
    assert detection.ids == (21, 18, *words)


def test_online_rounds_are_told_the_answers_before_them_and_add_up() -> None:
    answers = [[Answer(True, (30,)), Answer(False, (33, 34))], [Answer(False, ()), Answer(True, (31,))]]
    taught = lesson("online", [DENSE, SPARSE], COURSE, [True, False], answers)
    words = COURSE.words(COURSE.annotated(DENSE))
    assert [part.ids for part in taught.parts if part.sample == 0] == [
        (21,), (22, *words, END),
        (21, 17, 18, 30), (22, 17, 18, 30, *words, END),
        (21, 16, 18), (22, 16, 18, *words, END),
    ]  # fmt: skip
    # Reasons are generated for sparse samples, and conditioned on, but not learned.
    assert [part.ids for part in taught.parts if part.sample == 1] == [(21,), (21, 16, 18, 33, 34), (21, 17, 18, 31)]
    assert taught.rounds == 3
    # A loss divided by these is a sum over rounds of means over samples.
    assert (taught.detections, taught.targets) == (2, len(words) + 1)


def test_plain_fine_tuning_has_empty_thoughts_for_sparse_samples() -> None:
    taught = lesson("plain", [DENSE, SPARSE], COURSE, [True, False])
    words = COURSE.words(COURSE.annotated(DENSE))
    assert taught.parts[0].ids == (23, 24, *words, 25, 26 + COURSE.label(DENSE), END)
    assert taught.parts[1].ids == (23, 24, 25, 26 + COURSE.label(SPARSE), END)
    assert [part.targets for part in taught.parts] == [len(words) + 4, 4]


def test_captions_are_answers_to_questions_and_no_verdicts() -> None:
    taught = lesson("captions", [DENSE, SPARSE], COURSE, [True, False], draw=5)
    assert [(part.sample, part.ids, part.targets) for part in taught.parts] == [
        (0, (27, 36, 37, END), 3), (1, (27, 36, 37, END), 3)
    ]  # fmt: skip
    assert taught.failed == ()


@pytest.mark.parametrize("rows", [[SPARSE], [DENSE]])
@pytest.mark.parametrize("phase", ["warm-up", "conditioned", "online"])
def test_processes_that_share_a_model_always_use_both_heads(phase: str, rows: list[int]) -> None:
    if phase == "conditioned" and rows == [SPARSE]:
        pytest.skip("the conditioned phase has dense samples only")
    for detect in (True, False):
        plain = lesson(phase, rows, COURSE, [detect])
        whole = lesson(phase, rows, COURSE, [detect], whole=True)
        assert any(part.targets for part in whole.parts)
        assert any(not part.targets for part in whole.parts)
        assert (whole.detections, whole.targets) == (plain.detections, plain.targets)


def test_the_model_is_asked_with_what_it_said_before() -> None:
    prompts = asks([DENSE, SPARSE], COURSE)
    assert prompts(0, None) == ([21], [22])
    assert prompts(1, Answer(True, (30, 31))) == ([21, 17, 18, 30, 31], [22, 17, 18, 30, 31])
