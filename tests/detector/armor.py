"""A random pocket detector that answers with some confidence, things to show it, and refinement the naive way."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from faultfield.detector import pocket, prompts
from faultfield.detector.model import ArmorModel
from faultfield.detector.prompts import Said
from faultfield.detector.trajectories import Refinement
from faultfield.detector.views import Picture, Video, View

SENTENCES = (
    "The gripper went too far to the left while approaching the cube.",
    "The gripper did not close while grasping the cube.",
    "The robot succeeded.",
    "Lift the red cube.",
)
SHAPE = pocket.Shape(
    hidden=48, layers=6, heads=4, key_heads=2, inner=64,
    vision=32, vision_layers=2, vision_heads=2, vision_inner=48, patch=14, merge=2,
)  # fmt: skip


@cache
def detector(seed: int = 0) -> ArmorModel:
    """In float32; freshly made weights are so small that all answers are alike, so they are made larger."""
    model = pocket.build(SENTENCES * 2, SHAPE, seed, size=330)
    with torch.no_grad():
        for name, weights in model.backbone.named_parameters():
            if weights.ndim >= 2:
                weights.mul_(12.0 if "embed_tokens" in name else 6.0)
        for name, weights in model.head.named_parameters():
            if weights.ndim >= 2 and "norm" not in name:
                weights.mul_(3.0)
        model.head.token.normal_(generator=torch.Generator().manual_seed(seed))
    return model.requires_grad_(False)


def picture(seed: int = 0, height: int = 84, width: int = 112) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8))


def video(seed: int = 0, time: int = 6, side: int = 56, fps: float = 2.0) -> Video:
    return Video(np.random.default_rng(seed).integers(0, 255, (time, side, side, 3), dtype=np.uint8), fps)


def words(instruction: str, said: Said, task: prompts.Task, is_video: bool) -> str:
    return prompts.question(instruction, is_video) + prompts.conditioning(said) + prompts.request(task)


def places(model: ArmorModel, read: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Positions (3, 1, s) of what a processor made, by Qwen2.5-VL's own rule.

    Text counts on by one; a picture or video begins at the next number, its time going in ticks; what follows it
    begins one after the largest number in it.
    """
    vision, ids, seconds = model.core.config.vision_config, read["input_ids"][0].tolist(), 0.0
    placeholder, grid = model.core.config.image_token_id, read.get("image_grid_thw")
    if grid is None:
        placeholder, grid = model.core.config.video_token_id, read["video_grid_thw"]
        seconds = float(read["second_per_grid_ts"][0])
    time, height, width = (int(each) for each in grid[0])
    out: list[tuple[int, int, int]] = []
    while len(out) < len(ids):
        # A picture's last token has the largest number on each axis.
        begin = max(out[-1]) + 1 if out else 0
        if ids[len(out)] != placeholder:
            out.append((begin, begin, begin))
            continue
        out += [
            (begin + int(t * seconds * vision.tokens_per_second), begin + y, begin + x)
            for t in range(time)
            for y in range(height // vision.spatial_merge_size)
            for x in range(width // vision.spatial_merge_size)
        ]
    return torch.tensor(out).T[:, None]


def stock(model: ArmorModel, view: View, text: str, answer: tuple[int, ...] = ()) -> tuple[torch.Tensor, torch.Tensor]:
    """A whole prompt through the stock processor and the stock forward pass: early features and logits, each (s, …)."""
    is_video = isinstance(view, Video)
    messages = [
        {"role": "system", "content": [{"type": "text", "text": prompts.SYSTEM}]},
        {"role": "user", "content": [{"type": "video" if is_video else "image"}, {"type": "text", "text": text}]},
    ]
    rendered = model.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    if isinstance(view, Video):
        rate = {"total_num_frames": len(view.frames), "fps": view.fps}
        read = model.processor(text=[rendered], videos=[view.frames], video_metadata=[rate], return_tensors="pt")
    else:
        read = model.processor(text=[rendered], images=[view.pixels], return_tensors="pt")
    if answer:
        more = torch.tensor([answer])
        read["input_ids"] = torch.cat([read["input_ids"], more], dim=1)
        read["attention_mask"] = torch.ones_like(read["input_ids"])
        read["mm_token_type_ids"] = torch.cat([read["mm_token_type_ids"], torch.zeros_like(more)], dim=1)
    with torch.no_grad():
        out = model.core(**read, position_ids=places(model, read), output_hidden_states=True, use_cache=False)
    # hidden_states[k] is the output of layer k, the embeddings being 0.
    return torch.stack(out.hidden_states[1:5]).mean(dim=0)[0], out.logits[0]


@dataclass(frozen=True)
class Step:
    """What a sample answered in a round, by the naive way."""

    chance: float
    reason: str
    detection_entropy: float
    reason_entropy: float
    combined: float


def naive_rounds(
    model: ArmorModel,
    view: View,
    instruction: str,
    how: Refinement,
    coins: NDArray[np.float64],
    draws: NDArray[np.float64],
) -> list[list[Step]]:
    """Every round and sample of Algorithm 2, never stopping, all of it encoded anew for every token."""
    said = [Said()] * how.samples
    out: list[list[Step]] = []
    for number in range(how.rounds):
        steps, told = [], []
        for sample in range(how.samples):
            is_video = isinstance(view, Video)
            early, _ = stock(model, view, words(instruction, said[sample], "detection", is_video))
            chance = float(model.head(early[None])[0].softmax(dim=0)[1])
            doubt = -sum(p * float(np.log(p)) for p in (chance, 1 - chance))
            text = words(instruction, said[sample], "reasoning", is_video)
            answer: list[int] = []
            surprise: list[float] = []
            for uniform in draws[number, sample]:
                logits = stock(model, view, text, tuple(answer))[1][-1].double().numpy()
                raw = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
                surprise.append(float(-sum(p * np.log(p) for p in raw if p > 0)))
                warm = np.exp((logits - logits.max()) / how.temperature)
                token = int(np.searchsorted(np.cumsum(warm / warm.sum()), uniform, side="right"))
                if token in model.scribe.ends:
                    break
                answer.append(token)
            reason = model.scribe.reason(answer)
            mean = float(np.mean(surprise))
            steps.append(Step(chance, reason, doubt, mean, doubt + how.weight * mean))
            told.append(Said(bool(coins[number, sample] >= 1 - chance), reason))
        out.append(steps)
        said = told
    return out
