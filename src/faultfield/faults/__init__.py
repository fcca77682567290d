"""Faults injected into scripted experts: episodes that fail for a known reason, and that reason in words."""

from faultfield.faults.claims import Claim, agreement, parse, slots
from faultfield.faults.fault import KINDS, Fault
from faultfield.faults.wording import answer, question, reasons, success_reasons

__all__ = [
    "KINDS",
    "Claim",
    "Fault",
    "agreement",
    "answer",
    "parse",
    "question",
    "reasons",
    "slots",
    "success_reasons",
]
