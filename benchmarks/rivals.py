"""Everybody who ranks variations never tried, for the tables: the probe, the diagnostic policies, the image networks.

Only the order of variations matters to these tables, so every method gives its raw score, before any calibration (which
is monotone and would cost several fits more).
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield.diagnosis.classifier import ClassifierScorer
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.density import TUNED, DensityScorer
from faultfield.diagnosis.fields import FieldBank
from faultfield.diagnosis.images import ImageScorer
from faultfield.diagnosis.probe import ProbeScorer
from faultfield.diagnosis.scorer import Scorer
from faultfield.errors import FaultfieldError
from faultfield.field.encoders import CachingEncoder, build_encoder
from faultfield.field.views import Views
from faultfield.files import write_text
from faultfield.rollouts.episode import Episode
from faultfield.study import Study
from faultfield.variations import Variation
from pages import tell, version
from resnet18 import ResNet18

PROBE = "probe (ours)"
PAPER = {
    "PPO": "PPO", "A2C": "A2C", "SAC": "SAC", "PPO, drift": "PPO", "A2C, drift": "A2C", "CNN": "CNN",
    "ResNet-18, half width": "ResNet", "ResNet-18": "ResNet",
}  # fmt: skip
"""Their rows in the paper's Table 1."""


@dataclass(frozen=True)
class Rival:
    """One who ranks.

    Attributes:
        make: A fresh scorer from a seed.
        seeded: Whether the seed changes its answer.
    """

    make: Callable[[int], Scorer]
    seeded: bool = True


@dataclass(frozen=True)
class Settings:
    """How long the learners learn.

    Attributes:
        steps: Virtual steps of the diagnostic policies; the study's own (and `TUNED`'s) when None.
        epochs: Of the image networks, at most.
        weights: Of torchvision's ResNet-18; random ones when None.
    """

    steps: int | None = None
    epochs: int = 30
    weights: Path | None = None


def rivals(study: Study, views: Views, settings: Settings) -> dict[str, Rival]:
    """Name to rival; those on the same field share its fit."""
    encoder = CachingEncoder(build_encoder(study.config.field.encoder))
    outcome = study.config.field.model_copy(update={"contrast": "outcome"})

    @cache
    def bank(seed: int) -> FieldBank:
        return FieldBank(views, outcome, seed, encoder)

    def text(algorithm: str) -> Callable[[int], Scorer]:
        own = study.config.search
        search = replace(own, algorithm=algorithm, steps=settings.steps or own.steps)
        return lambda seed: DensityScorer(bank(seed), search, seed, "density", restarts=1)

    def drift(algorithm: str) -> Callable[[int], Scorer]:
        search = replace(TUNED, algorithm=algorithm, steps=settings.steps or TUNED.steps)
        return lambda seed: DensityScorer(bank(seed), search, seed)

    return {
        PROBE: Rival(lambda seed: ProbeScorer(views, seed), seeded=False),
        "field's head": Rival(lambda seed: ClassifierScorer(bank(seed))),
        "PPO": Rival(text("ppo")),
        "A2C": Rival(text("a2c")),
        "SAC": Rival(text("sac")),
        "PPO, drift": Rival(drift("ppo")),
        "A2C, drift": Rival(drift("a2c")),
        "CNN": Rival(lambda seed: ImageScorer(views, "cnn", settings.epochs, seed=seed)),
        "ResNet-18, half width": Rival(lambda seed: ImageScorer(views, "resnet", settings.epochs, seed=seed)),
        "ResNet-18": Rival(lambda seed: ResNet18(views, settings.epochs, seed, settings.weights)),
    }  # fmt: skip


def known_of(episodes: Sequence[Episode]) -> Counts:
    """What was counted of the known variations, without the nominal one."""
    return Counts.of([episode for episode in episodes if not episode.variation.is_nominal])


@dataclass(frozen=True)
class Answer:
    """What one rival said.

    Attributes:
        scores: Of the variations asked about, higher is likelier to fail, float64 (seeds, n).
        known: Of the known variations that it learned from, in the order of `known_of`, float64 (seeds, m).
        seconds: CPU seconds for all seeds.
        error: Why there are none, in a sentence; empty where there are.
    """

    scores: NDArray[np.float64]
    known: NDArray[np.float64]
    seconds: float
    error: str = ""


def answers(
    study: Study,
    chosen: Mapping[str, Rival],
    settings: Settings,
    episodes: Sequence[Episode],
    variations: Sequence[Variation],
    seeds: int,
    directory: Path,
) -> dict[str, Answer]:
    """Fit every rival on the episodes and ask it; answers are kept in the directory, a file a rival and seed."""
    made_from = [
        study.identity, study.config.field.model_dump(), asdict(study.config.search), asdict(settings),
        sorted((*e.key, e.success) for e in episodes), [v.key for v in variations], version(__file__),
    ]  # fmt: skip
    wanted = [*variations, *known_of(episodes).variations]
    result = {}
    for name, rival in chosen.items():
        rows, seconds, error = [], 0.0, ""
        for seed in range(seeds if rival.seeded else 1):
            digest = hashlib.sha256(json.dumps([name, seed, made_from], default=str).encode()).hexdigest()[:16]
            file = directory / f"{''.join(c if c.isalnum() else '-' for c in name)}-{digest}.json"
            try:
                if not file.exists():
                    started = time.process_time()
                    scored = rival.make(seed).fit(episodes).score(wanted).logit
                    spent = time.process_time() - started
                    write_text(file, json.dumps({"scores": scored.tolist(), "seconds": spent}))
            except FaultfieldError as failure:
                error = str(failure)
                break
            content = json.loads(file.read_text(encoding="utf-8"))
            rows.append(content["scores"])
            seconds += content["seconds"]
        scores = np.array(rows, dtype=np.float64).reshape(len(rows), len(wanted))
        count = len(variations)
        result[name] = Answer(scores[:, :count], scores[:, count:], round(seconds, 1), error)
        tell(f"{name}: {error or f'{seconds:.1f} s'}")
    return result
