"""Samples as training sees them: openings, prompts and answers in the model's own tokens."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from faultfield.detector.data import Sample
from faultfield.detector.model import ArmorModel
from faultfield.detector.opening import Opening
from faultfield.detector.plain import PlainScribe
from faultfield.detector.prompts import Said
from faultfield.errors import DetectorError
from faultfield.faults.captions import Caption

CAPTIONS_AT_ONCE = 4
"""That are learned of a sample in one step: they share its opening."""


class SampleCourse:
    """A `Course` of labelled samples.

    Args:
        samples: All with a verdict.
        model: Whose viewer, processor and tokenizer are used; its weights are not.
        plain: Whether openings are those of plain fine-tuning, which asks in another way.
        captions: Of each sample, where captions are to be learned.

    Raises:
        DetectorError: A sample has no verdict.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        model: ArmorModel,
        plain: bool = False,
        captions: Sequence[Sequence[Caption]] = (),
    ) -> None:
        for sample in samples:
            if sample.failed is None:
                raise DetectorError(f"The sample '{sample.id}' has no verdict, and training needs one of each.")
        self._samples, self._viewer = list(samples), model.viewer
        self._scribe = PlainScribe(model.processor, model.core) if plain else model.scribe
        self._captions = captions
        self._openings: dict[int, Opening] = {}

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def end(self) -> int:
        """Id of the token that ends an answer to learn."""
        return self._scribe.end

    @property
    def ends(self) -> frozenset[int]:
        """Ids of all tokens that end an answer of the model's."""
        return self._scribe.ends

    def label(self, row: int) -> bool:
        """Whether the episode failed."""
        return bool(self._samples[row].failed)

    def annotated(self, row: int) -> str | None:
        """The annotated reason; None of a sparse sample."""
        return self._samples[row].reason

    def words(self, text: str) -> tuple[int, ...]:
        """Token ids of an answer, without its end."""
        return self._scribe.reason_ids(text)[:-1]

    def text(self, words: Sequence[int]) -> str:
        """An answer as text again."""
        return self._scribe.reason(words)

    def detect(self, row: int, said: Said) -> Sequence[int]:
        """The detection prompt behind the opening."""
        return self._scribe.ending("detection", said)

    def reason(self, row: int, said: Said) -> Sequence[int]:
        """The reasoning prompt behind the opening."""
        return self._scribe.ending("reasoning", said)

    def plain(self, row: int) -> tuple[Sequence[int], Sequence[int]]:
        """Prompt and answer of plain fine-tuning behind the opening."""
        if not isinstance(self._scribe, PlainScribe):
            raise DetectorError("This course was made for ARMOR's prompts, not for plain fine-tuning.")
        return self._scribe.turn(), self._scribe.answer(self.label(row), self.annotated(row))

    def captions(self, row: int, draw: int) -> Sequence[tuple[Sequence[int], Sequence[int]]]:
        """Some of the row's captions behind the opening, in no order."""
        known = self._captions[row]
        picked = np.random.default_rng([draw, row]).permutation(len(known))[:CAPTIONS_AT_ONCE]
        return [(self._scribe.ask(known[k][0]), self.words(known[k][1])) for k in picked]

    def opening(self, row: int, pixels: bool = True) -> Opening:
        """The opening of a row; its pixels are made anew each time, and left empty where they are not asked for.

        Raises:
            DetectorError: Its pictures are missing or damaged.
        """
        if row in self._openings and not pixels:
            return self._openings[row]
        sample = self._samples[row]
        full = self._scribe.open(self._viewer(sample.clip()), sample.instruction)
        self._openings[row] = replace(full, pixels=full.pixels.new_empty(0, *full.pixels.shape[1:]))
        return full if pixels else self._openings[row]
