"""torchvision's ResNet-18 at full width, with ImageNet's weights where they can be had, as one more image baseline."""

from pathlib import Path

import torch
from torch import Tensor, nn

from faultfield.diagnosis.images import ImageScorer
from faultfield.errors import CheckpointError
from faultfield.field.views import Views

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures by channel, in 0–1, as torchvision's weights expect them."""


def weights_file(given: Path | None) -> Path | None:
    """The file with torchvision's weights: the one given, else the one that torchvision fetched earlier, else None.

    Nothing is fetched here: a benchmark that differs by whether a network was there would be two benchmarks.
    """
    if given is not None:
        return given
    kept = sorted((Path(torch.hub.get_dir()) / "checkpoints").glob("resnet18-*.pth"))
    return kept[0] if kept else None


class ResNet18(ImageScorer):
    """ResNet-18 with a head of one logit, all of it trained.

    Args:
        views: Gives the candidates' pictures.
        epochs: At most.
        seed: Of initial weights and of the batches' order.
        weights: torchvision's weights; random ones when None.
    """

    def __init__(self, views: Views, epochs: int = 30, seed: int = 0, weights: Path | None = None) -> None:
        super().__init__(views, "resnet", epochs, seed=seed)
        self._weights = weights

    def _build(self) -> nn.Module:
        return Network(self._weights)


class Network(nn.Module):
    """Pictures (n, 3, height, width) in 0–1 to failure logits (n,).

    Args:
        weights: torchvision's weights; random ones when None.

    Raises:
        CheckpointError: The file holds no weights of a ResNet-18.
    """

    def __init__(self, weights: Path | None) -> None:
        from torchvision.models import resnet18

        super().__init__()
        self.body = resnet18(weights=None)
        if weights is not None:
            try:
                self.body.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
            except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError) as error:
                raise CheckpointError(f"{weights} holds no weights of torchvision's ResNet-18.") from error
        self.body.fc = nn.Linear(self.body.fc.in_features, 1)
        self.register_buffer("mean", torch.tensor(_MEAN).reshape(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).reshape(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Failure logits."""
        return torch.squeeze(self.body((pictures - self.mean) / self.deviation), 1)
