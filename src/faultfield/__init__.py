"""Faultfield: where a manipulation policy will fail, why, and how to mend it."""

__version__ = "0.1.0"
