"""A Qwen2.5-VL of a few million weights, built offline: its shape, its tokenizer, its processor."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from faultfield.detector import prompts
from faultfield.detector.head import DetectionHead
from faultfield.detector.model import ArmorModel
from faultfield.detector.views import Viewer
from faultfield.errors import DetectorError

START, END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
SPECIAL = (
    START, END, "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
"""Qwen2.5-VL's special tokens by their own names, so that its processor classes work unchanged."""

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""Qwen2.5-VL's form of a conversation."""


@dataclass(frozen=True)
class Shape:
    """How large a pocket model is; the default has about 3.7 million weights, its head among them.

    Attributes:
        hidden: Width of the decoder; a multiple of `heads` with at least 6 values a head.
        layers: Decoder layers.
        heads: Attention heads.
        key_heads: Of which this many have keys of their own.
        inner: Width inside the decoder's feed-forward parts.
        vision: Width of the vision tower; a multiple of 4 × `vision_heads`.
        vision_layers: Its layers.
        whole: Which of these attend to the whole picture. The others attend to windows of 2 x 2 tokens, which is a cell
            of a collage of 84 pixels: what is in different cells is for the decoder to put together.
        vision_heads: Its attention heads.
        vision_inner: Width inside its feed-forward parts.
        patch: Height and width of a patch, pixels.
        merge: Patches merged into one token, along each side.
        pixels: Most pixels of a picture, or of a frame of a video; larger ones are scaled down.
    """

    hidden: int = 128
    layers: int = 6
    heads: int = 4
    key_heads: int = 2
    inner: int = 384
    vision: int = 128
    vision_layers: int = 4
    whole: tuple[int, ...] = ()
    vision_heads: int = 4
    vision_inner: int = 256
    patch: int = 14
    merge: int = 3
    pixels: int = 256 * 1024

    @property
    def sections(self) -> tuple[int, int, int]:
        """Rotary frequencies for time, height and width: Qwen2.5-VL's 16 : 24 : 24 in a head of this width."""
        half = self.hidden // self.heads // 2
        side = half * 24 // 64
        return half - 2 * side, side, side


def tokenizer(sentences: Iterable[str], size: int = 1200) -> Any:
    """A byte-level BPE of Qwen's kind, trained on these sentences and our prompts; it can spell any text.

    Args:
        sentences: What the model will read and say.
        size: Most tokens, the special ones left out; at least 300, as bytes take 256.

    Raises:
        DetectorError: `size` is below 300.
    """
    if size < 300:
        raise DetectorError(f"A tokenizer that can spell any text needs at least 300 tokens, not {size}.")
    import json

    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    own = Qwen2Tokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE())
    learner.normalizer, learner.pre_tokenizer, learner.decoder = own.normalizer, own.pre_tokenizer, own.decoder
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=[PAD], initial_alphabet=alphabet, show_progress=False, min_frequency=2
    )
    words = [prompts.SYSTEM, prompts.BASELINE_SYSTEM, "system\n", "user\n", "assistant\n"]
    said = prompts.Said(True, "The"), prompts.Said(False, "The")
    words += [prompts.question("Lift", video) for video in (False, True)]
    words += [prompts.conditioning(each) for each in said]
    words += [prompts.request(task) for task in ("detection", "reasoning")]
    words += [prompts.baseline_answer(failed, "The") for failed in (False, True)]
    # Twice, as a pair has to be met twice to become a token.
    learner.train_from_iterator([*words, *words, *sentences], trainer)
    model = json.loads(learner.to_str())["model"]
    return Qwen2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(pair) for pair in model["merges"]],  # type: ignore[misc]  # it takes pairs, whatever it declares
        eos_token=END,
        pad_token=PAD,
        unk_token=PAD,
        extra_special_tokens=list(SPECIAL),
    )


def processor(words: Any, shape: Shape | None = None) -> Any:
    """Qwen2.5-VL's processor around a tokenizer, for pictures of the pocket's size."""
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor

    shape = shape or Shape()
    side = shape.patch * shape.merge
    sizes: dict[str, Any] = {
        "size": {"shortest_edge": side * side, "longest_edge": shape.pixels},
        "patch_size": shape.patch,
        "merge_size": shape.merge,
    }
    pictures = Qwen2VLImageProcessor(**sizes)
    videos = Qwen2VLVideoProcessor(**sizes, cap_pixels_per_frame=False)
    return Qwen2_5_VLProcessor(pictures, words, videos, chat_template=TEMPLATE)


def backbone(words: Any, shape: Shape | None = None, seed: int = 0) -> Any:
    """A Qwen2.5-VL with random weights for a tokenizer of `tokenizer`."""
    import torch
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    shape = shape or Shape()
    ids = dict(zip(SPECIAL, words.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    pad = words.convert_tokens_to_ids(PAD)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(words),
            "hidden_size": shape.hidden,
            "intermediate_size": shape.inner,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.key_heads,
            "max_position_embeddings": 4096,
            "bos_token_id": pad,
            "eos_token_id": ids[END],
            "pad_token_id": pad,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": list(shape.sections)},
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": shape.vision_layers,
            "hidden_size": shape.vision,
            "intermediate_size": shape.vision_inner,
            "num_heads": shape.vision_heads,
            "out_hidden_size": shape.hidden,
            "patch_size": shape.patch,
            "spatial_merge_size": shape.merge,
            "window_size": shape.patch * shape.merge * 2,
            "fullatt_block_indexes": list(shape.whole),
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    state = torch.random.get_rng_state()
    try:
        # transformers draws initial weights from the global generator only.
        torch.manual_seed(seed)
        return Qwen2_5_VLForConditionalGeneration(config).eval()
    finally:
        torch.random.set_rng_state(state)


def build(
    sentences: Iterable[str], shape: Shape | None = None, seed: int = 0, viewer: Viewer | None = None, size: int = 1200
) -> ArmorModel:
    """A pocket detector with random weights.

    Args:
        sentences: What it will read and say; its tokenizer is trained on them.
        shape: How large it is.
        seed: Of the weights.
        viewer: How a clip becomes what it is shown.
        size: Most tokens of the tokenizer.
    """
    import torch

    shape = shape or Shape()
    words = tokenizer(sentences, size)
    model = backbone(words, shape, seed)
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed + 1)
        head = DetectionHead(shape.hidden, shape.heads)
    finally:
        torch.random.set_rng_state(state)
    return ArmorModel(model, head, processor(words, shape), viewer).eval()
