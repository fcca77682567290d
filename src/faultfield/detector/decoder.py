"""Qwen2.5-VL's decoder layers without gradient, for tokens that continue a long cache: stock results, less copying.

The stock layer repeats every key and value once for each query head that shares them; here those heads' queries stand
in one row instead.
"""

from typing import Any, Protocol

import torch
from torch import Tensor, nn


class Store(Protocol):
    """Keeps keys and values; transformers' caches have the same method."""

    def update(self, keys: Tensor, values: Tensor, layer_idx: int) -> tuple[Tensor, Tensor]:
        """Append keys and values (n, heads, s, width) of a layer; all that it has now."""
        ...


@torch.no_grad()
def run(text: Any, hidden: Tensor, positions: Tensor, mask: Tensor, span: slice, store: Store) -> tuple[Tensor, Tensor]:
    """Run some decoder layers.

    Args:
        text: `model.language_model` of a Qwen2.5-VL of transformers.
        hidden: What goes in, float (n, s, width).
        positions: Int64 (3, n, s).
        mask: Who may look at whom, bool (n, 1, s, all).
        span: Which layers.
        store: Where their keys and values are.

    Returns:
        The last layer's output, and the sum of all their outputs, each (n, s, width).
    """
    cos, sin = (each[:, None] for each in text.rotary_emb(hidden, positions))
    config = text.config
    groups = config.num_attention_heads // config.num_key_value_heads
    # Once for all layers: each of them would turn truth into numbers.
    added = torch.zeros(mask.shape, dtype=hidden.dtype, device=mask.device).masked_fill_(~mask, -torch.inf)
    added = added.repeat(1, 1, groups, 1)
    total = torch.zeros_like(hidden)
    for layer in text.layers[span]:
        attention = layer.self_attn
        x = _norm(layer.input_layernorm, hidden)
        query, key, value = (
            project(x).unflatten(2, (-1, attention.head_dim)).transpose(1, 2)
            for project in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        keys, values = store.update(_rotate(key, cos, sin), value, attention.layer_idx)
        query = _rotate(query, cos, sin).unflatten(1, (-1, groups)).flatten(2, 3)
        seen = nn.functional.scaled_dot_product_attention(query, keys, values, attn_mask=added, scale=attention.scaling)
        seen = seen.unflatten(2, (groups, -1)).flatten(1, 2).transpose(1, 2).flatten(2)
        hidden = hidden + attention.o_proj(seen)
        hidden = hidden + layer.mlp(_norm(layer.post_attention_layernorm, hidden))
        total += hidden
    return hidden, total


def _norm(layer: Any, hidden: Tensor) -> Tensor:
    """Root-mean-square norm, computed in float32 as the stock layer does."""
    scaled = nn.functional.rms_norm(hidden.float(), (hidden.shape[-1],), eps=layer.variance_epsilon)
    out: Tensor = layer.weight * scaled.to(hidden.dtype)
    return out


def _rotate(values: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = values.chunk(2, dim=-1)
    return values * cos + torch.cat([-second, first], dim=-1) * sin
