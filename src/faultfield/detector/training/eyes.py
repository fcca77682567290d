"""What a small model learns before it is asked for a verdict: to see, and to say what it sees."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.detector import checkpoint
from faultfield.detector.model import ArmorModel
from faultfield.detector.training import captioning
from faultfield.detector.training.attention import attend
from faultfield.detector.training.checkpoints import Checkpoints
from faultfield.detector.training.config import TrainingConfig
from faultfield.detector.training.loop import Progress
from faultfield.detector.training.sight import SightConfig, gaze_for, pretrain
from faultfield.detector.training.sight_data import Patches, SightData
from faultfield.errors import CheckpointError

EYES, SIGHT = "eyes", "sight.json"
"""What `open_eyes` leaves: the model, and what was measured of it, written last."""


def open_eyes(
    model: ArmorModel,
    sight: str | Path,
    config: SightConfig,
    accelerator: Any,
    work: str | Path | None = None,
    on_progress: Progress | None = None,
    room: int | None = None,
) -> Mapping[str, float]:
    """Teach a model to see, in place; or take another detector's vision tower and what is read of it.

    First its tower learns as `sight.pretrain` does, and what it was taught to tell stays with the model as its gaze if
    the pictures are such as the model is shown; then its language learns from captions of the same pictures, if there
    are any. What was taught so before, from the same beginning, is not taught again.

    Of another detector nothing is taken but what sees: neither what its decoder was told of that, nor what its eyes
    judge.

    Args:
        model: Whose tower it is.
        sight: A data directory, a file of `SightData`, or a detector's directory: then its tower is taken.
        config: How it is pretrained.
        accelerator: `accelerate.Accelerator`.
        work: Directory for checkpoints; what was measured is left there as `sight.json`, with what it was measured of,
            and the model, which has learned nothing else, as the detector `eyes`, which other trainings can begin with.
        on_progress: Told what is done.
        room: Bytes of main memory for the tower's tokens while captions are learned, as `Loop` takes it.

    Returns:
        What `sight.pretrain` measured; nothing where the tower was taken.

    Raises:
        DetectorError: Pictures that cannot be learned from.
        CheckpointError: A checkpoint that is damaged or of another beginning, or a tower of another shape.
    """
    tower = model.core.model.visual
    if (Path(sight) / checkpoint.SETTINGS).is_file():
        try:
            other = checkpoint.load(sight)
            tower.load_state_dict(other.core.model.visual.state_dict())
        except RuntimeError as error:
            raise CheckpointError(f"The vision tower of '{sight}' has another shape than this model's.") from error
        if other.gaze is not None:
            model.take(other.gaze.unwritten(config.seed))
        return {}
    attend(model.core, accelerator.mixed_precision == "bf16", accelerator.device.type)
    data, told = SightData.load(sight), captioning.scenes(sight, config.rename) if config.captions else ()
    of = ""
    if work is not None:
        # Under the name that eyes had when it hung on how often they were saved: as often as by default.
        settings = {**config.decisive(), "save_every": SightConfig.save_every}
        of = _taught(model, data, told, (settings, accelerator.mixed_precision))
        if (found := _opened(model, Path(work), of)) is not None:
            _clear(Path(work), accelerator)
            return found
    patches, width = Patches.of(model.processor.image_processor), int(model.text.config.hidden_size)
    gaze = gaze_for(data, patches, width, config.hidden, config.seed)
    measured = pretrain(tower, patches, gaze, data, config, accelerator, work, on_progress, {"of": of})
    model.take(gaze)
    if told:
        out = None if work is None else Path(work) / "captions"
        captioning.caption(model, told, captioning_config(config), accelerator, out, on_progress, {"of": of}, room)
    if work is not None and accelerator.is_main_process:
        # What is written last says of what these eyes are: until then, of nothing.
        (Path(work) / SIGHT).unlink(missing_ok=True)
        checkpoint.save(model, Path(work) / EYES)
        # JSON has no NaN, which a value is that does not vary.
        about = {"of": of, "measured": {name: None if isnan(each) else each for name, each in measured.items()}}
        files.write_text(Path(work) / SIGHT, json.dumps(about, indent=2) + "\n")
        _clear(Path(work), accelerator)
    return measured


def _clear(work: Path, accelerator: Any) -> None:
    """Remove the checkpoints of eyes that are made: others, of another beginning, may be made there next."""
    for done in (work, work / "captions"):
        Checkpoints(done, accelerator, {}).clear()


_METHOD = "story"
"""Changes when the same lessons teach something else."""


def _taught(model: ArmorModel, data: SightData, told: Sequence[captioning.Scene], settings: Any) -> str:
    """Sixteen hexadecimal digits of all that eyes are made of: the model before, pictures, captions and settings.

    A pocket's tokenizer is made of all samples' words, and its weights do not tell which it has.
    """
    known = sorted(model.processor.tokenizer.get_vocab().items())
    lessons = [(scene.sample.id, scene.sample.instruction, scene.captions) for scene in told]
    digest = hashlib.sha256(repr((settings, data.digest, lessons, known, _METHOD)).encode())
    for name, value in sorted(model.core.state_dict().items()):
        digest.update(name.encode() + value.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _opened(model: ArmorModel, work: Path, of: str) -> Mapping[str, float] | None:
    """Take the eyes that were made so before, in place, and what was measured of them; None where there are none."""
    try:
        about = json.loads((work / SIGHT).read_text(encoding="utf-8"))
        if about["of"] != of:
            return None
        measured = {str(name): nan if each is None else float(each) for name, each in about["measured"].items()}
        found = checkpoint.load(work / EYES)
        model.core.load_state_dict(found.core.state_dict())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, CheckpointError):
        return None
    model.gaze = found.gaze
    return measured


def captioning_config(config: SightConfig) -> TrainingConfig:
    """How the captions that follow are learned."""
    # Four captions of a sample are learned at once, in larger batches than verdicts.
    return TrainingConfig(
        method="captions",
        warm_up_epochs=config.captions,
        batch=32,
        lr=1e-3,
        dense_share=None,
        balanced=False,
        seed=config.seed,
    )
