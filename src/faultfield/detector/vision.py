"""Qwen2.5-VL's vision tower on a processor: the same picture tokens as its own forward pass, several times sooner.

The stock pass convolves patches that do not overlap, which is a matrix product in disguise, and attends to one window
after another, which is one batched attention where the windows are alike.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


def picture_tokens(tower: Any, pixels: Tensor, grid: Tensor) -> Tensor:
    """Picture tokens of one or many pictures or videos, float (tokens, width), differentiable.

    Args:
        tower: `model.visual` of a Qwen2.5-VL of transformers.
        pixels: Patches as the processor makes them, float (patches, values).
        grid: Patches over time, height and width, int64 (pictures, 3).
    """
    from transformers.vision_utils import (
        get_vision_attention_seqlens,
        get_vision_position_ids,
        get_vision_window_index,
    )

    frames, _ = get_vision_attention_seqlens(grid, tower.config)
    order, windows = get_vision_window_index(grid, tower.spatial_merge_size, tower.window_size, tower.patch_size)
    order = order.to(pixels.device)
    places = get_vision_position_ids(grid, tower.spatial_merge_size).to(pixels.device)
    rotary = tower.rotary_pos_emb(pixels, places)
    cos, sin = (_reorder(each, order, tower.spatial_merge_unit)[:, None].float() for each in rotary)
    weight = tower.patch_embed.proj.weight
    hidden = nn.functional.linear(pixels.to(weight.dtype), weight.flatten(1))
    hidden = _reorder(hidden, order, tower.spatial_merge_unit)
    spans = {True: _lengths(frames), False: _lengths(windows)}
    for number, block in enumerate(tower.blocks):
        lengths = spans[number in tower.fullatt_block_indexes]
        hidden = hidden + _attention(block.attn, block.norm1(hidden), lengths, cos, sin)
        hidden = hidden + block.mlp(block.norm2(hidden))
    tokens: Tensor = tower.merger(hidden)[torch.argsort(order)]
    return tokens


def _reorder(values: Tensor, order: Tensor, unit: int) -> Tensor:
    """Groups of `unit` rows of (rows, width) in another order."""
    return values.reshape(len(values) // unit, unit, -1)[order].reshape(len(values), -1)


def _lengths(ends: Tensor) -> list[int]:
    return [after - before for before, after in pairwise(ends.tolist())]


def _attention(layer: Any, hidden: Tensor, lengths: Sequence[int], cos: Tensor, sin: Tensor) -> Tensor:
    """Each stretch of `lengths` attends to itself; (patches, width)."""
    query, key, value = layer.qkv(hidden).reshape(len(hidden), 3, layer.num_heads, -1).unbind(1)
    parts = _rotate(query, cos, sin), _rotate(key, cos, sin), value
    sizes = torch.tensor(lengths, device=hidden.device)
    size_of_each = sizes.repeat_interleave(sizes)
    out = torch.empty_like(value)
    for size in set(lengths):
        of_size = slice(None) if len(set(lengths)) == 1 else size_of_each == size
        q, k, v = (each[of_size].unflatten(0, (-1, size)).transpose(1, 2) for each in parts)
        done = nn.functional.scaled_dot_product_attention(q, k, v, scale=layer.scaling)
        out[of_size] = done.transpose(1, 2).flatten(0, 1)
    projected: Tensor = layer.proj(out.flatten(1))
    return projected


def _rotate(values: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    wide = values.float()
    first, second = wide.chunk(2, dim=-1)
    return (wide * cos + torch.cat([-second, first], dim=-1) * sin).to(values.dtype)
