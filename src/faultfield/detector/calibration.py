"""Where verdicts on a task divide, as a few labelled episodes of it have it.

On a task of which no verdict was ever taught, a detector may put nearly every failure above every success and still
call both failures: it is the zero of its scale that is off. A few labelled episodes say where it should be; nothing is
trained. Ours, not the paper's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from faultfield.detector.data import Sample
from faultfield.detector.evaluation import batches
from faultfield.detector.refine import Refiner
from faultfield.errors import DetectorError
from faultfield.faults.llava import Problem
from faultfield.faults.wording import bare
from faultfield.rollouts.clip import CAMERAS, Clip


@dataclass(frozen=True)
class Divide:
    """Where verdicts on one task divide.

    Attributes:
        odds: Log-odds of failure, as the detector has them, from which on an episode counts as failed.
        episodes: Labelled ones of the task.
        before: How many of them it gets right by itself, that is from log-odds of 0 on.
        after: And from `odds` on.
    """

    odds: float
    episodes: int
    before: int
    after: int


@dataclass(frozen=True)
class Calibration:
    """What labelled episodes told.

    Attributes:
        tasks: By what the robot was asked to do, as `bare` has it.
        problems: Episodes that could not be judged.
    """

    tasks: Mapping[str, Divide]
    problems: tuple[Problem, ...] = ()


def calibrate(
    refiner: Refiner,
    samples: Sequence[Sample],
    on_progress: Callable[[int], None] | None = None,
    cameras: Sequence[str] = CAMERAS,
) -> tuple[Refiner, Calibration]:
    """The same detector, its verdicts on the samples' tasks divided where they are right most often.

    Args:
        refiner: Asked for verdicts alone, unrefined; it stays as it is.
        samples: With and without failure; those without a label are left out. Samples are of one task when the robot
            was asked the same (`bare`).
        on_progress: Told how many samples are done.
        cameras: By which they are judged, where they have them.

    Raises:
        DetectorError: Of a task there are only failures or only successes, or no sample can be judged.
    """
    labelled = [sample for sample in samples if sample.failed is not None]
    problems: list[Problem] = []
    odds: dict[str, list[float]] = {}
    failed: dict[str, list[bool]] = {}
    labels = {sample.id: bool(sample.failed) for sample in labelled}
    for clips in batches(labelled, refiner.how.batch, cameras, problems):
        for clip, found in _odds(refiner, clips, problems):
            odds.setdefault(bare(clip.instruction), []).append(found)
            failed.setdefault(bare(clip.instruction), []).append(labels[clip.id])
        if on_progress is not None:
            on_progress(sum(map(len, odds.values())) + len(problems))
    if not odds:
        raise DetectorError("No labelled episode can be judged." + (f" {problems[0].text}" if problems else ""))
    tasks = {}
    for task, found_odds in odds.items():
        if len(set(failed[task])) < 2:
            kind = "failures" if failed[task][0] else "successes"
            raise DetectorError(
                f"Of '{task}' all {len(found_odds)} labelled episodes are {kind}; where verdicts divide takes both."
            )
        tasks[task] = divide(found_odds, failed[task])
    how = replace(refiner.how, divides={**refiner.how.divides, **{task: each.odds for task, each in tasks.items()}})
    return Refiner(refiner.model, how), Calibration(tasks, tuple(problems))


def _odds(refiner: Refiner, clips: Sequence[Clip], problems: list[Problem]) -> list[tuple[Clip, float]]:
    try:
        return list(zip(clips, refiner.odds(clips), strict=True))
    except DetectorError as error:
        if len(clips) == 1:
            problems.append(Problem(clips[0].id, str(error)))
            return []
    # One of them cannot be shown: alone, the others still can.
    return [each for clip in clips for each in _odds(refiner, [clip], problems)]


def divide(odds: Sequence[float], failed: Sequence[bool]) -> Divide:
    """Where most verdicts are right: of several such places the one nearest to 0, in the middle between two episodes.

    Args:
        odds: Log-odds of failure by episode, finite.
        failed: Whether it failed.

    Example:
        >>> divide([-3.0, 2.0, 8.0, 9.0], [False, False, True, True])
        Divide(odds=5.0, episodes=4, before=3, after=4)
    """
    scale, truth = np.asarray(odds, float), np.asarray(failed, bool)
    sorted_odds = np.sort(scale)
    middles = (sorted_odds[1:] + sorted_odds[:-1]) / 2
    places = np.concatenate([[0.0], middles, [sorted_odds[0] - 1.0, sorted_odds[-1] + 1.0]])
    right = ((scale[None, :] >= places[:, None]) == truth[None, :]).sum(axis=1)
    best = places[right == right.max()]
    return Divide(float(best[np.abs(best).argmin()]), len(scale), int(right[0]), int(right.max()))
