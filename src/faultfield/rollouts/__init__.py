"""Run one episode, run many, keep them in the ledger."""

from faultfield.rollouts.episode import Episode, Trajectory

__all__ = ["Episode", "Trajectory"]
