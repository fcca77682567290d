"""Verdicts counted by variation, from a ledger written by hand."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from faultfield.rollouts.episode import Episode
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.verdict import Round, Verdict
from faultfield.study.verdicts import heard
from faultfield.variations import Variation
from tests.report.example import example

LEFT = ("The gripper went too far to the left while approaching the cube.",
        "While approaching the cube, the gripper was off target, too far to the left.")  # fmt: skip
OPEN = "The gripper did not close while grasping the cube."
DONE = "The robot succeeded."
BLUE, RED = Variation({"a": 1.0}, "A."), Variation({"b": 1.0}, "B.")


def judged(chance: float, reason: str) -> Verdict:
    return Verdict.of((Round(chance, reason, 0.1, 0.1),), best=0)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Any]:
    with Ledger(tmp_path, create=True) as ledger:
        yield SimpleNamespace(ledger=ledger, identity={"policy": "p", "environment": "e"})


def add(study: Any, variation: Variation, seed: int, success: bool, verdict: Verdict | None, policy: str = "p") -> None:
    episode = Episode(variation, seed, success, 9, policy, "e", "known")
    study.ledger.append(episode)
    if verdict is not None:
        shown = {episode.key: np.full((8, 8, 3), seed, np.uint8)}
        study.ledger.add_verdicts("d", {episode.key: verdict}, shown)


def test_without_verdicts_there_is_nothing_to_tell(study: Any) -> None:
    add(study, BLUE, 0, False, None)
    add(study, BLUE, 1, False, judged(0.9, OPEN), policy="expert")
    found = heard(study)
    assert (found.detector, found.verdicts, found.shown) == (None, {}, {})
    assert found.told_in(example()) == example()


def test_counts_and_the_commonest_claim_in_the_words_of_the_surest(study: Any) -> None:
    add(study, BLUE, 0, False, judged(0.99, OPEN))
    add(study, BLUE, 1, False, judged(0.7, LEFT[0]))
    add(study, BLUE, 2, False, judged(0.8, LEFT[1]))
    add(study, BLUE, 3, False, judged(0.2, DONE))
    add(study, BLUE, 4, True, judged(0.1, DONE))
    add(study, BLUE, 5, True, judged(0.999, LEFT[0]))
    add(study, BLUE, 6, False, None)
    add(study, RED, 0, False, judged(0.3, DONE))
    found = heard(study)
    blue, red = found.verdicts[BLUE.key], found.verdicts[RED.key]
    assert (blue.judged, blue.failures, blue.found, blue.alarms) == (6, 4, 3, 1)
    assert (blue.reason, blue.alike, blue.failure_probability, blue.seed) == (LEFT[1], 2, 0.8, 2)
    assert (red.judged, red.failures, red.found, red.reason) == (1, 1, 0, None)
    assert list(found.shown) == [BLUE.key]
    assert found.detector is not None
    assert (found.detector.episodes, found.detector.agreed, found.detector.rate) == (7, 4, 4 / 7)
    assert (found.detector.failures, found.detector.found, found.detector.alarms) == (5, 3, 1)
    assert found.detector.low < 4 / 7 < found.detector.high


def test_a_reason_that_names_a_fault_is_told_before_commoner_ones_that_name_none(study: Any) -> None:
    for seed, (chance, reason) in enumerate(
        [(0.9, DONE), (0.8, DONE), (0.99, "The y was done as asked."), (0.7, OPEN)]
    ):
        add(study, BLUE, seed, False, judged(chance, reason))
    add(study, RED, 0, False, judged(0.9, DONE))
    found = heard(study).verdicts
    assert (found[BLUE.key].reason, found[BLUE.key].alike, found[BLUE.key].seed) == (OPEN, 1, 3)
    assert (found[RED.key].reason, found[RED.key].alike) == (DONE, 1)


def test_only_the_newest_verdict_on_an_episode_counts(study: Any) -> None:
    add(study, BLUE, 0, False, judged(0.2, DONE))
    (episode,) = study.ledger.episodes()
    study.ledger.add_verdicts("newer", {episode.key: judged(0.9, OPEN)})
    found = heard(study)
    assert found.verdicts[BLUE.key].reason == OPEN
    assert found.detector is not None
    assert found.detector.fingerprints == ["newer"]


def test_a_diagnosis_is_told_and_keeps_its_fingerprint(study: Any) -> None:
    diagnosis = example()
    known, entry = diagnosis.known[0], diagnosis.ranking[0]
    for told in (known, entry):
        add(study, Variation(dict(told.variation), told.text), 0, False, judged(0.9, OPEN))
    with_words = heard(study).told_in(diagnosis)
    assert [e.verdicts is not None for e in with_words.known] == [e.key == known.key for e in diagnosis.known]
    assert [e.verdicts is not None for e in with_words.ranking] == [e.key == entry.key for e in diagnosis.ranking]
    assert with_words.fingerprint == diagnosis.fingerprint
    assert heard(study).told_in(with_words) == with_words
