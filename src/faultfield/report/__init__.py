"""The HTML report, its plots, and what the terminal says at the end."""

from faultfield.report.html import write_report
from faultfield.report.summary import print_worst
from faultfield.report.words import verdict

__all__ = ["print_worst", "verdict", "write_report"]
