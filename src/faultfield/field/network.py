"""The network on top of the towers: projections, the embedding layer, the failure head."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_FLOOR = 0.1


class Standardize(nn.Module):
    """Shifts columns to zero mean and scales them to unit deviation, without blowing up those that hardly vary.

    A column's scale is at least a tenth of the root mean square of all columns' deviations. Dividing a column that is
    constant over the known variations by its own tiny deviation would throw every other variation far out.

    Args:
        dim: Number of columns.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))

    def fit(self, rows: NDArray[np.float32]) -> None:
        """Take mean and scale from `rows`, shape (n, dim)."""
        wide = rows.astype(np.float64)
        deviation = wide.std(axis=0)
        typical = float(np.sqrt(np.mean(deviation**2)))
        scale = np.maximum(deviation, _FLOOR * typical) if typical > 0 else np.ones_like(deviation)
        self.mean.copy_(torch.from_numpy(wide.mean(axis=0)))
        self.scale.copy_(torch.from_numpy(scale))

    def forward(self, rows: Tensor) -> Tensor:
        """Standardised rows, shape (n, dim)."""
        return (rows - self.mean) / self.scale


class FieldNetwork(nn.Module):
    """Projection of each input, concatenation, an MLP layer that is the embedding, a failure head (RoboMD, Fig. 3).

    The embedding is taken before its layer's activation, so that it is signed and spreads in all directions.

    Args:
        widths: Length of each input's vector, by name, in the order of concatenation.
        dim: Length of the embedding (and of each projection).
        dropout: Share of standardised inputs and of hidden units dropped while training.
    """

    def __init__(self, widths: Mapping[str, int], dim: int, dropout: float) -> None:
        super().__init__()
        self.standardize = nn.ModuleDict({name: Standardize(width) for name, width in widths.items()})
        self.project = nn.ModuleDict({name: nn.Linear(width, dim) for name, width in widths.items()})
        self.dropout = nn.Dropout(dropout)
        self.mlp = nn.Linear(dim * len(widths), dim)
        self.head = nn.Linear(dim, 1)

    def fit_scales(self, rows: Mapping[str, NDArray[np.float32]]) -> None:
        """Fit the standardisation of every input to `rows`, shapes (n, width)."""
        for name, module in self.standardize.items():
            assert isinstance(module, Standardize)
            module.fit(rows[name])

    def embed(self, rows: Mapping[str, Tensor]) -> Tensor:
        """Embeddings (n, dim) of inputs (n, width) by name."""
        hidden = [
            layer(self.dropout(self.standardize[name](rows[name]))) for name, layer in self.project.items()
        ]  # fmt: skip
        joined: Tensor = self.mlp(self.dropout(nn.functional.gelu(torch.cat(hidden, dim=1))))
        return joined

    def potential(self, embeddings: Tensor) -> Tensor:
        """Failure logits (n,) at points (n, dim) of the field."""
        logits: Tensor = self.head(nn.functional.gelu(embeddings))
        return logits[:, 0]
