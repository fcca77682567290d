"""A random Qwen2.5-VL of a few thousand weights, and the naive way to do with it what training does cleverly."""

from typing import Any

import torch
from torch import Tensor, nn

from faultfield.detector.head import DetectionHead
from faultfield.detector.model import EARLY, ArmorModel
from faultfield.detector.opening import Opening
from faultfield.detector.training.learner import Learner

IMAGE, VISION_START, END = 5, 3, 7
WORDS = 40
LAYERS = 5


def backbone(seed: int = 0) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    torch.manual_seed(seed)
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": WORDS, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": LAYERS,
            "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1,
            "eos_token_id": END,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [1, 1, 2]},
            "tie_word_embeddings": True,
        },
        vision_config={
            "depth": 2, "hidden_size": 32, "intermediate_size": 48, "num_heads": 4, "out_hidden_size": 32,
            "patch_size": 4,
            "spatial_merge_size": 2, "window_size": 16, "fullatt_block_indexes": [1], "temporal_patch_size": 2,
        },
        image_token_id=IMAGE, video_token_id=6, vision_start_token_id=VISION_START, vision_end_token_id=4,
        tie_word_embeddings=True,
    )  # fmt: skip
    model = Qwen2_5_VLForConditionalGeneration(config).eval()
    # Freshly made weights are so small that every answer is alike.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(6.0)
    return model


class TinyModel(ArmorModel):
    """Without a processor: prompts are written by hand."""

    def __init__(self, backbone: Any, head: DetectionHead) -> None:
        nn.Module.__init__(self)
        self.backbone, self.head = backbone, head
        self.gaze, self.early = None, EARLY


def learner(seed: int = 0, dropout: float = 0.0) -> Learner:
    model = backbone(seed)
    torch.manual_seed(seed + 1)
    return Learner(TinyModel(model, DetectionHead(32, heads=4, dropout=dropout))).eval()


def picture(seed: int, grid: tuple[int, int, int] = (1, 4, 4)) -> tuple[Tensor, Tensor]:
    """Patches of a random picture and its grid."""
    patches = grid[0] * grid[1] * grid[2]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(patches, 3 * 2 * 4 * 4, generator=generator), torch.tensor([grid])


def opening(model: Any, words: list[int], pixels: Tensor, grid: Tensor) -> Opening:
    """Some words, a picture, some words."""
    tokens = int(grid.prod()) // 4
    ids = torch.tensor([*words[:1], VISION_START, *[IMAGE] * tokens, 4, *words[1:]])
    kinds = (ids == IMAGE).int()[None]
    positions, _ = model.model.get_rope_index(ids[None], mm_token_type_ids=kinds, image_grid_thw=grid)
    return Opening(ids, positions[:, 0], pixels, grid, IMAGE)


def naive(model: ArmorModel, start: Opening, rest: list[int]) -> tuple[Tensor, Tensor]:
    """Whole sequence through transformers' own forward pass: (early features, logits), each (s, …)."""
    ids = torch.cat([start.ids, torch.tensor(rest, dtype=torch.long)])[None]
    out = model.core(
        input_ids=ids, pixel_values=start.pixels, image_grid_thw=start.grid, mm_token_type_ids=(ids == IMAGE).int(),
        attention_mask=torch.ones_like(ids), output_hidden_states=True, use_cache=False,
    )  # fmt: skip
    # hidden_states[k] is the output of layer k, the embeddings being 0.
    early = torch.stack(out.hidden_states[1 : 1 + model.early]).mean(dim=0)
    return early[0], out.logits[0]
