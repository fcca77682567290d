"""Vision-language models that can be asked with pictures: behind an endpoint, or of transformers on this machine."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faultfield.detector.endpoint import Endpoint, Message
from faultfield.errors import CheckpointError, DetectorError

LONGEST = 64
"""Tokens of an answer: a number, and a sentence for models that will not be stopped."""


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation.

    Attributes:
        role: `system`, `user` or `assistant`.
        parts: Text, and pictures uint8 (height, width, 3), in order.
    """

    role: str
    parts: tuple[str | NDArray[np.uint8], ...]


class Asker(Protocol):
    """Answers a conversation that ends with the user's turn.

    Attributes:
        name: For the table.
        where: What tells it from others of that name.
    """

    name: str
    where: str

    def ask(self, turns: Sequence[Turn]) -> str:
        """The answer's text.

        Raises:
            DetectorError: It cannot be asked.
        """
        ...


class EndpointAsker:
    """A model behind any OpenAI-compatible endpoint.

    Args:
        endpoint: Where it is served.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.name, self.where = endpoint.model, endpoint.url

    def ask(self, turns: Sequence[Turn]) -> str:
        """The text of the first choice."""
        messages: list[Message] = [
            {"role": turn.role, "content": [_sent(part) for part in turn.parts]} for turn in turns
        ]
        return self._endpoint.complete(messages, max_tokens=LONGEST)


class LocalAsker:
    """An image-text-to-text model of transformers, decoding greedily.

    Args:
        model: With `generate`.
        processor: Its own, with a chat template.
        name: For the table.
        where: Folder or name on the hub.

    Raises:
        DetectorError: The processor has no chat template.
    """

    def __init__(self, model: Any, processor: Any, name: str, where: str = "") -> None:
        if not getattr(processor, "chat_template", None):
            raise DetectorError(
                f"'{name}' has no chat template, so it cannot be asked; take an instruction-tuned model."
            )
        self._model, self._processor, self.name, self.where = model, processor, name, where

    @classmethod
    def load(cls, name: str) -> "LocalAsker":
        """From a folder or a name on the hub.

        Raises:
            CheckpointError: It cannot be read, or is no such model.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        try:
            model: Any = AutoModelForImageTextToText.from_pretrained(name, dtype="auto", use_safetensors=True)
            processor = AutoProcessor.from_pretrained(name)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"'{name}' is no image-text model that transformers can load.") from error
        return cls(model.eval(), processor, name.rstrip("/").rsplit("/", 1)[-1], name)

    def ask(self, turns: Sequence[Turn]) -> str:
        """The answer's text."""
        import torch

        pictures = [part for turn in turns for part in turn.parts if not isinstance(part, str)]
        messages = [
            {
                "role": turn.role,
                "content": [
                    {"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in turn.parts
                ],
            }
            for turn in turns
        ]
        text = self._processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        try:
            read = self._processor(text=[text], images=pictures, return_tensors="pt")
        except (ValueError, TypeError, RuntimeError) as error:
            raise DetectorError(f"The processor of '{self.name}' refuses the pictures.") from error
        read = read.to(self._model.device)
        with torch.no_grad():
            ids = self._model.generate(**read, max_new_tokens=LONGEST, do_sample=False, num_beams=1)
        answer: str = self._processor.batch_decode(ids[:, read["input_ids"].shape[1] :], skip_special_tokens=True)[0]
        return answer


def asker(url: str | None, model: str, local: str | None) -> Asker | None:
    """The model that the command line names, or None.

    Raises:
        DetectorError: It names two.
    """
    if url is not None and local is not None:
        raise DetectorError("Name either an endpoint (--vlm-url) or a local model (--vlm-local), not both.")
    if url is not None:
        return EndpointAsker(Endpoint(url, model))
    return None if local is None else LocalAsker.load(local)


def _sent(part: str | NDArray[np.uint8]) -> dict[str, Any]:
    """A part as the protocol has it."""
    from PIL import Image

    if isinstance(part, str):
        return {"type": "text", "text": part}
    stream = io.BytesIO()
    Image.fromarray(part).save(stream, format="PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
