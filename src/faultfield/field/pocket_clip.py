"""The pocket encoder: a small image tower and a small text tower that learned together from rendered scenes."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from faultfield import files
from faultfield.errors import CheckpointError
from faultfield.field.encoders import PictureTower, TextTower, TowerEncoder
from faultfield.field.tokenizer import VALUES, Tokenizer

_FORMAT = "faultfield.pocket-clip/1"

_TOGETHER = 32
"""Sentences read at once."""


@dataclass(frozen=True)
class PocketSize:
    """How large the two towers are.

    Attributes:
        side: Pictures are brought to side × side pixels.
        channels: Maps after each convolution that halves the picture.
        picture_dim: Length of a picture's vector.
        text_dim: Length of a sentence's vector, and width of the transformer.
        layers: Layers of the transformer.
        shared_dim: Length of the vectors in which pictures and sentences are compared.
    """

    side: int = 84
    channels: tuple[int, ...] = (32, 64, 96, 128)
    picture_dim: int = 256
    text_dim: int = 128
    layers: int = 2
    shared_dim: int = 128


class PocketPictures(PictureTower):
    """Convolutions, then all places of the last map at once: where a thing is matters here as much as what it is.

    Args:
        size: How large.
    """

    def __init__(self, size: PocketSize) -> None:
        super().__init__()
        self.dim = size.picture_dim
        self.side = size.side
        layers: list[nn.Module] = []
        width, side = 3, size.side
        for i, maps in enumerate(size.channels):
            kernel = 5 if i == 0 else 3
            layers += [nn.Conv2d(width, maps, kernel, stride=2, padding=kernel // 2, bias=False), nn.BatchNorm2d(maps),
                       nn.ReLU()]  # fmt: skip
            width, side = maps, -(-side // 2)
        layers += [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.Conv2d(width, 32, 1), nn.ReLU(), nn.Flatten(), nn.Linear(32 * side * side, self.dim)]
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def forward(self, pictures: Tensor) -> Tensor:
        """Vectors (n, dim) of uint8 pictures (n, height, width, 3)."""
        x = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        if x.shape[-2:] != (self.side, self.side):
            x = nn.functional.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True)
        out: Tensor = self.layers(x.contiguous(memory_format=torch.channels_last))
        return out


class PocketTexts(TextTower):
    """A small transformer over words, with the values of numbers and colours added to their vectors.

    Args:
        size: How large.
        tokenizer: What makes its tokens.
    """

    def __init__(self, size: PocketSize, tokenizer: Tokenizer) -> None:
        super().__init__()
        self.dim = size.text_dim
        self.tokenizer = tokenizer
        self.words = nn.Embedding(len(tokenizer), size.text_dim, padding_idx=0)
        self.places = nn.Embedding(tokenizer.length, size.text_dim)
        self.values = nn.Sequential(
            nn.Linear(VALUES, size.text_dim), nn.GELU(), nn.Linear(size.text_dim, size.text_dim)
        )
        layer = nn.TransformerEncoderLayer(size.text_dim, 4, 4 * size.text_dim, dropout=0.0, activation="gelu",
                                           batch_first=True, norm_first=True)  # fmt: skip
        self.transformer = nn.TransformerEncoder(layer, size.layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(size.text_dim)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Token indices and values."""
        return self.tokenizer(texts)

    def forward(self, tokens: Tensor, values: Tensor) -> Tensor:
        """Vectors (n, dim) of token indices (n, length) and their values (n, length, `VALUES`)."""
        # Sentences of like length go together: most are short, and padding them to the longest costs twice the time.
        order = torch.argsort((tokens != 0).sum(dim=1), stable=True)
        parts = []
        for rows in torch.split(order, _TOGETHER):
            longest = int((tokens[rows[-1]] != 0).sum())
            parts.append(self._read(tokens[rows, :longest], values[rows, :longest]))
        return torch.cat(parts)[torch.argsort(order)] if parts else values.new_empty((0, self.dim))

    def _read(self, tokens: Tensor, values: Tensor) -> Tensor:
        x = self.words(tokens) + self.values(values) + self.places(torch.arange(tokens.shape[1]))
        # The first place stands for the whole sentence.
        out: Tensor = self.norm(self.transformer(x, src_key_padding_mask=tokens == 0)[:, 0])
        return out


class PocketClip(nn.Module):
    """Both towers, and the heads by which they were trained.

    `vision_values` and `text_values` give the codes of `VariationSpace.encode`, less `values_mean`, over
    `values_scale`.

    Args:
        size: How large the towers are.
        tokenizer: What makes tokens of sentences.
        targets: Length of `VariationSpace.encode`, which both towers learn to tell.
    """

    values_mean: Tensor
    values_scale: Tensor

    def __init__(self, size: PocketSize, tokenizer: Tokenizer, targets: int) -> None:
        super().__init__()
        self.size = size
        self.targets = targets
        self.vision = PocketPictures(size)
        self.text = PocketTexts(size, tokenizer)
        self.vision_shared = nn.Linear(size.picture_dim, size.shared_dim)
        self.text_shared = nn.Linear(size.text_dim, size.shared_dim)
        self.vision_values = nn.Linear(size.picture_dim, targets)
        self.text_values = nn.Linear(size.text_dim, targets)
        self.register_buffer("values_mean", torch.zeros(targets))
        self.register_buffer("values_scale", torch.ones(targets))
        self.temperature = nn.Parameter(torch.tensor(2.0))

    def encoder(self) -> TowerEncoder:
        """The towers alone, as the field uses them."""
        return TowerEncoder("pocket", self.vision, self.text)

    def similarity(self, pictures: Tensor, texts: Tensor) -> Tensor:
        """Cosine similarities (n, m) of n picture vectors and m sentence vectors in the shared space."""
        left = nn.functional.normalize(self.vision_shared(pictures), dim=1)
        right = nn.functional.normalize(self.text_shared(texts), dim=1)
        return left @ right.T

    def save(self, directory: str | Path) -> None:
        """Write `model.safetensors` and `config.json` into `directory`, each whole or not at all."""
        directory = Path(directory)
        state = {key: value.detach().contiguous().clone() for key, value in self.state_dict().items()}
        content = {"format": _FORMAT, "size": asdict(self.size), "targets": self.targets,
                   "length": self.text.tokenizer.length, "words": list(self.text.tokenizer.words)}  # fmt: skip
        files.write_bytes(directory / "model.safetensors", save(state))
        files.write_text(directory / "config.json", json.dumps(content, indent=1) + "\n")

    @classmethod
    def load(cls, directory: str | Path) -> "PocketClip":
        """Read what `save` wrote.

        Raises:
            CheckpointError: Missing, foreign or damaged files.
        """
        directory = Path(directory)
        try:
            content = json.loads((directory / "config.json").read_text(encoding="utf-8"))
            if content.get("format") != _FORMAT:
                raise CheckpointError(
                    f"{directory / 'config.json'} has format {content.get('format')!r}, not '{_FORMAT}'."
                )
            size = PocketSize(**content["size"] | {"channels": tuple(content["size"]["channels"])})
            model = cls(size, Tokenizer(content["words"], content["length"]), content["targets"])
            model.load_state_dict(load_file(directory / "model.safetensors"))
        except FileNotFoundError as error:
            name = Path(error.filename or "model.safetensors").name
            raise CheckpointError(f"There is no pocket encoder in {directory}: {name} is missing.") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(f"{directory} holds no pocket encoder, or a damaged one.") from error
        return model.eval()
