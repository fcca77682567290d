"""From views and words to token ids and back: what all prompts of a clip open with, and what may follow it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from faultfield.detector import prompts
from faultfield.detector.prompts import Said, Task
from faultfield.detector.views import Video, View
from faultfield.errors import DetectorError

_MARK = "\u241e"
"""Stands in a rendered prompt where the opening ends; no prompt holds it."""


@dataclass(frozen=True)
class Opening:
    """System text, picture or video, and the question: the same for both tasks, every sample and every round.

    Attributes:
        ids: Token ids with a placeholder for every picture token, int64 (p,).
        positions: Positions on the three axes of Qwen's rotary embedding, int64 (3, p).
        pixels: Patches as the processor makes them, float (patches, values).
        grid: Patches over time, height and width, int64 (1, 3).
        placeholder: Id of the placeholder.
    """

    ids: Tensor
    positions: Tensor
    pixels: Tensor
    grid: Tensor
    placeholder: int

    @property
    def next(self) -> int:
        """Position of the token that follows, on all three axes: one more than the last token's, which is text."""
        return int(self.positions[0, -1]) + 1


class Scribe:
    """Writes prompts as token ids, and reads reasons.

    Args:
        processor: Of a Qwen2.5-VL: tokenizer, picture and video processor, chat template.
        core: The Qwen2.5-VL, for its rotary positions and its ends of a text.

    Raises:
        DetectorError: There is no chat template, it does not render our prompts, or the tokenizer is another model's.
    """

    def __init__(self, processor: Any, core: Any) -> None:
        if not getattr(processor, "chat_template", None):
            raise DetectorError(
                "The model has no chat template to write prompts with; take an instruction-tuned Qwen2.5-VL."
            )
        self.processor, self.tokenizer, self._core = processor, processor.tokenizer, core
        for token, id in (
            (processor.image_token, core.config.image_token_id),
            (processor.video_token, core.config.video_token_id),
        ):
            # A folder without its tokenizer's file loads as a tokenizer that knows nothing.
            if self.tokenizer.convert_tokens_to_ids(token) != id:
                raise DetectorError(f"The model was made for another tokenizer: '{token}' is not its token {id}.")
        after = self._render("video", "").partition(_MARK)[2]
        if not after:
            raise DetectorError("The model's chat template drops a part of the prompt; take a Qwen2.5-VL's own.")
        self._after = after
        end = self.tokenizer.eos_token_id
        turn = after.split("\n")[0]
        ids = self._ids(turn)
        # The model closes its turn as the template closes the user's; hub tokenizers name another end of text.
        self.end: int = ids[0] if len(ids) == 1 else end
        configured = core.generation_config.eos_token_id if core.generation_config is not None else None
        listed = configured if isinstance(configured, list) else [configured]
        self.ends = frozenset(each for each in (self.end, end, *listed) if each is not None)

    def open(self, view: View, instruction: str) -> Opening:
        """The opening of a clip.

        Args:
            view: What is shown.
            instruction: What the robot was asked to do.

        Raises:
            DetectorError: The view has a form that the processor refuses.
        """
        video = isinstance(view, Video)
        text = self._render("video" if video else "image", prompts.question(instruction, video)).partition(_MARK)[0]
        # Of a picture three pixels high it would guess that the height is the colours.
        told = {"return_tensors": "pt", "input_data_format": "channels_last"}
        try:
            if isinstance(view, Video):
                rate = {"total_num_frames": len(view.frames), "fps": view.fps}
                read = self.processor(text=[text], videos=[view.frames], video_metadata=[rate], **told)
            else:
                read = self.processor(text=[text], images=[view.pixels], **told)
        except (ValueError, TypeError, RuntimeError) as error:
            shape = (view.frames if isinstance(view, Video) else view.pixels).shape
            raise DetectorError(f"The model's processor refuses pictures of the shape {shape}.") from error
        grid = read["video_grid_thw" if video else "image_grid_thw"]
        positions, _ = self._core.model.get_rope_index(
            read["input_ids"],
            read["mm_token_type_ids"],
            **({"video_grid_thw": grid, "second_per_grid_ts": read["second_per_grid_ts"]} if video else {}),
            **({} if video else {"image_grid_thw": grid}),
        )
        pixels = read["pixel_values_videos" if video else "pixel_values"]
        config = self._core.config
        placeholder = config.video_token_id if video else config.image_token_id
        ids = read["input_ids"][0]
        return Opening(ids, _text_behind(positions[:, 0], ids == placeholder), pixels, grid, placeholder)

    def ending(self, task: Task, said: Said = prompts.NOTHING) -> tuple[int, ...]:
        """Token ids of what follows an opening: conditioning, request, and the start of the model's turn."""
        return (*self.conditioning(said), *self.request(task))

    def conditioning(self, said: Said) -> tuple[int, ...]:
        """Token ids of what the prompt tells of the round before; both tasks' endings begin with it."""
        return self._ids(prompts.conditioning(said))

    def request(self, task: Task) -> tuple[int, ...]:
        """Token ids of what an ending has behind the conditioning."""
        return self._ids(prompts.request(task) + self._after)

    def ask(self, words: str) -> tuple[int, ...]:
        """Token ids of any question behind an opening, and the start of the model's turn."""
        return self._ids(words + self._after)

    def reason_ids(self, reason: str) -> tuple[int, ...]:
        """Token ids of an answer to learn, with its end."""
        return (*self._ids(reason), self.end)

    def reason(self, ids: Any) -> str:
        """The text of an answer, without its end."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text.strip()

    def _render(self, kind: str, words: str) -> str:
        from jinja2 import TemplateError

        content = [{"type": kind}, {"type": "text", "text": words + _MARK}]
        turns = [
            {"role": "system", "content": [{"type": "text", "text": prompts.SYSTEM}]},
            {"role": "user", "content": content},
        ]
        try:
            text: str = self.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        except TemplateError as error:
            raise DetectorError(f"The model's chat template cannot be used: {error}.") from error
        return text

    def _ids(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()


def _text_behind(positions: Tensor, shown: Tensor) -> Tensor:
    """Positions (3, p) with the text behind what is `shown`, bool (p,), one place after the largest of that.

    So Qwen2.5-VL learned it. transformers 5.3 and later let the text begin where the picture's height or width ends,
    and so inside any video that lasts longer than that (its issue 45381).
    """
    start = int(shown.nonzero()[-1]) + 1
    behind = max(0, int(positions[:, :start].max()) + 1 - int(positions[0, start]))
    return torch.cat([positions[:, :start], positions[:, start:] + behind], dim=1)
