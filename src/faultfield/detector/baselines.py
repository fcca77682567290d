"""What ARMOR is compared with, behind the same `judge(clips)`: one text answer for both tasks, from any model (B.2)."""

import base64
import io
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faultfield.detector import prompts
from faultfield.detector.data import explained, read_conversations
from faultfield.detector.endpoint import Endpoint, Message
from faultfield.detector.plain import PlainScribe
from faultfield.detector.prompts import Example
from faultfield.detector.views import Video, View, Viewer
from faultfield.errors import CheckpointError, DetectorError
from faultfield.rollouts.clip import Clip
from faultfield.rollouts.verdict import Round, Verdict

LONGEST = 256
"""Tokens of an answer, where nobody says otherwise."""


def verdict_of(text: str) -> Verdict:
    """A baseline's answer as a verdict: certain either way, as it names no probability.

    Where the format was not followed, the whole answer is the reason and the probability is NaN: wrong whatever the
    truth is (ARMOR, B.4, evaluation protocol).
    """
    parsed = prompts.parse_baseline(text)
    probability = float("nan") if parsed.failed is None else float(parsed.failed)
    only = Round(probability, parsed.reason, float("nan"), float("nan"))
    return Verdict(probability, parsed.reason, float("nan"), float("nan"), (only,))


class _Tells(Protocol):
    """Answers a question about a view with text."""

    def tell(self, view: View, system: str, question: str) -> str: ...


class Prompted:
    """Zero-shot or few-shot prompting of a model that knows nothing of this method.

    Args:
        teller: What answers: `LocalTeller` or `EndpointTeller`.
        viewer: How a clip becomes what is shown.
        examples: Worked examples in words, shown before the question; none is zero-shot.
    """

    alone = True
    """Each clip is a question of its own; `evaluation.judge` asks them so."""

    def __init__(self, teller: _Tells, viewer: Viewer | None = None, examples: Sequence[Example] = ()) -> None:
        self._teller, self._viewer, self._examples = teller, viewer or Viewer(), tuple(examples)

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        """One verdict a clip.

        Raises:
            DetectorError: The model cannot be asked.
            UnreachableError: It is behind an endpoint, and there is no server.
        """
        return [self._judge(clip) for clip in clips]

    def _judge(self, clip: Clip) -> Verdict:
        view = self._viewer(clip)
        question = prompts.baseline_question(clip.instruction, isinstance(view, Video), self._examples)
        return verdict_of(self._teller.tell(view, prompts.BASELINE_SYSTEM, question))


class EndpointTeller:
    """A model behind any OpenAI-compatible endpoint; a video is sent as its pictures in order.

    Args:
        endpoint: Where it is served.
        frames: Pictures of a video that are sent at most.
        longest: Tokens that an answer may have; models that think aloud need more.
    """

    def __init__(self, endpoint: Endpoint, frames: int = 16, longest: int = LONGEST) -> None:
        self._endpoint, self._frames, self._longest = endpoint, frames, longest

    def tell(self, view: View, system: str, question: str) -> str:
        """Ask.

        Raises:
            DetectorError: The endpoint does not answer this question.
            UnreachableError: There is no server.
        """
        pictures = [view.pixels] if not isinstance(view, Video) else list(view.frames)
        if len(pictures) > self._frames:
            pictures = [pictures[i] for i in np.linspace(0, len(pictures) - 1, self._frames).round().astype(int)]
        shown: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_png(each)}"}} for each in pictures
        ]
        messages: list[Message] = [
            {"role": "system", "content": system},
            {"role": "user", "content": [*shown, {"type": "text", "text": question}]},
        ]
        return self._endpoint.complete(messages, max_tokens=self._longest)


class LocalTeller:
    """Any image-text-to-text model of transformers, decoding greedily.

    Args:
        model: With `generate`.
        processor: Its own, with a chat template.
        longest: Tokens that an answer may have.

    Raises:
        DetectorError: The processor has no chat template.
    """

    def __init__(self, model: Any, processor: Any, longest: int = LONGEST) -> None:
        if not getattr(processor, "chat_template", None):
            raise DetectorError("The model has no chat template, so it cannot be asked; take an instruction-tuned one.")
        self._model, self._processor, self._longest = model, processor, longest

    @classmethod
    def load(cls, name: str, dtype: str = "auto", device: str = "cpu", longest: int = LONGEST) -> "LocalTeller":
        """From a folder or a name on the hub.

        Raises:
            CheckpointError: It cannot be read, or is no such model.
        """
        from safetensors import SafetensorError
        from transformers import AutoModelForImageTextToText, AutoProcessor

        from faultfield.detector.checkpoint import quiet

        try:
            with quiet():
                model: Any = AutoModelForImageTextToText.from_pretrained(name, dtype=dtype, use_safetensors=True)
            processor = AutoProcessor.from_pretrained(name)  # type: ignore[no-untyped-call]
        except (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, SafetensorError) as error:
            raise CheckpointError(f"'{name}' is no image-text model that transformers can load.") from error
        return cls(model.to(device).eval(), processor, longest)

    def tell(self, view: View, system: str, question: str) -> str:
        """Ask.

        Raises:
            DetectorError: The processor refuses the pictures, or the chat template the prompt.
        """
        import torch
        from jinja2 import TemplateError

        kind = "video" if isinstance(view, Video) else "image"
        turns = [
            {"role": "system", "content": [{"type": "text", "text": system}]},
            {"role": "user", "content": [{"type": kind}, {"type": "text", "text": question}]},
        ]
        try:
            text = self._processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        except (TemplateError, ValueError) as error:
            raise DetectorError(f"The model's chat template cannot be used: {error}.") from error
        try:
            if isinstance(view, Video):
                rate = {"total_num_frames": len(view.frames), "fps": view.fps}
                read = self._processor(text=[text], videos=[view.frames], video_metadata=[rate], return_tensors="pt")
            else:
                read = self._processor(text=[text], images=[view.pixels], return_tensors="pt")
        except (ValueError, TypeError, RuntimeError) as error:
            raise DetectorError("The model's processor refuses the pictures.") from error
        read = read.to(self._model.device)
        with torch.no_grad():
            ids = self._model.generate(**read, max_new_tokens=self._longest, do_sample=False, num_beams=1)
        new = ids[:, read["input_ids"].shape[1] :]
        answer: str = self._processor.batch_decode(new, skip_special_tokens=True)[0]
        return answer


class FineTuned:
    """A detector's backbone after plain fine-tuning (SFT-D, SFT-S+D), asked as it was trained; all clips at once.

    Args:
        model: Trained with `method` `sft-d` or `sft-s+d`; its detection head is not used.
        longest: Tokens that an answer may have.
    """

    def __init__(self, model: Any, longest: int = LONGEST) -> None:
        self._model, self._longest = model.eval(), longest
        self._scribe = PlainScribe(model.processor, model.core)

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        """One verdict a clip.

        Raises:
            DetectorError: A clip that the model cannot be shown.
        """
        import torch

        from faultfield.detector.training.replies import Sampling, write

        if not clips:
            return []
        openings = [self._scribe.open(self._model.viewer(clip), clip.instruction) for clip in clips]
        how = Sampling(0.0, self._longest, self._scribe.ends, seed=0)
        with torch.no_grad():
            tokens = self._model.see(openings)
            answers = write(self._model, openings, tokens, [self._scribe.turn()] * len(clips), how)
        return [verdict_of(self._scribe.reason(answer)) for answer in answers]


def load_baseline(
    kind: str,
    model: str | Path | None = None,
    url: str | None = None,
    name: str = "default",
    shots: str | Path | None = None,
    view: Mapping[str, Any] | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    shots_count: int = 3,
    seed: int = 0,
    key: str = "OPENAI_API_KEY",
    longest: int = LONGEST,
) -> Prompted | FineTuned:
    """A baseline by its kind.

    Args:
        kind: `fine-tuned`, `prompted` or `endpoint`.
        model: Directory of a fine-tuned detector; folder or hub name of a model to prompt.
        url: Of an endpoint.
        name: Of the model at the endpoint.
        shots: A conversation file; worked examples are drawn from its dense samples.
        view: Settings of what a prompted model is shown.
        device: Where a model of one's own computes.
        dtype: What it computes in.
        shots_count: Worked examples at most.
        seed: Of their draw.
        key: Environment variable with the endpoint's key.
        longest: Tokens that an answer may have.

    Raises:
        DetectorError: An unknown kind, shots without a reason among them, one that lacks its model or its endpoint, or
            a model that was not fine-tuned plainly.
        CheckpointError: The model cannot be read.
        UnreachableError: There is no server at the endpoint.
    """
    if kind not in ("fine-tuned", "prompted", "endpoint"):
        raise DetectorError(f"A baseline is fine-tuned, prompted or endpoint, not '{kind}'.")
    if (url if kind == "endpoint" else model) is None:
        raise DetectorError(f"The baseline '{kind}' needs {'a url' if kind == 'endpoint' else 'a model'}.")
    if kind == "fine-tuned":
        from faultfield.detector import checkpoint

        tuned = checkpoint.load(str(model), dtype, device)
        if not tuned.plain:
            raise DetectorError(
                f"'{model}' was not fine-tuned plainly (method sft-d or sft-s+d): it has a head; leave --baseline out."
            )
        return FineTuned(tuned, longest)
    examples = () if shots is None else _examples(shots, shots_count, seed)
    teller: _Tells
    if kind == "endpoint":
        endpoint = Endpoint(str(url), name, key)
        endpoint.check()
        teller = EndpointTeller(endpoint, longest=longest)
    else:
        teller = LocalTeller.load(str(model), dtype, device, longest)
    return Prompted(teller, Viewer.from_json(dict(view or {})), examples)


def _examples(path: str | Path, count: int, seed: int) -> list[Example]:
    """So many of a file's dense samples, a failure and a success by turns as far as there are both."""
    dense = [each for each in explained(read_conversations(path).items) if each.dense]
    if not dense:
        raise DetectorError(f"'{path}' has no sample with a reason, so there is no example to show.")
    drawn = [dense[row] for row in np.random.default_rng(seed).permutation(len(dense))]
    halves = [each for each in drawn if each.failed], [each for each in drawn if not each.failed]
    turns = [each for pair in zip_longest(*halves) for each in pair if each is not None]
    return [Example(each.instruction, bool(each.failed), each.reason or "") for each in turns[:count]]


def _png(picture: NDArray[np.uint8]) -> str:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG")
    return base64.b64encode(stream.getvalue()).decode()
