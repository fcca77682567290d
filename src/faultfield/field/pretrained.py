"""Towers trained by others: torchvision's vision transformers, and CLIP's text tower (RoboMD, Appendix C.4)."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from faultfield.errors import CheckpointError, SetupError
from faultfield.field.encoders import PictureTower, TextTower

_CLIP = "openai/clip-vit-base-patch32"
_HEAD_WIDTH = 64
"""Width of an attention head in every vision transformer of torchvision; weights do not tell it."""


def vit_tower(which: str) -> PictureTower:
    """A vision transformer without its classification head.

    Args:
        which: `vit_b_16`, fetched by torchvision (IMAGENET1K_V1), or a file with the state of a torchvision vision
            transformer of any size (`.safetensors`, or `.pth` that holds tensors alone).

    Raises:
        SetupError: torchvision is not installed.
        CheckpointError: The weights are missing, foreign, or cannot be fetched.
    """
    try:
        from torchvision.models import ViT_B_16_Weights
        from torchvision.models.vision_transformer import VisionTransformer
    except ImportError as error:
        raise SetupError(f"The encoder '{which}' needs torchvision: pip install 'faultfield[vision]'.") from error
    state = _fetch(ViT_B_16_Weights.IMAGENET1K_V1) if which == "vit_b_16" else _read_state(Path(which))
    try:
        width, _, patch, _ = state["conv_proj.weight"].shape
        places = state["encoder.pos_embedding"].shape[1] - 1
        layers = len({found[1] for key in state if (found := re.match(r"encoder\.layers\.encoder_layer_(\d+)\.", key))})
        mlp = state["encoder.layers.encoder_layer_0.mlp.0.weight"].shape[0]
        side = round(places**0.5) * patch
        network = VisionTransformer(side, patch, layers, max(1, width // _HEAD_WIDTH), width, mlp)
        network.heads = nn.Identity()
        network.load_state_dict({key: value for key, value in state.items() if not key.startswith("heads.")})
    except (KeyError, ValueError, IndexError, RuntimeError, AssertionError) as error:
        raise CheckpointError(f"'{which}' holds no weights of a torchvision vision transformer.") from error
    return _VisionTransformer(network, width, side)


def clip_text_tower(which: str) -> TextTower:
    """CLIP's text transformer with its tokenizer.

    Args:
        which: `clip`, fetched from the Hugging Face hub, or a folder (or hub name) that transformers can load it from.

    Raises:
        SetupError: transformers is not installed.
        CheckpointError: The weights are missing, foreign, or cannot be fetched.
    """
    try:
        from transformers import AutoTokenizer, CLIPTextModel
    except ImportError as error:
        raise SetupError(f"The encoder '{which}' needs transformers: pip install 'faultfield[vision]'.") from error
    name = _CLIP if which == "clip" else which
    try:
        # Safetensors only: a pickled checkpoint could run anything.
        model = CLIPTextModel.from_pretrained(name, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(name)
    except Exception as error:
        logging.getLogger(__name__).debug("transformers could not load %s", name, exc_info=error)
        raise CheckpointError(
            f"CLIP's text tower cannot be loaded from '{name}'; check the network, or name a folder that holds it."
        ) from error
    return _ClipText(model, tokenizer)


class _VisionTransformer(PictureTower):
    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, dim: int, side: int) -> None:
        super().__init__()
        self.network, self.dim, self.side = network, dim, side
        # ImageNet's own statistics, with which torchvision's weights were trained.
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures.permute(0, 3, 1, 2).float() / 255.0
        x = nn.functional.interpolate(x, (self.side, self.side), mode="bilinear", antialias=True)
        out: Tensor = self.network((x - self.mean) / self.deviation)
        return out


class _ClipText(TextTower):
    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model, self.dim = model, int(model.config.hidden_size)
        self._tokenizer, self._length = tokenizer, int(model.config.max_position_embeddings)

    def tokenize(self, texts: Sequence[str]) -> dict[str, Tensor]:
        tokens = self._tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self._length, return_tensors="pt"
        )
        return {"input_ids": tokens["input_ids"], "attention_mask": tokens["attention_mask"]}

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        out: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        return out


def _fetch(weights: Any) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"The weights of ViT-B/16 cannot be fetched from {weights.url}; check the network or name a local file."
        ) from error
    return state


def _read_state(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise CheckpointError(f"There is no file '{path}' with the weights of a vision transformer.")
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        # Tensors only: a pickled object could run anything.
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = "damaged" if isinstance(error, SafetensorError) else "foreign, damaged, or holds more than tensors"
        raise CheckpointError(f"The file '{path}' is {reason}; a vision transformer's state is wanted.") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"The file '{path}' holds no state of a vision transformer.")
    return state
