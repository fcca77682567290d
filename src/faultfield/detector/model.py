"""A Qwen2.5-VL and a detection head as one model: what every phase of ARMOR computes with."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from faultfield.detector.gaze import Gaze
from faultfield.detector.head import DetectionHead
from faultfield.detector.hunch import Guess
from faultfield.detector.opening import Opening, Scribe
from faultfield.detector.views import View, Viewer
from faultfield.detector.vision import picture_tokens
from faultfield.errors import CheckpointError

EARLY = 4
"""Decoder layers whose features the head sees the mean of (ARMOR, A.1)."""


class ArmorModel(nn.Module):
    """Backbone, head, and the words between them.

    Args:
        backbone: A Qwen2.5-VL of transformers with its language-model head; peft adapters may be around it.
        head: Of the backbone's width.
        processor: The backbone's: tokenizer, picture and video processor, chat template.
        viewer: How a clip becomes what is shown.
        reasons: What it was taught to say, the commonest last: guesses of its answers, which save time and change none.
        gaze: What its vision tower was taught to tell, which then goes with every picture token; None of most models.

    Raises:
        CheckpointError: The head or the gaze has another width than the backbone, or other cells than the viewer.
        DetectorError: The processor has no chat template.
    """

    def __init__(
        self,
        backbone: Any,
        head: DetectionHead,
        processor: Any,
        viewer: Viewer | None = None,
        reasons: Sequence[str] = (),
        gaze: Gaze | None = None,
    ) -> None:
        super().__init__()
        self.reasons, self.plain = tuple(reasons), False
        self.backbone, self.head = backbone, head
        width, wanted = self.text.config.hidden_size, head.settings["hidden"]
        if width != wanted:
            raise CheckpointError(
                f"The detection head is made for features of width {wanted}, the model's are {width}."
            )
        self.viewer = viewer or Viewer()
        self.gaze: Gaze | None = None
        if gaze is not None and not self.take(gaze):
            raise CheckpointError("The gaze reads collages of other cells than the model is shown.")
        self.scribe = Scribe(processor, self.core)
        self.early = min(EARLY, len(self.text.layers))

    @property
    def core(self) -> Any:
        """The transformers model under the adapters."""
        return self.backbone.get_base_model() if hasattr(self.backbone, "get_base_model") else self.backbone

    @property
    def text(self) -> Any:
        """Its decoder."""
        return self.core.model.language_model

    @property
    def processor(self) -> Any:
        """Tokenizer, picture and video processor, chat template."""
        return self.scribe.processor

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def take(self, gaze: Gaze) -> bool:
        """Let what a gaze reads go with the picture tokens from now on; False, and nothing done, if it does not fit."""
        vision = self.core.config.vision_config
        token = int(vision.patch_size * vision.spatial_merge_size)
        if not gaze.fits(self.viewer, int(self.text.config.hidden_size), token):
            return False
        self.gaze = gaze
        return True

    def open(self, views: Sequence[View], instructions: Sequence[str]) -> list[Opening]:
        """What all prompts of each clip open with, as token ids and patches; nothing is computed yet.

        Raises:
            DetectorError: A view that the processor refuses.
        """
        return [self.scribe.open(view, words) for view, words in zip(views, instructions, strict=True)]

    def see(self, openings: Sequence[Opening]) -> Tensor:
        """Picture tokens of openings in their order, float (tokens, width), with gradient."""
        pixels = torch.cat([each.pixels for each in openings]).to(self.device)
        grid = torch.cat([each.grid for each in openings])
        return picture_tokens(self.core.model.visual, pixels, grid)

    def guess(self, tokens: Tensor) -> list[Guess] | None:
        """What the eyes alone make of each clip, by its picture tokens; None where they make nothing of any."""
        return None if self.gaze is None else self.gaze.guess(tokens)

    def embed(self, ids: Tensor, pictures: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """Input embeddings (n, s, width), picture tokens and the gaze's reading where `pictures`, bool (n, s), says."""
        embeds: Tensor = self.text.embed_tokens(ids)
        if pictures is None or tokens is None:
            return embeds
        if self.gaze is not None:
            tokens = self.gaze(tokens)
        return embeds.masked_scatter(pictures[..., None], tokens.to(embeds.dtype))

    def layers(
        self, hidden: Tensor, positions: Tensor, mask: Tensor, span: slice, cache: Any = None
    ) -> tuple[Tensor, Tensor]:
        """Run some decoder layers.

        Args:
            hidden: What goes in, float (n, s, width).
            positions: Int64 (3, n, s).
            mask: Who may look at whom, bool (n, 1, s, all).
            span: Which layers.
            cache: Anything with the `update` of transformers' caches.

        Returns:
            The last layer's output, and the sum of all their outputs, each (n, s, width).
        """
        rotary = self.text.rotary_emb(hidden, positions)
        total = torch.zeros_like(hidden)
        for layer in self.text.layers[span]:
            hidden = layer(hidden, attention_mask=mask, position_embeddings=rotary, past_key_values=cache)
            total = total + hidden
        return hidden, total

    def speak(self, hidden: Tensor) -> Tensor:
        """Raw next-token logits, float32 (…, vocabulary), from the last layer's output."""
        logits: Tensor = self.core.lm_head(self.text.norm(hidden)).float()
        return logits


def causal(counts: Tensor) -> Tensor:
    """Who may look at whom, bool (n, 1, s, s): nobody ahead, nobody at padding, padding at itself.

    Args:
        counts: What is no padding, bool (n, s).
    """
    length = counts.shape[1]
    before = torch.ones(length, length, dtype=torch.bool, device=counts.device).tril()
    # A row of nothing would be NaN.
    own = torch.eye(length, dtype=torch.bool, device=counts.device)
    return ((before & counts[:, None]) | own)[:, None]
