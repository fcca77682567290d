"""The paper's small supervised baselines: networks that look at the first frame and guess whether the episode fails."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from faultfield.diagnosis.calibration import Calibrated
from faultfield.diagnosis.counts import Counts
from faultfield.diagnosis.fields import first_frames
from faultfield.diagnosis.scorer import Scorer, Scores, nearest_support
from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.variations import Variation

Network = Literal["cnn", "resnet"]

SIZE = 84
"""Pixels each way that the networks look at (RoboMD, Appendix B)."""


class ImageScorer(Scorer):
    """A small network trained on first frames and outcomes (RoboMD, Appendix B).

    Args:
        views: Gives the candidates' pictures.
        network: `cnn` or `resnet`.
        epochs: At most. The paper trains for 200; training stops once every episode is fitted (loss below `enough`),
            after which further epochs only scale the logits, which calibration undoes.
        enough: Mean training loss in nats at which to stop.
        seed: Of initial weights and of the batches' order.
    """

    def __init__(
        self, views: Views, network: Network = "cnn", epochs: int = 30, enough: float = 0.02, seed: int = 0
    ) -> None:
        self._views, self._network, self._epochs, self._enough, self._seed = views, network, epochs, enough, seed
        self.name = network

    def fit(self, episodes: Sequence[Episode]) -> "ImageScorer":
        """Train on one picture an episode."""
        pictures = _prepared(first_frames(episodes))
        failed = torch.tensor([not episode.success for episode in episodes], dtype=torch.float32)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            self._model = self._build()
        optimizer = torch.optim.AdamW(self._model.parameters(), lr=1e-3, weight_decay=1e-4)
        rng = np.random.default_rng(self._seed)
        self._model.train()
        for _ in range(self._epochs):
            total = 0.0
            # Batches of one cannot be normalised; the last, short batch joins the one before it.
            order = np.array_split(rng.permutation(len(pictures)), max(len(pictures) // 32, 1))
            for batch in order:
                loss = functional.binary_cross_entropy_with_logits(self._model(pictures[batch]), failed[batch])
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                total += float(loss.detach()) * len(batch)
            if total / len(pictures) < self._enough:
                break
        self._model.eval()
        self._known = self._thumbnails(Counts.of(episodes).variations)
        return self

    def score(self, candidates: Sequence[Variation]) -> Scores:
        """The network's logit averaged over the candidate's pictures; support by distance of thumbnails."""
        pictures = self._views.pictures(candidates)
        flat = _prepared(pictures.reshape(-1, *pictures.shape[2:]))
        with torch.inference_mode():
            logits = torch.cat([self._model(batch) for batch in torch.split(flat, 64)])
        mean = logits.double().numpy().reshape(pictures.shape[:2]).mean(axis=1)
        support = nearest_support(self._known, self._thumbnails(candidates))
        return Scores(mean, np.zeros(len(mean)), support)

    def _build(self) -> nn.Module:
        """A fresh network: pictures (n, 3, 84, 84) in 0–1 to failure logits (n,)."""
        return SmallCnn() if self._network == "cnn" else HalfResNet()

    def _thumbnails(self, variations: Sequence[Variation]) -> NDArray[np.float64]:
        pictures = self._views.pictures(variations)
        return np.asarray(pictures[:, :, ::8, ::8].mean(axis=1).reshape(len(pictures), -1) / 255.0)


class SmallCnn(nn.Module):
    """Two convolutions (3→32→64, 5×5, stride 2) and a head of 128 units; pictures (n, 3, 84, 84) to logits (n,)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2), nn.ReLU(), nn.Conv2d(32, 64, 5, stride=2), nn.ReLU(), nn.Flatten(),
            nn.Linear(64 * 18 * 18, 128), nn.ReLU(), nn.Linear(128, 1),
        )  # fmt: skip

    def forward(self, pictures: Tensor) -> Tensor:
        """Failure logits."""
        return torch.squeeze(self.layers(pictures), 1)


class HalfResNet(nn.Module):
    """ResNet-18 with halved channels as the paper lists them (16→32→64→128) and a head of 64 units."""

    def __init__(self) -> None:
        super().__init__()
        widths = (16, 32, 64, 128)
        blocks: list[nn.Module] = []
        before = widths[0]
        for stage, width in enumerate(widths):
            blocks += [_Block(before, width, 1 if stage == 0 else 2), _Block(width, width, 1)]
            before = width
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 7, stride=2, padding=3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )  # fmt: skip
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Linear(widths[-1], 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Failure logits (n,) of pictures (n, 3, 84, 84)."""
        return torch.squeeze(self.head(self.blocks(self.stem(pictures)).mean(dim=(2, 3))), 1)


class _Block(nn.Module):
    """Two 3×3 convolutions and a way around them (He et al. 2016)."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
        )  # fmt: skip
        self.around: nn.Module = nn.Identity()
        if stride != 1 or before != width:
            around = nn.Conv2d(before, width, 1, stride=stride, bias=False)
            self.around = nn.Sequential(around, nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.inner(x) + self.around(x))


class ImageNetwork(Calibrated):
    """The paper's CNN or half-width ResNet-18 as an estimator.

    Args:
        views: Gives the candidates' pictures.
        seed: Of the training and of the folds.
        network: `cnn` or `resnet`.
        epochs: At most.
        folds: Of the cross-validation that calibrates; each trains a network.
    """

    def __init__(
        self, views: Views, seed: int = 0, *, network: Network = "cnn", epochs: int = 30, folds: int | None = 3
    ) -> None:
        super().__init__(lambda: ImageScorer(views, network, epochs, seed=seed), folds, seed)


def _prepared(pictures: NDArray[np.uint8]) -> Tensor:
    """uint8 (n, height, width, 3) as float32 (n, 3, 84, 84) in 0–1."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255.0
    if tensor.shape[-2:] != (SIZE, SIZE):
        tensor = functional.interpolate(tensor, size=(SIZE, SIZE), mode="bilinear", antialias=True)
    return tensor.contiguous()
