"""Attention in float32 where everything else computes in bfloat16 on a processor.

PyTorch's bfloat16 attention on processors has a backward pass twice as slow as its float32 one, while bfloat16 matrix
products take half the time: so each computes in the type that it is faster in.
"""

from typing import Any

import torch
from torch import Tensor

NAME = "float32_sdpa"
"""What transformers knows it by."""


def attend(backbone: Any, bf16: bool, device: str) -> None:
    """Let a model attend in the type that is faster on this kind of device, in place."""
    if bf16 and device == "cpu":
        use_float32(backbone)


def use_float32(backbone: Any) -> None:
    """Let a model of transformers attend in float32, in place; its other computations stay as they are."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    backbone.set_attn_implementation(NAME)


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **settings: Any
) -> tuple[Tensor, None]:
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    with torch.autocast(query.device.type, enabled=False):
        out, _ = sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **settings)
    return out, None
