"""Estimators of failure probability, ranking, calibration."""

from faultfield.diagnosis.base import Estimates, Estimator

__all__ = ["Estimates", "Estimator"]
