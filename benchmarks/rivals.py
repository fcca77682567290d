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
from faultfield.diagnosis.metrics import Truth
from faultfield.diagnosis.probe import ProbeScorer
from faultfield.diagnosis.scorer import Scorer
from faultfield.errors import FaultfieldError
from faultfield.field.encoders import CachingEncoder, build_encoder
from faultfield.field.views import Views
from faultfield.files import write_text
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome
from faultfield.study import Study, stages
from faultfield.variations import Variation
from pages import tell
from resnet18 import ResNet18
from table import TruthTable
from truth import question, read_outcomes

PROBE = "probe (ours)"
IMAGES = ("CNN", "ResNet-18, half width", "ResNet-18")


@dataclass(frozen=True)
class Rival:
    """One who ranks.

    Attributes:
        make: A fresh scorer from a seed.
        paper: Its row in the paper's Table 1, where it has one.
        seeded: Whether the seed changes its answer.
    """

    make: Callable[[int], Scorer]
    paper: str | None = None
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
        "PPO": Rival(text("ppo"), "PPO"),
        "A2C": Rival(text("a2c"), "A2C"),
        "SAC": Rival(text("sac"), "SAC"),
        "PPO, drift": Rival(drift("ppo"), "PPO"),
        "A2C, drift": Rival(drift("a2c"), "A2C"),
        "CNN": Rival(lambda seed: ImageScorer(views, "cnn", settings.epochs, seed=seed), "CNN"),
        "ResNet-18, half width": Rival(
            lambda seed: ImageScorer(views, "resnet", settings.epochs, seed=seed), "ResNet"
        ),
        "ResNet-18": Rival(lambda seed: ResNet18(views, settings.epochs, seed, settings.weights), "ResNet"),
    }  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What the rivals are asked about.

    Attributes:
        variations: n of them, which nothing was learned from, all feasible as far as is known.
        truth: Fresh episodes of each.
        known: How many variations of the truth were left out because the study knows them.
        infeasible: How many more because the expert fails under them too.
    """

    variations: tuple[Variation, ...]
    truth: Truth
    known: int
    infeasible: int


def asked(study: Study, path: Path, expert: Path | None, episodes: Sequence[Episode]) -> Asked:
    """The truth in a file, less what the study knows.

    Args:
        study: Whose policy and space.
        path: A truth table (.parquet), or what `faultfield rollout --json` printed.
        expert: The latter of the expert.
        episodes: What the rivals learn from.

    Raises:
        StudyError: No such file, or it is of another policy.
    """
    if path.suffix == ".parquet":
        table = TruthTable.read(path, study.space).belongs_to(study.identity, path)
        found = [Outcome(row.variation, len(row.failed), sum(row.failed)) for row in table.rows]
    else:
        found = read_outcomes(path, study.space)
    known = {episode.variation for episode in stages.rolled_out(study)} | {e.variation for e in episodes}
    fresh = [outcome for outcome in found if outcome.variation not in known]
    judged = read_outcomes(expert, study.space) if expert else []
    made = question(fresh, judged, [e.variation for e in episodes], study.space)
    return Asked(made.variations, made.truth, len(found) - len(fresh), len(made.infeasible))


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
        sorted((*e.key, e.success) for e in episodes), [v.key for v in variations],
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
                    told = rival.make(seed).fit(episodes).score(wanted).logit
                    spent = time.process_time() - started
                    write_text(file, json.dumps({"scores": told.tolist(), "seconds": spent}))
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
