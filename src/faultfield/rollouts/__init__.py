"""Run one episode, run many, keep them in the ledger."""

from faultfield.rollouts.collect import collect
from faultfield.rollouts.episode import Episode, Trajectory
from faultfield.rollouts.ledger import Ledger
from faultfield.rollouts.outcomes import Outcome, outcomes
from faultfield.rollouts.pool import Workers, run_many
from faultfield.rollouts.runner import rollout
from faultfield.rollouts.specs import EnvSpec, PolicySpec
from faultfield.rollouts.worker import Job

__all__ = [
    "EnvSpec",
    "Episode",
    "Job",
    "Ledger",
    "Outcome",
    "PolicySpec",
    "Trajectory",
    "Workers",
    "collect",
    "outcomes",
    "rollout",
    "run_many",
]
