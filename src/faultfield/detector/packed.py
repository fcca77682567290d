"""Linear layers that read a few tokens at a time on a processor in little more than the time of one.

A matrix product of 2 to 64 rows spends its time on laying out the weights anew. oneDNN keeps them laid out.
"""

from typing import Any

import torch
from torch import Tensor, nn

_ROWS = range(2, 65)
"""Where the laid-out product is sooner: one row is a product of matrix and vector, many rows pay for the layout."""


class PackedLinear(nn.Module):
    """A linear layer with a second, laid-out copy of its weights, which are float32 and must not change any more.

    Args:
        layer: The layer whose weights it shares; names in a state dictionary stay the same.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self._laid_out = torch.ops.mkldnn._reorder_linear_weight(layer.weight.detach(), 4)

    def forward(self, x: Tensor) -> Tensor:
        """As `nn.Linear`; with gradient it is one."""
        if torch.is_grad_enabled() or x.numel() // self.in_features not in _ROWS:
            return nn.functional.linear(x, self.weight, self.bias)
        bias = None if self.bias is None else self.bias.detach()
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._laid_out, bias, "none", [], "")
        return out


def pack(module: nn.Module) -> int:
    """Put laid-out copies beside the weights of all linear layers on a processor, in place; their number.

    Takes the memory of those weights once more. Nothing happens to layers on another device, of another type, or where
    this build of torch has no oneDNN.
    """
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return 0
    count = 0
    for parent, name, layer in _linear_layers(module):
        if layer.weight.device.type == "cpu" and layer.weight.dtype == torch.float32:
            setattr(parent, name, PackedLinear(layer))
            count += 1
    return count


def unpack(module: nn.Module) -> int:
    """Undo `pack`, before the weights change; the number of layers."""
    count = 0
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, PackedLinear):
                plain = nn.Linear(layer.in_features, layer.out_features, bias=layer.bias is not None, device="meta")
                plain.weight, plain.bias = layer.weight, layer.bias
                setattr(parent, name, plain)
                count += 1
    return count


def _linear_layers(module: nn.Module) -> list[tuple[nn.Module, str, Any]]:
    # Exactly linear: what builds on it may read the weights in its own way, as attention of torch does.
    return [
        (parent, name, layer)
        for parent in module.modules()
        for name, layer in parent.named_children()
        if type(layer) is nn.Linear
    ]
