"""What a study estimates of variations never tried, before any of them is verified."""

import hashlib
import inspect
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faultfield import plugins
from faultfield.diagnosis.base import Estimates, Estimator
from faultfield.diagnosis.fields import FieldBank
from faultfield.diagnosis.selection import Selection, select
from faultfield.errors import StudyError
from faultfield.field.views import Views
from faultfield.files import write_text
from faultfield.study import stages
from faultfield.study.directory import Study
from faultfield.study.progress import Progress
from faultfield.variations import NOMINAL, Variation, VariationSpace

RANKING_FILE = "ranking.json"

PICTURED = frozenset({"probe", "probe-prior", "field", "gp", "density"})
"""Estimators of ours that look at pictures of variations never tried."""


@dataclass(frozen=True)
class Ranking:
    """Estimates of all candidates, and how the estimator was chosen.

    Attributes:
        candidates: In the order in which they were asked.
        estimates: One row a candidate.
        density: Log-likelihood ratio of the diagnostic policy against nominal (RoboMD, 3.4), one a candidate; None
            where there is no such policy.
        estimator, reason: Which estimator, and why.
        scores: Cross-validated metrics, by estimator and metric.
        held_out: Failure probability of each known variation by an estimator that was not shown it, by key.
    """

    candidates: list[Variation]
    estimates: Estimates
    density: list[float] | None
    estimator: str
    reason: str
    scores: dict[str, dict[str, float | None]]
    held_out: dict[str, float]

    @property
    def order(self) -> list[int]:
        """Rows from the likeliest failure to the least likely."""
        return [int(row) for row in np.argsort(-self.estimates.mean, kind="stable")]

    def write(self, path: Path) -> None:
        """Keep it, whole or not at all."""
        content: dict[str, Any] = {
            "candidates": [v.to_json() for v in self.candidates],
            **{name: getattr(self.estimates, name).tolist() for name in ("mean", "low", "high", "support")},
            "density": self.density, "estimator": self.estimator, "reason": self.reason, "scores": self.scores,
            "held_out": self.held_out,
        }  # fmt: skip
        write_text(path, json.dumps(content, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path, space: VariationSpace) -> "Ranking":
        """Read what `write` wrote.

        Raises:
            StudyError: It is missing or damaged.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            columns = [np.array(content[name]) for name in ("mean", "low", "high", "support")]
            return cls(
                [space.variation(values) for values in content["candidates"]], Estimates(*columns), content["density"],
                content["estimator"], content["reason"], content["scores"], content["held_out"],
            )  # fmt: skip
        except FileNotFoundError:
            raise StudyError(f"There is no {path}: run 'faultfield run' on this study first.") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StudyError(f"{path} is damaged; delete it and run again.") from error


def ranking_stamp(study: Study, asked: Sequence[Variation]) -> str:
    """What a ranking is made from."""
    episodes = stages.evidence(study)
    chosen = study.config.diagnosis
    settings = chosen.model_dump(include={"estimator", "compare", "folds", "episodes"})
    search = stages.search_stamp(study, episodes)
    # Estimators of ours change with the version, others with their source.
    foreign = [name for name in (chosen.estimator, *chosen.compare) if ":" in name]
    sources = [hashlib.sha256(plugins.source(plugins.load(n, what="estimator"))).hexdigest() for n in foreign]
    return study.stamp("rank", search=search, asked=[v.key for v in asked], settings=settings, sources=sources)


def rank(study: Study, asked: Sequence[Variation], progress: Progress) -> Ranking:
    """Choose the estimator by cross-validation over the known variations, and estimate the candidates with it.

    Field and diagnostic policy were made from what is there now: `stages.check_current`.
    """
    views = stages.make_views(study)
    with progress.task("Comparing estimators", 1) as update:
        selection = _selected(study, views)
        update(1)
    estimates: list[Estimates] = []
    with progress.task("Ranking candidates", len(asked)) as update:
        for start in range(0, len(asked), 8):
            estimates.append(selection.estimator.estimate(asked[start : start + 8]))
            update(min(start + 8, len(asked)))
    held = selection.held_out[selection.name]
    return Ranking(
        list(asked), _joined(estimates), _density(study, asked) if views.can_observe else None,
        selection.name, selection.reason, _scores(selection),
        {v.key: float(p) for v, p in zip(held.counts.variations, held.estimates.mean, strict=True)},
    )  # fmt: skip


def make_estimator(study: Study, name: str, views: Views, bank: FieldBank | None = None) -> Estimator:
    """An estimator by name or `module:Class`, not fitted yet.

    It is called with `views` and `seed`, and with those of `field`, `search`, `folds` and `bank` that its constructor
    names.

    Raises:
        StudyError: There is none of that name, or it cannot be built.
    """
    make = plugins.load(name, what="estimator", group="faultfield.estimators")
    offered: dict[str, Any] = {
        "field": study.config.field, "search": study.config.search, "folds": study.config.diagnosis.folds, "bank": bank,
    }  # fmt: skip
    taken = inspect.signature(make).parameters
    extra = {key: value for key, value in offered.items() if key in taken and value is not None}
    try:
        estimator = make(views, seed=study.config.rollouts.seed, **extra)
    except TypeError as error:
        raise StudyError(f"The estimator '{name}' cannot be built: {error}.") from error
    if not isinstance(estimator, Estimator):
        raise StudyError(f"The estimator '{name}' must be a faultfield.diagnosis.Estimator.")
    # What it says is compared with as many fresh episodes.
    estimator.episodes = study.config.diagnosis.episodes
    return estimator


def chosen_estimator(study: Study) -> str:
    """The estimator that the study's ranking chose.

    Raises:
        StudyError: The study was not diagnosed yet.
    """
    return Ranking.read(study.directory / RANKING_FILE, study.space).estimator


def _selected(study: Study, views: Views) -> Selection:
    settings = study.config.diagnosis
    names = _compared(settings.compare, views) if settings.estimator == "auto" else [settings.estimator]
    bank = stages.make_bank(study, views)
    factories = {name: (lambda name=name: make_estimator(study, name, views, bank)) for name in names}
    return select(
        factories, stages.evidence(study), folds=settings.folds, seed=study.config.rollouts.seed, default=names[0]
    )


def _compared(names: Sequence[str], views: Views) -> list[str]:
    """Those of the estimators that there is something to look at for."""
    return list(names) if views.can_observe else [name for name in names if name not in PICTURED] or ["values"]


def _density(study: Study, asked: Sequence[Variation]) -> list[float]:
    """Log p(a) − log p(nominal) of the diagnostic policy, averaged over the known states."""
    from scipy.special import logsumexp

    policy, field = stages.load_diagnostic(study), stages.load_field(study)
    known = stages.embed(study, field, [NOMINAL, *study.known])
    rows = stages.embed(study, field, [NOMINAL, *asked])
    logs = logsumexp(policy.log_density(known.astype(np.float32), rows.astype(np.float32)), axis=0)
    return [float(value) for value in logs[1:] - logs[0]]


def _scores(selection: Selection) -> dict[str, dict[str, float | None]]:
    rows: dict[str, dict[str, float | None]] = {}
    for score in selection.scores:
        # Those that were chosen by count a variation by its episodes, and so are not those of `evaluate`.
        measured = {**score.metrics, "brier": score.brier, "log_loss": score.log_loss}
        rows[score.name] = {n: float(m.value) if np.isfinite(m.value) else None for n, m in measured.items()}
    return rows


def _joined(parts: Sequence[Estimates]) -> Estimates:
    columns = (np.concatenate([asdict(part)[name] for part in parts]) for name in ("mean", "low", "high", "support"))
    return Estimates(*columns)
