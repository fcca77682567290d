"""Models whose weights are shared out over processes, and how one gets whole again."""

import copy
from typing import Any, TypeVar

from torch import nn

from faultfield.errors import DetectorError

Module = TypeVar("Module", bound=nn.Module)


def is_sharded(accelerator: Any) -> bool:
    """Whether an `accelerate.Accelerator` shares out each weight over its processes."""
    kind = str(accelerator.distributed_type)
    return "FSDP" in kind or "DEEPSPEED" in kind


def check_shares(batch: int, micro_batch: int | None, processes: int) -> None:
    """See that processes that share out each weight pass through the model equally often in a step.

    All of them must call every layer at once: one that has a pass more waits for the others for ever.

    Args:
        batch: Samples in a gradient step, over all processes.
        micro_batch: Samples that a process passes through the model at once; None for all of its share.
        processes: How many there are.

    Raises:
        DetectorError: They do not, or one has no sample at all.
    """
    shares = [len(range(process, batch, processes)) for process in range(processes)]
    passes = {-(-share // (micro_batch or max(share, 1))) for share in shares}
    if passes == {0} or len(passes) > 1:
        parts = "" if micro_batch is None else f" in parts of {micro_batch}"
        raise DetectorError(
            f"A batch of {batch}{parts} gives {processes} processes that share out a model unequally many passes; take "
            f"a batch that is a multiple of {processes * (micro_batch or 1)}."
        )


def skeleton(module: Module) -> Module:
    """A copy whose parameters hold nothing, to take whole weights by `load_state_dict(…, assign=True)`.

    Modules that were shared out once stay so: their hooks wait for all processes and take no whole weights back. This
    copy, made before, has neither. Parameters that are one stay one; buffers are copied.
    """
    empty: dict[int, Any] = {
        id(each): nn.Parameter(each.detach().to("meta"), each.requires_grad) for each in module.parameters()
    }
    return copy.deepcopy(module, empty)
