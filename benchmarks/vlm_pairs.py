"""The pairs of Table 1 as questions to a vision-language model, without and with solved examples (RoboMD, D.2)."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.metrics import Truth
from faultfield.envs.base import Snapshot
from faultfield.errors import LedgerError, StudyError
from faultfield.field.views import Views
from faultfield.rollouts.arrays import digest_of
from faultfield.rollouts.episode import Episode
from faultfield.study import Study
from faultfield.variations import Variation
from pages import tell
from pairs import Pairs, draw
from vlm import Asker, Turn

SIZE = 224
"""Pixels a side that pictures are enlarged to: most models see little in 84."""


@dataclass(frozen=True)
class Scenes:
    """What the model is shown and told.

    Attributes:
        views: Pictures states under variations.
        snapshots: States of one nominal success, in order.
        about: The system prompt: what the policy is and what it was asked to do.
    """

    views: Views
    snapshots: tuple[Snapshot, ...]
    about: str

    @classmethod
    def of(cls, study: Study, views: Views, frames: int = 7) -> "Scenes":
        """From the study's first nominal success that kept its states.

        Raises:
            LedgerError: None did.
        """
        for episode in study.ledger.iterate(stage="known", policy=study.identity["policy"], load="all"):
            path = episode.trajectory
            if episode.variation.is_nominal and episode.success and path is not None and len(path.snapshots):
                steps = np.linspace(0, len(path.snapshots) - 1, frames).round().astype(int)
                states = tuple(path.snapshots[step] for step in steps)
                return cls(views, states, describe(study))
        raise LedgerError(f"No nominal success in the ledger of {study.directory} kept its states.")

    def pictures(self, variation: Variation) -> list[NDArray[np.uint8]]:
        """The states under a variation, each uint8 (SIZE, SIZE, 3)."""
        from PIL import Image

        seen = self.views.visible_part(variation)
        shots = [Image.fromarray(self.views.picture(snapshot, seen)) for snapshot in self.snapshots]
        return [np.asarray(shot.resize((SIZE, SIZE), Image.Resampling.BICUBIC)) for shot in shots]

    def question(self, first: Variation, second: Variation) -> Turn:
        """One pair."""
        parts: list[str | NDArray[np.uint8]] = []
        for name, variation in (("1", first), ("2", second)):
            parts += [f"Scene {name}:", *self.pictures(variation)]
        return Turn(
            "user", (*parts, "In which scene is the robot more likely to fail? Answer 1 or 2 and nothing else.")
        )


def describe(study: Study) -> str:
    """The policy, its training as far as the study knows it, and the task, for the system prompt."""
    config = study.config
    policy = f"{config.policy.type.rsplit(':', 1)[-1]} ({_told(config.policy.arguments)})"
    where = f"{config.environment.type.rsplit(':', 1)[-1]} ({_told(config.environment.arguments)})"
    return (
        f"You judge how well a robot manipulation policy stands up to changes of its surroundings. The policy: "
        f"{policy}; it maps camera pictures to motions of the arm and was trained under unchanged conditions. The "
        f"environment: {where}. The task: {study.env.instruction}. You are shown two scenes that were each changed in "
        "some way, as pictures in the order of time of one and the same motion. Say in which of the two scenes the "
        "policy is more likely to fail at its task."
    )


def read(answer: str) -> bool | None:
    """Whether an answer names the first scene; None where it names neither, or both.

    Example:
        >>> read("1"), read("Scene 2."), read("2, because scene 1 is brighter"), read("either 1 or 2"), read("")
        (True, False, False, None, None)
    """
    words = answer.strip().strip("*\"'`([ ")
    if match := re.match(r"(?:scene |answer: ?)?([12])\b", words, re.IGNORECASE):
        return match.group(1) == "1"
    named = set(re.findall(r"\b[12]\b", answer))
    return named == {"1"} if len(named) == 1 else None


def put(
    asker: Asker,
    scenes: Scenes,
    variations: Sequence[Variation],
    pairs: Pairs,
    known: Sequence[Episode],
    shots: int,
    gap: float,
    directory: Path,
) -> list[bool | None]:
    """Put every pair to the model; its answers are kept in the directory as they come.

    Args:
        asker: The model.
        scenes: What it is shown.
        variations: The pairs' rows.
        pairs: What is asked.
        known: Episodes of the known variations, of which the solved examples are taken.
        shots: Solved examples before each question.
        gap: Least difference of an example's failure rates.
        directory: For the answers, in a file of all that the model is shown and told.

    Returns:
        Whether the first was named, in the order of the pairs; None where neither was.
    """
    shown = solved(known, shots, gap)
    before = [Turn("system", (scenes.about,))]
    for first, second, answer in shown:
        before += [scenes.question(first, second), Turn("assistant", (answer,))]
    order = [
        (worse, better) if first else (better, worse)
        for worse, better, first in zip(pairs.worse, pairs.better, pairs.first, strict=True)
    ]
    asked = [(variations[a].key, variations[b].key) for a, b in order]
    taught = [(first.key, second.key, answer) for first, second, answer in shown]
    states = [digest_of(state) for state in scenes.snapshots]
    made_from = [asker.name, asker.where, scenes.about, states, taught, asked]
    digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:16]
    file = directory / f"vlm-{digest}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    said = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    with file.open("a", encoding="utf-8") as lines:
        for number in range(len(said), len(order)):
            a, b = order[number]
            said.append(asker.ask([*before, scenes.question(variations[a], variations[b])]))
            lines.write(json.dumps(said[-1]) + "\n")
            lines.flush()
            if (number + 1) % 25 == 0:
                tell(f"{asker.name}, {shots} shots: {number + 1} of {len(order)}")
    return [read(answer) for answer in said]


def solved(known: Sequence[Episode], shots: int, gap: float) -> list[tuple[Variation, Variation, str]]:
    """Pairs of known variations, and what is right of each.

    Raises:
        StudyError: No two known variations differ enough.
    """
    if not shots:
        return []
    counts = Counts.of(known)
    try:
        pairs = draw(Truth(counts.failures, counts.episodes), shots, seed=0, gap=gap)
    except StudyError as error:
        raise StudyError(f"There are no solved examples to show: {error}") from error
    found = []
    for worse, better, first in zip(pairs.worse, pairs.better, pairs.first, strict=True):
        a, b = (worse, better) if first else (better, worse)
        found.append((counts.variations[a], counts.variations[b], "1" if first else "2"))
    return found


def _told(arguments: object) -> str:
    return json.dumps(arguments, default=str).strip("{}").replace('"', "") if arguments else "as it comes"
