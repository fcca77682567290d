"""Search strategies, and the virtual MDP in which the diagnostic policy learns without rollouts."""

from faultfield.search.base import Strategy
from faultfield.search.config import A2cSettings, PpoSettings, SacSettings, SearchConfig
from faultfield.search.diagnostic import train_diagnostic
from faultfield.search.diagnostic_strategy import DiagnosticSearch
from faultfield.search.grid import GridSearch
from faultfield.search.mdp import VirtualMDP
from faultfield.search.policy import DiagnosticPolicy
from faultfield.search.random import RandomSearch
from faultfield.search.sobol import SobolSearch

__all__ = [
    "A2cSettings", "DiagnosticPolicy", "DiagnosticSearch", "GridSearch", "PpoSettings", "RandomSearch", "SacSettings",
    "SearchConfig", "SobolSearch", "Strategy", "VirtualMDP", "train_diagnostic",
]  # fmt: skip
