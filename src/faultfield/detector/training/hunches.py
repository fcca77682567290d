"""How eyes learn to judge: networks tell explanations apart by what is read, an episode's reason being the label.

Blur and hiding were chosen by leaving tasks out, 25 in eight groups (docs/results/detector-hunch.md).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from faultfield.detector.data import Sample
from faultfield.detector.gaze import Gaze
from faultfield.detector.hunch import OTHER, Hunch
from faultfield.detector.model import ArmorModel
from faultfield.detector.training.loop import Progress
from faultfield.faults.claims import LEFT_OUT, SUCCESS, Claim, parse


@dataclass(frozen=True)
class HunchConfig:
    """How a hunch is trained.

    Attributes:
        hidden: Width of each network.
        members: How many there are.
        epochs: Passes over all samples, of each network.
        batch: Samples in one gradient step.
        rate: Highest learning rate, of one cycle.
        decay: AdamW's.
        blur: What is added to each number, in its own deviations: no verdict rests on a fine difference.
        hide: Share of the numbers that every second network cannot see, at all moments at once: it rests on several.
        smooth: Share of a label that is spread over all explanations.
        again: Share of rate and epochs with which a hunch that is there learns from further samples.
        further: Highest learning rate of explanations that are new to a hunch that is there, which they learn first.
        least: Steps of theirs, of each network, at least: a few dozen samples are one step a pass.
    """

    hidden: int = 256
    members: int = 4
    epochs: int = 30
    batch: int = 64
    rate: float = 2e-3
    decay: float = 1e-2
    blur: float = 0.3
    hide: float = 0.5
    smooth: float = 0.02
    again: float = 0.1
    further: float = 5e-3
    least: int = 400

    def batches(self, samples: int) -> int:
        """In one pass."""
        return -(-samples // self.batch)

    def steps(self, samples: int) -> int:
        """Of one network, in all."""
        return self.epochs * self.batches(samples)


_AT_ONCE = 16
"""Samples that are looked at together."""


def judge_by_sight(
    model: ArmorModel,
    samples: Sequence[Sample],
    seed: int,
    look: Callable[[Sequence[int]], Tensor] | None = None,
    on_progress: Progress | None = None,
) -> None:
    """Teach a model's eyes to judge, in place, where it has a gaze and reasons name faults.

    Args:
        model: Trained, on the CPU.
        samples: All with a verdict.
        seed: Of the networks.
        look: Gives the picture tokens of some rows of the samples as a training saw them; the model looks when None.
        on_progress: Told what is done.
    """
    if model.gaze is None:
        return
    read = []
    for start in range(0, len(samples), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(samples)))
        with torch.no_grad():
            read.append(model.gaze.read((look(rows) if look else _tokens(model, samples, rows)).float()))
        if on_progress is not None:
            on_progress("Looking", rows.stop, len(samples))
    told = None if on_progress is None else partial(on_progress, "Judging by sight")
    model.gaze.hunch = learn(model.gaze, torch.cat(read), samples, seed, told)


def _tokens(model: ArmorModel, samples: Sequence[Sample], rows: range) -> Tensor:
    some = [samples[row] for row in rows]
    return model.see(model.open([model.viewer(each.clip()) for each in some], [each.instruction for each in some]))


def learn(
    gaze: Gaze,
    read: Tensor,
    samples: Sequence[Sample],
    seed: int,
    on_progress: Callable[[int, int], None] | None = None,
    config: HunchConfig | None = None,
) -> Hunch | None:
    """Teach a gaze's hunch, or make it one.

    A sample with a reason says which explanation is right: that of its claim, or of a failure without one that can be
    read or begun with, that it was something else. One without a reason, or whose reason contradicts its verdict, says
    whether one of the faults is, or none of them. What a hunch that is there has no explanation for it gets one for.

    Args:
        gaze: Whose numbers are read, on the CPU as they are. It stays as it is, but for the hunch that it has already,
            which learns on, where no reason is new to it.
        read: What it reads of each sample, float (n, columns, numbers).
        samples: All with a verdict.
        seed: Of weights, order and blur.
        on_progress: Told how many steps are done, and of how many.
        config: How it is trained.

    Returns:
        The hunch; None where reasons do not name a fault and a success both, so that there is nothing to tell apart.
    """
    told = [_told(sample) for sample in samples]
    found, how = gaze.hunch, config or HunchConfig()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        known = [] if found is None else _known(found)
        new = _further(samples, told, known)
        if found is None:
            if len(new) < 2 or claim_of(new[0]) != _NOTHING:
                return None
            hunch, lessons = gaze.new_hunch(how.hidden, how.members, new), [_Lesson(how)]
        else:
            hunch = found.grown(new) if new else found
            lessons = _further_lessons(how, len(samples), len(known) if new else 0)
        right = _right(told, _known(hunch))
        failed = torch.tensor([bool(sample.failed) for sample in samples])
        on_step = _counted(on_progress, sum(len(hunch.members) * each.how.steps(len(samples)) for each in lessons))
        for lesson in lessons:
            _fit(hunch, gaze, read.detach().float(), right, failed, lesson, on_step)
    return hunch.eval().requires_grad_(False)


@dataclass(frozen=True)
class _Lesson:
    """How all explanations from some number on are learned; those before, and what they rest on, stay as they are."""

    how: HunchConfig
    first: int = 0


def _further_lessons(how: HunchConfig, samples: int, known: int) -> list[_Lesson]:
    """How a hunch learns on: explanations behind those that were known by themselves, if there are any; then all."""
    every = _Lesson(replace(how, rate=how.rate * how.again, epochs=max(1, round(how.epochs * how.again))))
    if not known:
        return [every]
    epochs = max(how.epochs, -(-how.least // how.batches(samples)))
    # Decay would reach the others too.
    return [_Lesson(replace(how, rate=how.further, decay=0.0, epochs=epochs), known), every]


def _counted(on_progress: Callable[[int, int], None] | None, steps: int) -> Callable[[], None]:
    """What tells of one step more each time."""
    done = itertools.count(1)

    def step() -> None:
        if on_progress is not None:
            on_progress(next(done), steps)

    return step


_NOTHING = Claim(SUCCESS)

_ELSE = Claim()
"""What a failure's reason gives that nothing can be read of; None is no reason."""


def _told(sample: Sample) -> Claim | None:
    """Which explanation a sample's reason gives; None where there is none or its verdict says otherwise."""
    if not sample.reason:
        return None
    claim = claim_of(sample.reason)
    if claim is None:
        return _ELSE if sample.failed else None
    return None if (claim == _NOTHING) == bool(sample.failed) else claim


def _known(hunch: Hunch) -> list[Claim]:
    """Its explanations, in their order."""
    return [claim_of(each) or _ELSE for each in hunch.openings]


def _further(samples: Sequence[Sample], told: Sequence[Claim | None], known: Sequence[Claim]) -> list[str]:
    """How reasons begin that give explanations beside those known: success first, what is something else last."""
    begun = openings([each.reason for each, claim in zip(samples, told, strict=True) if each.reason and claim])
    new = {claim: opening for claim, opening in begun.items() if claim not in known}
    if _ELSE not in known and any(claim and claim not in known and claim not in new for claim in told):
        new[_ELSE] = OTHER
    return list(new.values())


def _right(told: Sequence[Claim | None], known: Sequence[Claim]) -> Tensor:
    """The number of the explanation that each sample gives, int64 (n,); -1 where it gives none."""
    return torch.tensor([-1 if each is None else known.index(each if each in known else _ELSE) for each in told])


def claim_of(reason: str) -> Claim | None:
    """Which explanation a reason gives: all of its claim but of what, and of a step that was left out which it was."""
    claim = parse(reason)
    if claim.kind is None:
        return None
    return replace(claim, object=None, phase=claim.phase if claim.kind == LEFT_OUT else None)


def openings(reasons: Sequence[str]) -> dict[Claim, str]:
    """How a reason most often begins, by explanation, success first; as many words as it takes and no object.

    Example:
        >>> list(openings(["The robot succeeded.", "The gripper went too low while approaching the cube."]).values())
        ['The robot succeeded', 'The gripper went too low']
    """
    counts: dict[Claim, Counter[str]] = {}
    for reason, count in Counter(reasons).items():
        claim = claim_of(reason)
        begun = None if claim is None else _opening(reason, claim)
        if claim is not None and begun is not None:
            counts.setdefault(claim, Counter())[begun] += count
    ordered = sorted(counts, key=lambda claim: (claim != _NOTHING, str(claim)))
    # Of equally common ones the first in the alphabet: the order of samples decides nothing.
    return {claim: min(counts[claim], key=lambda text: (-counts[claim][text], text)) for claim in ordered}


def _opening(reason: str, claim: Claim) -> str | None:
    """The first words that say all of a claim; None if they name an object, which another episode has not."""
    words = reason.split()
    for count in range(1, len(words) + 1):
        begun = " ".join(words[:count]).rstrip(".,;:")
        if claim_of(begun) == claim:
            return begun if parse(begun).object is None else None
    return None


def _fit(
    hunch: Hunch,
    gaze: Gaze,
    read: Tensor,
    right: Tensor,
    failed: Tensor,
    lesson: _Lesson,
    on_step: Callable[[], None],
) -> None:
    """Train all networks, each by itself."""
    how, old = lesson.how, lesson.first
    spread = how.blur * read.std(dim=0, correction=0)
    # Whose height each of a column's is.
    owners = torch.repeat_interleave(torch.arange(read.shape[2]), torch.tensor(gaze.spans))
    hunch.train().requires_grad_(True)
    for number, member in enumerate(hunch.members):
        hide = how.hide if number % 2 else 0.0
        learned = [*member.parameters()][-2 if old else 0 :]
        optimizer = torch.optim.AdamW(learned, lr=how.rate, weight_decay=how.decay)
        rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, how.rate, total_steps=how.steps(len(read)))
        for _ in range(how.epochs):
            for rows in torch.randperm(len(read)).split(how.batch):
                blurred = read[rows] + spread * torch.randn(len(rows), *read.shape[1:])
                heights = gaze.heights(blurred)
                if hide:
                    seen = (torch.rand(len(rows), read.shape[2]) >= hide).float() / (1 - hide)
                    heights = heights * seen[:, None, owners]
                loss = _loss(member(heights.flatten(1)), right[rows], failed[rows], how.smooth)
                optimizer.zero_grad()
                loss.backward()
                for each in learned:
                    # The others keep their weights to the last bit.
                    if old and each.grad is not None:
                        each.grad[:old] = 0.0
                optimizer.step()
                rates.step()
                on_step()


def _loss(logits: Tensor, right: Tensor, failed: Tensor, smooth: float) -> Tensor:
    """Of the explanation where it is known; else of whether it is any fault."""
    told, loss = right >= 0, logits.sum() * 0.0
    if told.any():
        loss = loss + nn.functional.cross_entropy(logits[told], right[told], label_smoothing=smooth)
    if not told.all():
        fits = logits[~told].log_softmax(dim=-1)
        any_fault = torch.logsumexp(fits[:, 1:], dim=-1)
        loss = loss - torch.where(failed[~told], any_fault, fits[:, 0]).mean()
    return loss
