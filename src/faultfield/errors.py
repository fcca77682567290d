"""Every error that a user can cause or mend. The CLI prints its one sentence and exits with code 2."""


class FaultfieldError(Exception):
    """Base of all errors that Faultfield raises on purpose; its text says what was wrong and what would be right."""


class VariationError(FaultfieldError):
    """An unknown factor, or a value that the factor does not take."""


class PolicyError(FaultfieldError):
    """A policy that cannot be loaded, or that answered with something that is not an action."""


class EnvError(FaultfieldError):
    """An environment that cannot be built, or that raised while it was stepped."""


class SetupError(FaultfieldError):
    """Something that must be installed first: a simulator, a system library, an optional extra."""


class CheckpointError(FaultfieldError):
    """A missing, foreign or damaged file of weights."""


class FieldError(FaultfieldError):
    """Episodes that a field cannot be fitted to, or inputs that do not fit the field."""


class LedgerError(FaultfieldError):
    """A ledger that is empty, damaged, or belongs to another study."""


class StudyError(FaultfieldError):
    """A study file or directory that does not say, or no longer says, what the stage needs."""


class DetectorError(FaultfieldError):
    """A clip, data file, model or endpoint that the detector cannot use."""


class UnreachableError(FaultfieldError):
    """A server that cannot be reached at all: no episode is to blame, so a run ends there."""


class FaultError(FaultfieldError):
    """A fault that a task does not allow, or a data set of faults that cannot be made or continued."""


def brief(error: BaseException) -> str:
    """An exception of somebody else's as the end of a sentence: its class and the first line of its text."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.')}." if lines else f"{type(error).__name__}."
