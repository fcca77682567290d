"""What acts: the contract, scripted experts, visual behaviour cloning, any Python callable."""

from faultfield.policies.base import (
    Actions,
    CallablePolicy,
    Policy,
    check_actions,
    fingerprint,
    infer_batch,
    load_policy,
)  # fmt: skip

__all__ = [
    "Actions",
    "CallablePolicy",
    "Policy",
    "check_actions",
    "fingerprint",
    "infer_batch",
    "load_policy",
]
