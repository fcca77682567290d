"""A random Qwen2.5-VL of any size with a language put into embedding and output layer, to measure times on."""

import argparse
import math
from typing import Any

import numpy as np
import torch

from faultfield.detector import pocket
from faultfield.detector.head import DetectionHead
from faultfield.detector.model import ArmorModel
from faultfield.detector.opening import Scribe
from faultfield.detector.prompts import Said

TASK = "Put the red cube into the blue bowl."
SENTENCES = [TASK, "The gripper went too far to the left while approaching the cube.", "The robot succeeded."] * 2


class NumberScribe(Scribe):
    """Reasons as numbers: a random model says words that no tokenizer would give back as the same tokens."""

    def __init__(self, processor: Any, core: Any) -> None:
        super().__init__(processor, core)
        self.ends = frozenset()

    def reason(self, ids: Any) -> str:
        """The ids themselves, as text."""
        return " ".join(str(each) for each in ids)

    def reason_ids(self, reason: str) -> tuple[int, ...]:
        """The ids that `reason` wrote, and the end."""
        return (*(int(each) for each in reason.split()), self.end)

    def conditioning(self, said: Said) -> tuple[int, ...]:
        """As ever, with the reason's own ids in place of its words."""
        told = super().conditioning(Said(said.failed, None if said.reason is None else ""))
        return (*told, *(int(each) for each in (said.reason or "").split()))


def build(arguments: argparse.Namespace) -> ArmorModel:
    """A model whose proportions are those of Qwen2.5-VL-3B."""
    shape = pocket.Shape(
        hidden=arguments.hidden,
        layers=arguments.layers,
        heads=arguments.hidden // 64,
        key_heads=max(1, arguments.hidden // 512),
        inner=arguments.hidden * 43 // 8,
        vision=arguments.hidden * 5 // 8,
        vision_layers=arguments.layers,
        vision_heads=max(1, arguments.hidden // 128),
        vision_inner=arguments.hidden * 5 // 3 // 4 * 4,
        merge=2,
    )
    words = pocket.tokenizer(SENTENCES, 1200)
    core = pocket.backbone(_Long(words, arguments.vocabulary), shape).to(torch.float32)
    # As Qwen2.5-VL: windows of 112 pixels, the whole picture in every eighth layer.
    core.model.visual.window_size = 112
    core.model.visual.fullatt_block_indexes = list(range(7, shape.vision_layers, 8)) or [shape.vision_layers - 1]
    core.config.tie_word_embeddings = core.config.text_config.tie_word_embeddings = False
    core.lm_head.weight = torch.nn.Parameter(torch.empty_like(core.lm_head.weight), requires_grad=False)
    return _spoken_to(core, DetectionHead(shape.hidden, shape.heads), words, shape)


def on_device(shape: pocket.Shape, vocabulary: int, device: str, dtype: str) -> ArmorModel:
    """A model whose weights are made where it computes, and in their type: no other copy of them is ever anywhere.

    Args:
        shape: How large it is.
        vocabulary: Rows of embedding and output layer, apart from each other.
        device: Such as `cuda`.
        dtype: Of the backbone's weights; the head's are float32, as in a detector that is loaded.
    """
    from transformers import AutoModelForImageTextToText

    words = pocket.tokenizer(SENTENCES, 1200)
    with torch.device("meta"):
        config = pocket.backbone(_Long(words, vocabulary), shape).config
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    config.vision_config.window_size = 112
    # The layers add as much to what they are given as those of width 1024 at the usual 0.02, where `teach` is heard.
    config.text_config.initializer_range = 0.02 * math.sqrt(1024 / shape.hidden)
    torch.manual_seed(0)
    with torch.device(device):
        core: Any = AutoModelForImageTextToText.from_config(
            config, dtype=getattr(torch, dtype), attn_implementation="sdpa"
        )
        head = DetectionHead(shape.hidden, heads=8)
    return _spoken_to(core, head, words, shape)


def _spoken_to(core: Any, head: DetectionHead, words: Any, shape: pocket.Shape) -> ArmorModel:
    """Backbone and head as a detector that answers in numbers and learns nothing."""
    model = ArmorModel(core, head, pocket.processor(words, shape)).eval()
    with torch.no_grad():
        # As sure as a trained head: a failure probability of 0.95 or so.
        model.head.classifier[-1].bias.copy_(torch.tensor([0.0, 3.0]))
    model.scribe = NumberScribe(model.processor, core)
    return model.requires_grad_(False)


PLACES = 64
WORDS = 4
TAUGHT = 256
FIRST = 2000
"""Token ids of the language: those of a place, usual word first, follow one another from here on."""


@torch.no_grad()
def teach(model: ArmorModel, usual: float, temperature: float = 0.7) -> None:
    """Put the language into embedding and output layer; `usual` is the probability of the usual word at a place."""
    device = model.device
    generator = torch.Generator(device).manual_seed(1)
    embedding, head = model.text.embed_tokens.weight, model.core.lm_head.weight
    embedding.normal_(generator=generator)
    head.normal_(std=0.02, generator=generator)
    if usual == 0:
        return
    places = torch.randn(PLACES, embedding.shape[1], generator=generator, device=device).to(embedding.dtype)
    words = FIRST + torch.arange(PLACES, device=device)[:, None] * WORDS + torch.arange(WORDS, device=device)
    embedding[words] = places[:, None] * 0.9 + embedding[words] * 0.4
    # The start of the model's turn is the place before the first.
    embedding[model.scribe.request("reasoning")[-1]] = places[-1]
    probe = torch.tensor([[*model.scribe.ending("reasoning"), *words[:24, 0].tolist()]], device=device)
    positions = torch.arange(probe.shape[1], device=device).expand(3, 1, -1)
    mask = torch.ones(1, 1, probe.shape[1], probe.shape[1], dtype=torch.bool, device=device).tril()
    hidden, _ = model.layers(model.embed(probe), positions, mask, slice(None))
    # How loudly a hidden state names its place, measured: the layers in between add noise.
    loud = float((model.text.norm(hidden[0, -24:]) * places[:24]).sum(dim=1).mean())
    gap = temperature * math.log(max(WORDS - 1, 1) * usual / max(1 - usual, 1e-9))
    scale = torch.full((WORDS,), (20.0 - gap) / loud, dtype=head.dtype, device=device)
    scale[0] = 20.0 / loud
    # The words of a place look for the place before.
    head[words] = places.roll(1, dims=0)[:, None] * scale[:, None]


def taught(arguments: argparse.Namespace, usual: float) -> list[str]:
    """Reasons that a model of this language was taught, drawn from it as `Refiner` knows those of a training."""
    rng = np.random.default_rng(2)
    shape = TAUGHT, arguments.tokens
    words = np.where(rng.random(shape) < usual, 0, rng.integers(1, WORDS, shape))
    ids = FIRST + np.arange(arguments.tokens) % PLACES * WORDS + words
    return [" ".join(str(each) for each in row) for row in ids]


class _Long:
    """A tokenizer that says it has more tokens than it has, as Qwen's own embedding is longer than its vocabulary."""

    def __init__(self, words: Any, length: int) -> None:
        self._words, self._length = words, length

    def __len__(self) -> int:
        return self._length

    def __getattr__(self, name: str) -> Any:
        return getattr(self._words, name)
