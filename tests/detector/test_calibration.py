import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from faultfield.detector.calibration import calibrate, divide
from faultfield.detector.refine import DetectionAlone, Refiner
from faultfield.detector.trajectories import Refinement
from faultfield.detector.views import Viewer
from faultfield.errors import DetectorError
from tests.detector import pockets

HOW = Refinement(samples=1, rounds=2, tolerance=-math.inf, temperature=0.0, longest=4, agreeing=False)


def by_hand(odds: list[float], failed: list[bool]) -> int:
    places = [*odds, max(odds) + 1.0]
    return max(sum((each >= place) == truth for each, truth in zip(odds, failed, strict=True)) for place in places)


@pytest.mark.parametrize("seed", range(20))
def test_no_place_is_right_more_often(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 12))
    odds, failed = rng.normal(3, 4, count).tolist(), (rng.random(count) < 0.5).tolist()
    found = divide(odds, failed)
    assert found.after == by_hand(odds, failed)
    assert found.after == sum((each >= found.odds) == truth for each, truth in zip(odds, failed, strict=True))
    assert found.before == sum((each >= 0) == truth for each, truth in zip(odds, failed, strict=True))
    assert found.episodes == count


def test_what_is_right_stays_as_it_is() -> None:
    assert divide([-4.0, -0.5, 3.0], [False, False, True]).odds == 0.0
    # Of places that are as good, the one nearest to 0.
    assert divide([1.0, 3.0, 9.0, 11.0], [False, True, False, True]).odds == 2.0


def test_verdicts_divide_where_labelled_episodes_do() -> None:
    refiner = Refiner(pockets.model(), HOW)
    samples = pockets.samples(8)
    before = refiner.odds([sample.clip() for sample in samples])
    # An untrained head tells reds from blues somehow; which is which, the labels say.
    high = float(np.mean(before[::2])) > float(np.mean(before[1::2]))
    labelled = [replace(sample, failed=(i % 2 == 0) == high) for i, sample in enumerate(samples)]
    truth = [bool(sample.failed) for sample in labelled]
    done: list[int] = []
    found, told = calibrate(refiner, labelled, done.append)
    place = told.tasks[pockets.INSTRUCTION]
    assert (place.after, place.episodes, done[-1], told.problems) == (8, 8, 8, ())
    clips = [sample.clip() for sample in labelled]
    for detector in (found, DetectionAlone(found)):
        verdicts = detector.judge(clips)
        assert [verdict.failed for verdict in verdicts] == truth
    for verdict, odds in zip(found.judge(clips), before, strict=True):
        assert verdict.rounds[0].failure_probability == pytest.approx(expit(odds - place.odds), abs=1e-5)
    # Another task's verdicts stay as they were, and so does the detector that was given.
    others = [replace(clip, instruction="Stack.") for clip in clips]
    assert found.detect(others) == pytest.approx(refiner.detect(others))
    assert logit(refiner.detect(clips)) == pytest.approx(before, abs=1e-4)
    assert refiner.how.divides == {}


def test_a_full_stop_makes_no_other_task() -> None:
    refiner = Refiner(pockets.model(), HOW)
    # A file's instructions have lost theirs; an environment's, whose episodes are judged, have it.
    forms = (pockets.INSTRUCTION, f"{pockets.INSTRUCTION}.", f" {pockets.INSTRUCTION}. ")
    samples = pockets.samples(6)
    asked = [
        replace(each, instruction=form, given=replace(each.clip(), instruction=form))
        for each, form in zip(samples, forms * 2, strict=True)
    ]
    _, told = calibrate(refiner, asked)
    assert {task: place.episodes for task, place in told.tasks.items()} == {pockets.INSTRUCTION: 6}
    # A place that differs from 0, whatever the untrained head says.
    for how in (replace(HOW, divides={form: 2.0}) for form in forms):
        detector = Refiner(refiner.model, how)
        for form in forms:
            clips = [replace(each.clip(), instruction=form) for each in samples]
            moved = expit(np.array(refiner.odds(clips)) - 2.0)
            assert detector.detect(clips) == pytest.approx(moved, abs=1e-6)
            first = [verdict.rounds[0].failure_probability for verdict in detector.judge(clips)]
            assert first == pytest.approx(moved, abs=1e-5)


def test_labels_of_one_kind_divide_nothing() -> None:
    refiner = Refiner(pockets.model(), HOW)
    samples = [replace(sample, failed=True) for sample in pockets.samples(3)]
    with pytest.raises(DetectorError, match=r"all 3 labelled episodes are failures; where verdicts divide takes both"):
        calibrate(refiner, samples)
    with pytest.raises(DetectorError, match="No labelled episode can be judged"):
        calibrate(refiner, [replace(sample, failed=None) for sample in samples])


def test_an_episode_that_cannot_be_shown_is_listed_and_the_others_count() -> None:
    refiner = Refiner(pockets.model(view=Viewer("video", frames=2, cell=14, cameras=("wrist",))), HOW)
    samples = pockets.samples(5)
    blind = replace(samples[2], given=samples[2].clip().seen_by(["front"]))
    done: list[int] = []
    _, told = calibrate(refiner, [*samples[:2], blind, *samples[3:]], done.append)
    (problem,) = told.problems
    assert (problem.id, "wrist" in problem.text) == ("s2", True)
    assert (told.tasks[pockets.INSTRUCTION].episodes, done) == (4, [5])
    with pytest.raises(DetectorError, match=r"No labelled episode can be judged.*wrist"):
        calibrate(refiner, [blind])
