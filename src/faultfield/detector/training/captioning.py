"""Teaching a small language model that its words are about what is seen: captions of what the simulator knew."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faultfield.detector.data import Sample
from faultfield.detector.model import ArmorModel
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.course import SampleCourse
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.loop import Loop, Progress
from faultfield.detector.training.renaming import renaming
from faultfield.faults.captions import Caption, captions
from faultfield.faults.generate import read_lines


@dataclass(frozen=True)
class Scene:
    """A collage and what can be said of its pictures.

    Attributes:
        sample: Its pictures and instruction.
        captions: Of all its pictures.
    """

    sample: Sample
    captions: tuple[Caption, ...]


def scenes(source: str | Path | None, rename: float = 0.0) -> tuple[Scene, ...]:
    """The collages of a data set of `faultfield detector generate` that are not for testing.

    Args:
        source: The data set's directory; of anything else, nothing can be said.
        rename: Share of them in which what is handled has another name.

    Raises:
        FaultError: The data set is damaged.
    """
    if source is None or not Path(source).is_dir():
        return ()
    folder, found = Path(source), []
    for line in read_lines(folder):
        if line["split"].startswith("test") or not line.get("states"):
            continue
        thing, instruction = line.get("thing", "object"), line["instruction"]
        called = renaming(thing, instruction, line["id"], rename)
        said = tuple(
            (called(asked), called(answer))
            for k, state in enumerate(line["states"], 1)
            for asked, answer in captions(state, k, thing)
        )
        image = folder / line["image"]
        sample = Sample(line["id"], called(instruction), bool(line["failed"]), task=line["task"], image=image)
        if said:
            found.append(Scene(sample, said))
    return tuple(found)


def sentences(source: str | Path | None, rename: float = 0.0) -> list[str]:
    """Every instruction and caption of a data set once, questions and answers, for a tokenizer to learn."""
    told = scenes(source, rename)
    asked = dict.fromkeys(scene.sample.instruction for scene in told)
    return [*asked, *dict.fromkeys(text for scene in told for pair in scene.captions for text in pair)]


def caption(
    model: ArmorModel,
    told: Sequence[Scene],
    config: TrainingConfig,
    accelerator: Any,
    out: str | Path | None = None,
    on_progress: Progress | None = None,
    begun: Mapping[str, Any] | None = None,
    room: int | None = None,
) -> int:
    """Train a model's language on captions, in place, its vision tower as it is; the number of gradient steps.

    Killed and called again, it goes on where it was.

    Args:
        model: Its tower sees already.
        told: What is said.
        config: With the method `captions`.
        accelerator: `accelerate.Accelerator`.
        out: Directory for checkpoints and TensorBoard's events; None keeps nothing. The last checkpoint stays there: it
            is the caller's to remove, once what was learned is safe.
        on_progress: Told what is done.
        begun: What else a checkpoint must agree in, as JSON can hold it.
        room: Bytes of main memory for the tower's tokens, as `Loop` takes it.

    Raises:
        DetectorError: The loss is no longer finite.
        CheckpointError: A checkpoint that is damaged or of another run.
    """
    model.core.requires_grad_(True)
    still: list[Any] = [model.core.model.visual, model.head]
    if model.gaze is not None:
        model.gaze.requires_grad_(True)
        # Captions are of single pictures; what happened over all of them is for verdicts and reasons to teach.
        still += [part for part in (model.gaze.readout, model.gaze.story) if part is not None]
    for part in still:
        part.requires_grad_(False)
    course = SampleCourse([scene.sample for scene in told], model, captions=[scene.captions for scene in told])
    loop = Loop(Learner(model), course, config, accelerator, out, on_progress, begun=begun, room=room)
    steps = loop.run()
    accelerator.free_memory()
    return steps
