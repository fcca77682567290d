"""Plain fine-tuning's prompt: one text answer for both tasks (ARMOR, B.2)."""

from faultfield.detector import prompts
from faultfield.detector.opening import Scribe


class PlainScribe(Scribe):
    """Writes the one prompt that asks for `<think>…</think><answer>…</answer>`."""

    def turn(self) -> tuple[int, ...]:
        """Token ids between the opening and the answer."""
        return self._ids(self._after)

    def _render(self, kind: str, words: str) -> str:
        return super()._render(kind, words).replace(prompts.SYSTEM, prompts.BASELINE_SYSTEM, 1)
