"""The detection head: one learnt query looks over the decoder's early features and says failed or not (ARMOR, A.1)."""

import torch
from torch import Tensor, nn


class DetectionHead(nn.Module):
    """Projects features, pools them by cross-attention of a learnt token, classifies what it gathered.

    The listing in the paper's A.1 uses two LayerNorms that its constructor never makes; they are here, after the
    projection and after the attention.

    Args:
        hidden: Width of the decoder's features; divisible by `heads`.
        heads: Attention heads; the decoder's own number fits any decoder.
        classes: Logits; (not failed, failed) by default.
        dropout: Share of activations dropped in training, 0–1.

    Example:
        >>> head = DetectionHead(32, heads=4).eval()
        >>> head(torch.zeros(2, 7, 32)).shape
        torch.Size([2, 2])
    """

    def __init__(self, hidden: int, heads: int = 8, classes: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        self._classes, self._dropout = classes, dropout
        self.token = nn.Parameter(torch.zeros(1, 1, hidden))
        self.projector = nn.Sequential(
            nn.Linear(hidden, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, hidden)
        )
        self.norm = nn.LayerNorm(hidden)
        self.attention = nn.MultiheadAttention(hidden, heads, batch_first=True)
        self.out_norm = nn.LayerNorm(hidden)
        self.classifier = nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden // 2),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(hidden // 2, classes),
        )

    @property
    def settings(self) -> dict[str, int | float]:
        """What the constructor takes to build a head of this shape."""
        return {
            "hidden": self.token.shape[-1],
            "heads": self.attention.num_heads,
            "classes": self._classes,
            "dropout": self._dropout,
        }

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (n, classes).

        Args:
            features: Mean of the early decoder layers' outputs at every position, float (n, s, hidden).
            mask: Which positions count, bool (n, s), at least one a row; all by default.
        """
        return self.pool(self.project(features), mask)

    def project(self, features: Tensor) -> Tensor:
        """The part that treats every position by itself, (…, hidden); it can be kept while more positions follow."""
        out: Tensor = self.norm(self.projector(features.to(self.token.dtype)))
        return out

    def pool(self, projected: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (n, classes) from what `project` gave, (n, s, hidden)."""
        query = self.token.expand(len(projected), -1, -1)
        hidden = None if mask is None else ~mask
        gathered, _ = self.attention(query, projected, projected, key_padding_mask=hidden, need_weights=False)
        out: Tensor = self.classifier(self.out_norm(gathered[:, 0]))
        return out
