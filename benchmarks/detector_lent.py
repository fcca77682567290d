"""Plain fine-tuning with a detector's eyes to judge: what is left between two trainings of a language model."""

from collections.abc import Sequence

import torch
from scipy.special import expit

from faultfield.detector.model import ArmorModel
from faultfield.detector.plain import PlainScribe
from faultfield.detector.prompts import baseline_parts, parse_baseline
from faultfield.detector.training.replies import Sampling, write
from faultfield.errors import DetectorError
from faultfield.faults.naming import corrected
from faultfield.rollouts.clip import Clip
from faultfield.rollouts.verdict import Round, Verdict

LONGEST = 256
"""Tokens of an answer, as plain fine-tuning has elsewhere."""


class Lent:
    """Judges as a detector's eyes do, and lets a plainly fine-tuned model finish the reason that they begin.

    The verdict is the eyes' alone: the model has no head whose doubts could be counted in.

    Args:
        tuned: Trained with `method` `sft-d` or `sft-s+d`.
        judges: A detector with the same eyes, which learned to judge; nothing else of it is used.

    Raises:
        DetectorError: Their eyes differ, or those of the detector do not judge.
    """

    def __init__(self, tuned: ArmorModel, judges: ArmorModel) -> None:
        if judges.gaze is None or judges.gaze.hunch is None:
            raise DetectorError("The eyes of this detector do not judge.")
        if not _alike(tuned, judges):
            raise DetectorError("The two models do not see alike, so the one's eyes say nothing of what the other saw.")
        self._model, self._hunch = tuned.eval(), judges.gaze.hunch.eval()
        self._scribe = PlainScribe(tuned.processor, tuned.core)

    def judge(self, clips: Sequence[Clip]) -> list[Verdict]:
        """One verdict a clip."""
        openings = [self._scribe.open(self._model.viewer(clip), clip.instruction) for clip in clips]
        with torch.no_grad():
            tokens = self._model.see(openings)
            gaze = self._model.gaze
            guesses = self._hunch.guesses(gaze.heights(gaze.read(tokens.to(gaze.words.weight.dtype))))
            begun = [self._begun(self._hunch.openings[guess.best(guess.odds >= 0)]) for guess in guesses]
            how = Sampling(0.0, LONGEST, self._scribe.ends, seed=0)
            prompts = [(*self._scribe.turn(), *some) for some in begun]
            answers = write(self._model, openings, tokens, prompts, how)
        texts = [self._scribe.reason((*some, *rest)) for some, rest in zip(begun, answers, strict=True)]
        return [
            _verdict(float(expit(guess.odds)), corrected(parse_baseline(text).reason, clip.instruction))
            for guess, text, clip in zip(guesses, texts, clips, strict=True)
        ]

    def _begun(self, reason: str) -> tuple[int, ...]:
        """Token ids of an answer whose reason begins so."""
        before, _, _ = baseline_parts(failed=True, reason=None)
        return (*self._scribe.reason_ids(before)[:-1], *self._scribe.reason_ids(reason)[:-1])


def _verdict(chance: float, reason: str) -> Verdict:
    nan = float("nan")
    return Verdict(chance, reason, nan, nan, (Round(chance, reason, nan, nan),))


def _alike(one: ArmorModel, other: ArmorModel) -> bool:
    """Whether all that decides what their eyes read is the same, but for half precision, in which detectors ship."""
    if one.gaze is None or other.gaze is None:
        return False
    parts = (one.core.model.visual, other.core.model.visual), (one.gaze.readout, other.gaze.readout)
    return all(
        a.shape == b.shape and torch.allclose(a.float(), b.float(), rtol=2**-10, atol=1e-6)
        for pair in parts
        for a, b in zip(*(part.state_dict().values() for part in pair), strict=True)
    )
