"""Plain fine-tuning's prompt: one text answer for both tasks (ARMOR, B.2)."""

from faultfield.detector import prompts
from faultfield.detector.opening import Scribe


class PlainScribe(Scribe):
    """Writes the one prompt that asks for `<think>…</think><answer>…</answer>`."""

    def turn(self) -> tuple[int, ...]:
        """Token ids between the opening and the answer."""
        return self._ids(self._after)

    def answer(self, failed: bool, reason: str | None) -> tuple[int, ...]:
        """Token ids of the answer to learn, without its end.

        What surrounds the reason is cut into tokens by itself. As one text, the bracket before a reason would become
        one token with some first words and not with others, and an empty reason would compete with the latter alone:
        decoding greedily, a model writes no reason where it holds one for likelier.
        """
        return tuple(id for part in prompts.baseline_parts(failed, reason) for id in self._ids(part))

    def _render(self, kind: str, words: str) -> str:
        return super()._render(kind, words).replace(prompts.SYSTEM, prompts.BASELINE_SYSTEM, 1)
