"""The training loop on accelerate: one CPU, one GPU, or many processes that share the model."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from faultfield.detector.training import memory
from faultfield.detector.training.checkpoints import Checkpoints
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.features import FeatureCache, Pictures
from faultfield.detector.training.learner import Learner, Sums
from faultfield.detector.training.packing import pack
from faultfield.detector.training.prompting import Lesson, Script, asks, lesson
from faultfield.detector.training.replies import Answer, Sampling, answer_rounds
from faultfield.detector.training.schedule import ONLINE, Phase, optimizer, phase_at, phases, rate
from faultfield.detector.training.sharding import check_shares, is_sharded
from faultfield.errors import DetectorError


class Course(Script, Pictures, Protocol):
    """All that training has to know of its samples."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Step:
    """What one gradient step did.

    Attributes:
        step: Counted over the whole training, from 1.
        phase: Its phase.
        detection: Cross-entropy of the detection, summed over rounds of means over samples.
        reason: Next-token loss, summed over rounds of means over targets.
        accuracy: Share of right detections, by likelihood above one half; NaN without detections.
        rate: Factor on the learning rates.
        norm: Of the gradient before it was clipped.
    """

    step: int
    phase: str
    detection: float
    reason: float
    accuracy: float
    rate: float
    norm: float

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON, which has no NaN: null in its place."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in vars(self).items()
        }


Progress = Callable[[str, int, int], None]
"""Called with the phase, how many of its steps are done, and of how many."""

EYES = "pictures"
"""What progress calls the encoding of all pictures by a frozen tower, ahead of the first phase."""

_DROPOUT, _MASKS, _DRAWS = 1, 2, 3
"""Keys that keep the random numbers of a step apart."""


class Loop:
    """A training that goes on where its checkpoint was.

    Everything random follows from the seed, the step and the process, so a killed and resumed training ends with the
    weights of one that was not interrupted.

    Args:
        learner: What is trained, in place.
        course: The samples.
        config: How.
        accelerator: `accelerate.Accelerator`; decides devices, precision and sharding.
        out: Directory for checkpoints and TensorBoard's events; None keeps nothing.
        on_progress: Told what is done.
        on_step: Told of every gradient step.
        kept: Picture tokens by row that the same tower encoded before; added to where the tower stays as it is.
        begun: What else a checkpoint must agree in, as JSON can hold it.
        room: Bytes of main memory for the tokens of a frozen tower, in this process; a quarter of what is free, shared
            among the processes, when None. What finds no room is encoded each time, which changes only the time taken.

    Attributes:
        last: What there is to tell of the last step, as JSON can hold it, whoever made it; None before the first.

    Raises:
        DetectorError: A batch that processes which share out the weights cannot pass through equally often.
    """

    def __init__(
        self,
        learner: Learner,
        course: Course,
        config: TrainingConfig,
        accelerator: Any,
        out: str | Path | None = None,
        on_progress: Progress | None = None,
        on_step: Callable[[Step], None] | None = None,
        kept: dict[int, Tensor] | None = None,
        begun: Mapping[str, Any] | None = None,
        room: int | None = None,
    ) -> None:
        self._course, self._config, self._accelerator = course, config, accelerator
        dense = [course.annotated(row) is not None for row in range(len(course))]
        self.plan = phases([course.label(row) for row in range(len(course))], dense, config)
        self._tell, self._on_step = on_progress or (lambda *_: None), on_step or (lambda _: None)
        self._core = learner
        # FSDP's processes must all call every layer; of the others each may run ahead on its own.
        self._sharded = is_sharded(accelerator)
        if self._sharded:
            check_shares(config.batch, config.micro_batch, accelerator.num_processes)
        self._wrapped, self._optimizer = accelerator.prepare(learner, optimizer(learner, config))
        learner.whole_blocks = self._sharded or config.checkpointing
        frozen = not any(p.requires_grad for p in learner.model.core.model.visual.parameters())
        self._frozen = frozen
        room = memory.room(accelerator.num_processes) if room is None else room
        self._features = FeatureCache(course, self._run, frozen and not self._sharded, kept, room)
        # How a batch is cut up is part of it: that decides what a part of it draws.
        run = {"config": config.decisive(), "samples": _digest(course), **(begun or {})}
        self._checkpoints = None if out is None else Checkpoints(Path(out), accelerator, run)
        self.last: Mapping[str, Any] | None = None

    @property
    def steps(self) -> int:
        """Of the whole training."""
        return self.plan[-1].first + self.plan[-1].steps

    def run(self, until: int | None = None) -> int:
        """Train to the end, or to the step `until`; the number of steps done.

        Raises:
            DetectorError: The loss is no longer finite.
            CheckpointError: The checkpoint is damaged or of another training.
        """
        devices = [self._accelerator.device] if self._accelerator.device.type == "cuda" else []
        # The caller's random numbers stay as they were.
        with torch.random.fork_rng(devices=devices):
            return self._descend(until)

    def state(self) -> dict[str, Tensor]:
        """The learner's weights, whole, on every process that writes."""
        return dict(self._accelerator.get_state_dict(self._wrapped))

    def look(self, rows: Sequence[int]) -> Tensor:
        """Picture tokens of several rows as this training saw them, float (tokens, width), on the CPU.

        Not where processes share out the weights. The tower is where it was left, and moved only to be used.
        """
        tower = self._core.model.core.model.visual
        home = next(tower.parameters()).device
        tower.to(self._accelerator.device)
        tokens = self._features.in_parts(rows, self._accelerator.device).cpu()
        tower.to(home)
        return tokens

    def clear(self) -> None:
        """Remove the checkpoints of a training that is over; TensorBoard's events stay."""
        if self._checkpoints:
            self._checkpoints.clear()

    def _descend(self, until: int | None) -> int:
        done = self._checkpoints.resume() if self._checkpoints else 0
        self.last = self._checkpoints.last if self._checkpoints else None
        events = self._checkpoints.events(done) if self._checkpoints else None
        last = self.steps if until is None else min(until, self.steps)
        rows = range(len(self._course))
        if (last - done) * self._config.batch >= len(rows):
            self._features.fill(rows, self._accelerator.device, lambda seen: self._tell(EYES, seen, len(rows)))
        for step in range(done, last):
            phase = phase_at(self.plan, step)
            taken = self._step(step, phase)
            self.last = taken.to_json()
            self._on_step(taken)
            if events is not None:
                _record(events, taken)
            self._tell(phase.name, step + 1 - phase.first, phase.steps)
            if self._checkpoints and ((step + 1) % self._config.save_every == 0 or step + 1 == self.steps):
                self._checkpoints.save(step + 1, self.last)
        if events is not None:
            events.close()
        return max(done, last)

    def _step(self, step: int, phase: Phase) -> Step:
        config, process = self._config, self._accelerator.process_index
        rows = [int(row) for row in phase.at(step)[process :: self._accelerator.num_processes]]
        if not rows:
            raise DetectorError(
                f"A batch of {config.batch} is too small for {self._accelerator.num_processes} processes."
            )
        size = config.micro_batch or len(rows)
        chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
        # Drawn for the whole batch: what is learned does not depend on the number of processes.
        coins = np.random.default_rng([config.seed, _MASKS, step]).integers(2, size=config.batch) == 1
        mine = [bool(coin) for coin in coins[process :: self._accelerator.num_processes]]
        lessons = [
            self._lesson(phase, chunk, mine[size * k : size * (k + 1)], (step, process, k))
            for k, chunk in enumerate(chunks)
        ]
        counts = self._add_up([sum(each.detections for each in lessons), sum(each.targets for each in lessons)])
        factor = rate(self.plan, step, config.warm_up)
        for group in self._optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
        self._wrapped.train()
        torch.manual_seed(int(np.random.default_rng([config.seed, _DROPOUT, step, process]).integers(2**62)))
        totals = [0.0, 0.0, 0.0, 0.0]
        for k, (chunk, each) in enumerate(zip(chunks, lessons, strict=True)):
            waits = self._accelerator.no_sync(self._wrapped) if k + 1 < len(chunks) else nullcontext()
            with waits:
                sums = self._pass(chunk, each)
                # Processes' gradients are averaged: each brings its share of the whole mean, times their number.
                loss = sums.detection / max(counts[0], 1e-9) + config.reason_weight * sums.reason / max(counts[1], 1e-9)
                self._accelerator.backward(loss * self._accelerator.num_processes)
            found = sums.logits.argmax(dim=1).tolist()
            hits = sum(a == b for a, b in zip(found, each.failed, strict=True))
            seen = (float(sums.detection.detach()), float(sums.reason.detach()), float(hits), float(len(found)))
            totals = [before + new for before, new in zip(totals, seen, strict=True)]
        norm = self._accelerator.clip_grad_norm_(self._wrapped.parameters(), config.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        detection, reason, right, asked = self._add_up(totals)
        taken = Step(
            step + 1,
            phase.name,
            detection / max(counts[0], 1e-9),
            reason / max(counts[1], 1e-9),
            right / asked if asked else math.nan,
            factor,
            float(norm),
        )
        if not math.isfinite(taken.detection + taken.reason + taken.norm):
            raise DetectorError(f"The loss is no longer finite at step {step + 1}; a smaller learning rate may help.")
        return taken

    def _lesson(self, phase: Phase, rows: list[int], detects: Sequence[bool], key: tuple[int, int, int]) -> Lesson:
        answers: Sequence[Sequence[Answer]] = ()
        if phase.name == ONLINE and self._config.rounds > 1:
            # Gradient checkpointing drops the cache of a model that trains.
            self._wrapped.eval()
            draw = np.random.default_rng([self._config.seed, _DRAWS, *key])
            how = Sampling(
                self._config.temperature,
                self._config.max_reason,
                self._course.ends,
                int(draw.integers(2**62)),
                self._all_agree,
            )
            openings = [self._course.opening(row, pixels=False) for row in rows]
            features = self._features.of(rows, self._accelerator.device)
            prompts, rounds = asks(rows, self._course), self._config.rounds - 1
            answers = self._run(lambda learner: answer_rounds(learner.model, openings, features, prompts, rounds, how))
        whole = self._accelerator.num_processes > 1
        which = int(np.random.default_rng([self._config.seed, _DRAWS, *key]).integers(2**62))
        return lesson(phase.name, rows, self._course, detects, answers, whole, which)

    def _pass(self, rows: list[int], each: Lesson) -> Sums:
        device = self._accelerator.device
        layout = pack([self._course.opening(row, pixels=False) for row in rows], each.parts).to(device)
        failed = torch.tensor(each.failed, dtype=torch.long, device=device)
        if self._frozen:
            features = self._features.of(rows, device)
            out: Sums = self._wrapped(lambda learner: learner.losses(layout, features, failed))
        else:
            pixels, grid = self._features.pixels(rows, device)
            out = self._wrapped(lambda learner: learner.losses(layout, learner.see(pixels, grid), failed))
        return out

    def _run(self, call: Callable[[Learner], Any]) -> Any:
        """Call with the learner, without gradient; unwrapped where processes may run ahead."""
        with torch.no_grad():
            if self._sharded:
                return self._wrapped(call)
            with self._accelerator.autocast():
                return call(self._core)

    def _all_agree(self, done: bool) -> bool:
        if not self._sharded:
            return done
        waiting = self._add_up([0.0 if done else 1.0])[0]
        return waiting == 0

    def _add_up(self, values: Sequence[float]) -> list[float]:
        """Sums over all processes."""
        if self._accelerator.num_processes == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self._accelerator.device)
        return [float(value) for value in self._accelerator.reduce(tensor, reduction="sum")]


def _record(events: Any, step: Step) -> None:
    for name in ("detection", "reason", "accuracy", "rate", "norm"):
        value = getattr(step, name)
        if math.isfinite(value):
            events.add_scalar(f"{step.phase}/{name}", value, step.step)


def _digest(course: Course) -> str:
    """Changes with the labels and the reasons that are trained on."""
    import hashlib

    digest = hashlib.sha256()
    for row in range(len(course)):
        digest.update(repr((course.label(row), course.annotated(row))).encode())
    return digest.hexdigest()[:16]
