import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_score, recall_score, roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from faultfield.detector.metrics import auroc, detection, mean, rouge_all, rouge_l, share


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_share_is_that_of_statsmodels(counts: tuple[int, int]) -> None:
    number = share(*counts)
    low, high = proportion_confint(*counts, method="wilson")
    assert number.value == counts[0] / counts[1]
    assert number.low == pytest.approx(low, abs=1e-9)
    assert number.high == pytest.approx(high, abs=1e-9)


def test_detection_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    failed = rng.random(200) < 0.4
    p = np.round(np.clip(0.3 * rng.random(200) + 0.5 * failed, 0, 1), 1)
    scores = detection(p, failed)
    assert scores.accuracy.value == np.mean((p >= 0.5) == failed)
    assert scores.precision.value == pytest.approx(precision_score(failed, p >= 0.5))
    assert scores.recall.value == pytest.approx(recall_score(failed, p >= 0.5))
    assert scores.auroc.value == pytest.approx(roc_auc_score(failed, p))
    assert (scores.accuracy.count, scores.recall.count, scores.auroc.count) == (200, failed.sum(), 200)


def test_an_answer_that_cannot_be_read_is_wrong_whatever_the_truth() -> None:
    scores = detection([0.9, 0.1, math.nan, math.nan], [True, False, True, False])
    assert scores.accuracy.value == 0.5
    assert scores.unreadable == 2
    # Pairs (failure, success): read-read right, read-lost wrong, lost-read wrong, lost-lost wrong.
    assert scores.auroc.value == 0.25


def test_where_no_answer_can_be_read_nothing_is_ranked() -> None:
    scores = detection([math.nan] * 4, [True, False, True, False])
    assert (scores.accuracy.value, scores.recall.value, scores.unreadable) == (0.0, 0.0, 4)
    assert str(scores.auroc) == "–"
    assert json.loads(json.dumps(scores.as_json(), allow_nan=False))["auroc"] is None


def test_the_interval_of_the_auroc_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    true_area = 0.921350396  # of two unit normals two standard deviations apart: Phi(2 / sqrt 2)
    inside = 0
    for _ in range(400):
        scores = np.concatenate([rng.normal(2, 1, 30), rng.normal(0, 1, 25)])
        number = auroc(scores, np.arange(55) < 30)
        inside += number.low <= true_area <= number.high
    assert 0.92 <= inside / 400 <= 0.99


def test_a_perfect_auroc_keeps_an_interval_and_one_class_has_none() -> None:
    perfect = auroc([0.9, 0.8, 0.2, 0.1], [True, True, False, False])
    assert (perfect.value, perfect.high) == (1.0, 1.0)
    assert 0.2 < perfect.low < 0.9
    worst = auroc([0.1, 0.2, 0.8, 0.9], [True, True, False, False])
    assert (worst.value, worst.low) == (0.0, 0.0)
    assert worst.high == pytest.approx(1 - perfect.low)
    assert math.isnan(auroc([0.1, 0.2], [True, True]).value)


def test_the_bootstrap_of_a_mean_is_near_the_normal_one() -> None:
    values = np.random.default_rng(2).random(400)
    number = mean(values)
    half = 1.96 * values.std() / 20
    assert number.value == pytest.approx(values.mean())
    assert number.low == pytest.approx(values.mean() - half, abs=0.004)
    assert number.high == pytest.approx(values.mean() + half, abs=0.004)


def test_scores_that_are_all_alike_are_not_sure_of_themselves() -> None:
    assert mean([1.0] * 5).low == pytest.approx(1 - 1.96**2 / (5 + 1.96**2), abs=1e-3)
    assert mean([0.0] * 5).high == pytest.approx(1.96**2 / (5 + 1.96**2), abs=1e-3)
    none = mean([0.0] * 5, scores=False)
    assert (none.low, none.high) == (0.0, 0.0)


def _longest_common(a: list[str], b: list[str]) -> int:
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


def test_rouge_l_is_the_longest_common_subsequence() -> None:
    a, b = "the gripper moved left of the red cube", "the gripper moved too far right of the cube"
    common = _longest_common(a.split(), b.split())
    precision, recall = common / len(a.split()), common / len(b.split())
    assert rouge_l(a, b, stem=False) == pytest.approx(2 * precision * recall / (precision + recall))


def test_rouge_l_is_that_of_rouge_score() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=True)
    pairs = [("It slipped.", "The cube slips"), ("", "The cube slips"), ("same words", "same words"), ("a b", "c d")]
    expected = [scorer.score(b, a)["rougeL"].fmeasure for a, b in pairs]
    assert rouge_all([a for a, _ in pairs], [b for _, b in pairs]).tolist() == expected


def test_undefined_numbers_are_null_in_json() -> None:
    scores = detection([0.9, 0.1], [True, False]).as_json()
    assert scores["reason"] is None
    assert scores["accuracy"]["count"] == 2
    assert scores["unreadable"] == 0
