"""What the rivals of Tables 1 and 3 are asked about, what they answer, and the command line that both tables share."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.metrics import Truth
from faultfield.errors import StudyError
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.outcomes import Outcome
from faultfield.study import Study, stages
from faultfield.variations import Variation, VariationSpace
from pages import positive
from resnet18 import weights_file
from rivals import PROBE, Answer, Settings, answers, known_of, rivals
from table import TruthTable
from truth import question, read_outcomes

QUICK = {"seeds": 1, "steps": 1024, "epochs": 1}

TOLD = {
    PROBE: "probe", "field's head": "field", "PPO": "density (ppo)", "A2C": "density (a2c)", "SAC": "density (sac)",
    "PPO, drift": "density (ppo, drift)", "A2C, drift": "density (a2c, drift)", "CNN": "cnn",
    "ResNet-18, half width": "resnet",
}  # fmt: skip
"""Names of the same here and in `truth_roster.py`."""


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


@dataclass(frozen=True)
class Gathered:
    """Everything that both tables stand on.

    Attributes:
        study: Whose field and known variations.
        episodes: What the rivals learned from.
        known: What was counted of them, without the nominal variation.
        subject: What was asked about.
        answers: By rival.
        facts: For the page.
    """

    study: Study
    episodes: Sequence[Episode]
    known: Counts
    subject: Asked
    answers: Mapping[str, Answer]
    facts: Mapping[str, Any]

    @property
    def views(self) -> Views:
        """Of the study."""
        return stages.make_views(self.study)


def arguments(parser: ArgumentParser, table: str) -> None:
    """What both tables' command lines have in common."""
    parser.add_argument("study", type=Path)
    parser.add_argument("truth", type=Path, nargs="?")
    parser.add_argument("--answers", type=Path, help="what benchmarks/truth.py wrote, in the place of asking anew")
    parser.add_argument("--expert", type=Path)
    parser.add_argument("--gap", type=float, default=0.4)
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--steps", type=int, help="virtual steps of the diagnostic policies, instead of the study's")
    parser.add_argument("--epochs", type=int, default=30, help="of the image networks, at most")
    parser.add_argument("--resnet-weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/results") / table)
    parser.add_argument("--cache", type=Path, default=Path("runs/tables"))
    parser.add_argument("--quick", action="store_true")


def gather(options: Namespace) -> Gathered:
    """Ask everybody, or read what they answered.

    Raises:
        StudyError: Neither a truth nor answers were given, or they belong to another policy.
    """
    if (options.truth is None) == (options.answers is None):
        raise StudyError("Give either the truth or, with --answers, what benchmarks/truth.py wrote.")
    if options.quick:
        vars(options).update(QUICK)
    study = Study.open(options.study)
    episodes = stages.evidence(study)
    known = known_of(episodes)
    weights = weights_file(options.resnet_weights)
    settings = Settings(options.steps, options.epochs, weights)
    about: dict[str, Any] = {"policy": study.identity["policy"], "gap": options.gap}
    if options.answers is not None:
        subject, found, policy = told(options.answers, study.space)
        if policy != study.identity["policy"]:
            raise StudyError(f"{options.answers} is of another policy ({policy}, the study's is {about['policy']}).")
        about |= {"answers": options.answers.name, "seeds": 1}
    else:
        subject = asked(study, options.truth, options.expert, episodes)
        every = rivals(study, stages.make_views(study), settings)
        chosen = {name: rival for name, rival in every.items() if options.only is None or name in options.only}
        found = answers(study, chosen, settings, episodes, subject.variations, options.seeds, options.cache)
        about |= {
            "answers": None, "seeds": options.seeds, "resnet_weights": None if weights is None else weights.name,
            "settings": asdict(settings) | {"weights": str(weights)},
        }  # fmt: skip
    about |= {
        "variations": len(subject.variations), "episodes": int(subject.truth.episodes.sum()),
        "known": len(known.variations), "known_episodes": len(episodes),
        "left_out": {"known": subject.known, "infeasible": subject.infeasible},
    }  # fmt: skip
    return Gathered(study, episodes, known, subject, found, about)


def told(path: Path, space: VariationSpace) -> tuple[Asked, dict[str, Answer], str]:
    """What `truth.py` wrote, in the place of asking anew: its first table, the policy's fingerprint last.

    Its estimates are calibrated, which changes no order. Of known variations it says nothing.

    Raises:
        StudyError: The file is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["variations"]
        counts = [np.array([row[key] for row in rows], dtype=np.float64) for key in ("failures", "episodes")]
        subject = Asked(
            tuple(space.variation(row["variation"]) for row in rows), Truth(*counts), 0, len(content["infeasible"])
        )
        table = next(iter(content["tables"].values()))
        found = {
            name: _answer(table.get(theirs, {"error": "It was not asked."}), len(rows)) for name, theirs in TOLD.items()
        }
        return subject, found, str(content["policy"])
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise StudyError(f"{path} is not what benchmarks/truth.py writes: {error}.") from error


def _answer(row: Mapping[str, Any], count: int) -> Answer:
    scores = np.array([row["mean"]] if "mean" in row else [], dtype=np.float64).reshape(-1, count)
    return Answer(scores, np.empty((len(scores), 0)), row.get("seconds", 0.0), row.get("error", ""))
