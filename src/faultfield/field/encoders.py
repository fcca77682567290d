"""What turns pictures and sentences into numbers before the field is fitted to them."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faultfield.errors import CheckpointError, FieldError
from faultfield.field.config import Towers

_CHUNK = 128


@runtime_checkable
class Encoder(Protocol):
    """Pictures and sentences as vectors."""

    @property
    def name(self) -> str:
        """For tables and messages."""
        ...

    @property
    def picture_dim(self) -> int:
        """Length of a picture's vector."""
        ...

    @property
    def text_dim(self) -> int:
        """Length of a sentence's vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change with the weights."""
        ...

    def encode_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, picture_dim) of pictures (n, height, width, 3)."""
        ...

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, text_dim) of sentences."""
        ...


class PictureTower(nn.Module):
    """A network from uint8 pictures (n, height, width, 3) to vectors (n, dim)."""

    dim: int


class TextTower(nn.Module):
    """A network from tokens to vectors (n, dim)."""

    dim: int

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What `forward` takes, one row a sentence."""
        raise NotImplementedError


class TowerEncoder:
    """An encoder made of two torch networks, kept in evaluation mode.

    Args:
        name: For tables and messages.
        vision: Pictures to vectors.
        text: Sentences to vectors.
    """

    def __init__(self, name: str, vision: PictureTower, text: TextTower) -> None:
        self.name = name
        self.vision = vision.eval()
        self.text = text.eval()
        self.picture_dim = vision.dim
        self.text_dim = text.dim

    @property
    def fingerprint(self) -> str:
        """Digest of all weights of both towers."""
        digest = hashlib.sha256()
        for tower in (self.vision, self.text):
            for key, value in sorted(tower.state_dict().items()):
                digest.update(key.encode())
                digest.update(value.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def encode_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, picture_dim) of pictures (n, height, width, 3).

        Raises:
            FieldError: Not uint8, or not of that shape.
        """
        check_pictures(pictures, ndim=4)
        rows = [np.empty((0, self.picture_dim), dtype=np.float32)]
        with torch.inference_mode():
            for start in range(0, len(pictures), _CHUNK):
                batch = torch.from_numpy(np.ascontiguousarray(pictures[start : start + _CHUNK]))
                rows.append(self.vision(batch).float().numpy())
        return np.concatenate(rows)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, text_dim); a sentence that occurs often is encoded once."""
        if not texts:
            return np.empty((0, self.text_dim), dtype=np.float32)
        distinct = list(dict.fromkeys(texts))
        rows = []
        with torch.inference_mode():
            for start in range(0, len(distinct), _CHUNK):
                rows.append(self.text(**self.text.tokenize(distinct[start : start + _CHUNK])).float().numpy())
        place = {text: i for i, text in enumerate(distinct)}
        return np.asarray(np.concatenate(rows)[[place[text] for text in texts]], dtype=np.float32)


class CachingEncoder:
    """Another encoder that remembers its answers: cross-validation asks for the same pictures over and over.

    Args:
        encoder: What does the work.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.inner = encoder
        self.name = encoder.name
        self.picture_dim = encoder.picture_dim
        self.text_dim = encoder.text_dim
        self.fingerprint = encoder.fingerprint
        self._pictures: dict[bytes, NDArray[np.float32]] = {}
        self._texts: dict[str, NDArray[np.float32]] = {}

    def encode_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, picture_dim) of pictures (n, height, width, 3)."""
        check_pictures(pictures, ndim=4)
        shape = repr(pictures.shape[1:]).encode()
        keys = [hashlib.sha256(shape + np.ascontiguousarray(picture).tobytes()).digest() for picture in pictures]
        fresh = {key: i for i, key in enumerate(keys) if key not in self._pictures}
        if fresh:
            rows = self.inner.encode_pictures(pictures[list(fresh.values())])
            self._pictures.update(zip(fresh, rows, strict=True))
        if not keys:
            return np.empty((0, self.picture_dim), dtype=np.float32)
        return np.stack([self._pictures[key] for key in keys])

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (n, text_dim) of sentences."""
        fresh = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if fresh:
            self._texts.update(zip(fresh, self.inner.encode_texts(fresh), strict=True))
        if not texts:
            return np.empty((0, self.text_dim), dtype=np.float32)
        return np.stack([self._texts[text] for text in texts])


def build_encoder(which: str | Towers = "pocket") -> TowerEncoder:
    """The encoder that a study names.

    Args:
        which: `pocket`, a folder that holds a pocket encoder, or pretrained towers.

    Raises:
        SetupError: torchvision or transformers is needed and not installed.
        CheckpointError: Weights that are missing, foreign, or cannot be fetched.
    """
    if isinstance(which, Towers):
        from faultfield.field.pretrained import clip_text_tower, vit_tower

        return TowerEncoder(f"{Path(which.vision).stem}+{Path(which.text).name}", vit_tower(which.vision),
                            clip_text_tower(which.text))  # fmt: skip
    from faultfield.field.pocket_clip import PocketClip

    return PocketClip.load(shipped_pocket() if which == "pocket" else which).encoder()


def shipped_pocket() -> Path:
    """The folder of the pocket encoder that comes with the source.

    Raises:
        CheckpointError: It is in neither place.
    """
    places = [Path(__file__).resolve().parents[3] / "models" / "pocket-clip", Path.cwd() / "models" / "pocket-clip"]
    for place in places:
        if (place / "config.json").is_file():
            return place
    raise CheckpointError(f"The pocket encoder is not in {places[0]}; remake it with 'faultfield field pretrain'.")


def check_pictures(pictures: NDArray[np.uint8], ndim: int) -> None:
    """Refuse what is not an array of RGB pictures.

    Raises:
        FieldError: Not uint8, not `ndim` axes, or not three channels.
    """
    if pictures.dtype != np.uint8 or pictures.ndim != ndim or pictures.shape[-1] != 3:
        wanted = "(n, height, width, 3)" if ndim == 4 else "(n, k, height, width, 3)"
        raise FieldError(f"Pictures must be uint8 {wanted}, not {pictures.dtype} {pictures.shape}.")
