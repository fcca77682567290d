"""Models whose weights are shared out over processes, and how one gets whole again."""

import copy
from typing import Any, TypeVar

from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def is_sharded(accelerator: Any) -> bool:
    """Whether an `accelerate.Accelerator` shares out each weight over its processes."""
    kind = str(accelerator.distributed_type)
    return "FSDP" in kind or "DEEPSPEED" in kind


def skeleton(module: Module) -> Module:
    """A copy whose parameters hold nothing, to take whole weights by `load_state_dict(…, assign=True)`.

    Modules that were shared out once stay so: their hooks wait for all processes and take no whole weights back. This
    copy, made before, has neither. Parameters that are one stay one; buffers are copied.
    """
    empty: dict[int, Any] = {
        id(each): nn.Parameter(each.detach().to("meta"), each.requires_grad) for each in module.parameters()
    }
    return copy.deepcopy(module, empty)
