"""From samples to a detector on disk."""

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.detector import checkpoint, pocket
from faultfield.detector.data import Sample
from faultfield.detector.model import ArmorModel
from faultfield.detector.training import identity
from faultfield.detector.training.attention import attend
from faultfield.detector.training.config import LoraConfig, TrainingConfig
from faultfield.detector.training.course import SampleCourse
from faultfield.detector.training.hunches import judge_by_sight
from faultfield.detector.training.learner import Learner
from faultfield.detector.training.loop import Loop, Progress, Step
from faultfield.detector.training.renaming import renaming
from faultfield.detector.training.sharding import is_sharded, skeleton
from faultfield.detector.views import Viewer
from faultfield.errors import CheckpointError, DetectorError, SetupError
from faultfield.faults.claims import parse
from faultfield.faults.wording import success_reasons

ABOUT = "training.json"
"""What a detector was trained with, written last."""

WORK = "training"
"""Where its checkpoints and TensorBoard's events lie in its directory."""

_PATIENCE = timedelta(hours=2)

_TOLD = 256
"""How many of the reasons that it was taught a detector remembers."""


def train(
    model: ArmorModel,
    samples: Sequence[Sample],
    config: TrainingConfig,
    out: str | Path,
    *,
    accelerator: Any = None,
    store: str | None = None,
    on_progress: Progress | None = None,
    on_step: Callable[[Step], None] | None = None,
    seen: dict[str, Any] | None = None,
    origin: Mapping[str, str | None] | None = None,
    room: int | None = None,
) -> Mapping[str, Any]:
    """Train a detector and write it; killed and called again, it goes on where it was.

    Args:
        model: To begin with; trained in place, but where processes share out its weights.
        samples: All with a verdict.
        config: How.
        out: Directory of the detector; checkpoints and TensorBoard's events lie in `training` inside it.
        accelerator: `accelerate.Accelerator`; made from the settings when None.
        store: Type of the weights on disk, as `checkpoint.save` takes it.
        on_progress: Told what is done.
        on_step: Told of every gradient step.
        seen: Picture tokens by sample id, of an earlier training with the same frozen tower; what is encoded is added.
        origin: What the model was made from, in the caller's words: a training that began elsewhere is another one.
        room: Bytes of main memory for the tokens of a frozen tower, as `Loop` takes it; the same is learned with any.

    Returns:
        What `training.json` holds: the settings, how many samples and steps, and the last step's losses.

    Raises:
        DetectorError: Samples that cannot be trained on, a loss that is no longer finite, or captions.
        CheckpointError: `out` holds a detector of another training.
        SetupError: accelerate or peft is not installed.
    """
    if config.method == "captions":
        raise DetectorError("Captions are learned before the training, by --sight with a data directory.")
    checkpoint.check_type(store)
    out = Path(out)
    accelerator = accelerator or make_accelerator(config)
    course = SampleCourse(renamed(samples, config), model, plain=config.method != "armor")
    about: dict[str, Any] = {
        "config": config.to_json(),
        "samples": len(samples),
        "dense": sum(sample.dense for sample in samples),
        "failed": sum(bool(sample.failed) for sample in samples),
        "digest": identity.words(samples, model.viewer),
        "pictures": identity.pictures(samples),
        "origin": dict(origin or {}),
        "store": store,
    }
    if (finished := _finished(out, about)) is not None:
        return finished
    adapt(model, config, accelerator.device.type)
    learner = Learner(model)
    whole = skeleton(learner) if is_sharded(accelerator) else learner
    seen = {} if seen is None else seen
    kept = {row: seen[sample.id] for row, sample in enumerate(samples) if sample.id in seen}
    begun = {name: about[name] for name in ("digest", "pictures", "origin")}
    loop = Loop(learner, course, config, accelerator, out / WORK, on_progress, on_step, kept, begun, room)
    steps = loop.run()
    seen.update({samples[row].id: tokens for row, tokens in kept.items()})
    state = loop.state()
    if accelerator.is_main_process:
        whole.load_state_dict(state, assign=True)
        model = whole.model
        merge(model)
        model.reasons, model.plain = _commonest(samples), config.method != "armor"
        model.to("cpu").eval()
        if not model.plain:
            look = loop.look if config.freeze_vision and whole is learner else None
            judge_by_sight(model, samples, config.seed, look, on_progress)
        checkpoint.save(model, out, store)
        about |= {"steps": steps, "last": loop.last}
        files.write_text(out / ABOUT, json.dumps(about, indent=2) + "\n")
        loop.clear()
    accelerator.wait_for_everyone()
    accelerator.free_memory()
    return about


def renamed(samples: Sequence[Sample], config: TrainingConfig) -> list[Sample]:
    """The samples, some with another name for what is handled; only a failure's reason says what that is."""
    found = []
    for sample in samples:
        thing = parse(sample.reason).object if sample.failed and sample.reason else None
        called = renaming(thing, sample.instruction, sample.id, config.rename, config.seed)
        reason = None if sample.reason is None else called(sample.reason)
        found.append(replace(sample, instruction=called(sample.instruction), reason=reason))
    return found


def begin(
    name: str,
    samples: Sequence[Sample],
    view: Mapping[str, Any],
    seed: int,
    more: Sequence[str] = (),
    dtype: str = "float32",
) -> ArmorModel:
    """A model to train.

    Args:
        name: A detector's directory, a Qwen2.5-VL (folder or hub name), or `pocket`: small, built for these samples.
        samples: Whose words a pocket model's tokenizer learns.
        view: Settings of what a fresh model is shown; a detector has its own.
        seed: Of fresh weights.
        more: Further sentences for the tokenizer to learn.
        dtype: Of the weights of a model that others made; `loaded_as` says which the settings call for.

    Raises:
        CheckpointError: There is no such model, or it is damaged.
        DetectorError: Settings of a view that it cannot have.
    """
    folder = Path(name)
    if (folder / checkpoint.SETTINGS).is_file():
        return checkpoint.load(folder, dtype)
    if name == "pocket":
        return pocket.build([*_sentences(samples), *more], seed=seed, viewer=Viewer.from_json(dict(view)))
    return checkpoint.wrap(name, viewer=Viewer.from_json(dict(view)), dtype=dtype, seed=seed)


def loaded_as(config: TrainingConfig) -> str:
    """In what a model's weights lie in memory: half of the room where adapters alone learn, in bfloat16.

    Processes that shard a model need all of it in one type.
    """
    sharded = os.environ.get("ACCELERATE_USE_FSDP") == "true"
    alone = config.bf16 and config.lora is not None and config.freeze_vision and not sharded
    return "bfloat16" if alone else "float32"


def _sentences(samples: Sequence[Sample]) -> list[str]:
    """What a pocket model will read and say."""
    asked = dict.fromkeys(sample.instruction for sample in samples)
    said = [sample.reason for sample in samples if sample.reason is not None]
    return [*asked, *said, *success_reasons()]


def _commonest(samples: Sequence[Sample]) -> tuple[str, ...]:
    """The reasons most often given, the commonest last."""
    counts = Counter(sample.reason for sample in samples if sample.reason is not None)
    return tuple(reason for reason, _ in reversed(counts.most_common(_TOLD)))


def make_accelerator(config: TrainingConfig, cpu: bool = False) -> Any:
    """The accelerator for these settings: under `accelerate launch`, the launch decides how many processes share.

    Raises:
        SetupError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator, DistributedType, FullyShardedDataParallelPlugin, PartialState
        from accelerate.utils import InitProcessGroupKwargs
    except ImportError as error:
        raise SetupError("Training needs accelerate: pip install 'faultfield[detector]'.") from error
    # Others wait while one process writes a large detector, or while its eyes learn to judge.
    patience = InitProcessGroupKwargs(timeout=_PATIENCE)
    accelerator = Accelerator(mixed_precision="bf16" if config.bf16 else "no", cpu=cpu, kwargs_handlers=[patience])
    state = accelerator.state
    if os.environ.get("ACCELERATE_USE_FSDP") == "true" and state.distributed_type == DistributedType.MULTI_CPU:
        # accelerate shards on accelerators only; a dry run of the same sharding needs nothing but processors.
        state.distributed_type = PartialState().distributed_type = DistributedType.FSDP
        state.fsdp_plugin = FullyShardedDataParallelPlugin()
    return accelerator


def adapt(model: ArmorModel, config: TrainingConfig, device: str) -> None:
    """Make trainable what the settings say, and put adapters and checkpointing where they say.

    Args:
        model: In place.
        config: The settings.
        device: Kind of device that it will be trained on, `cpu` or `cuda`.

    Raises:
        SetupError: Adapters are asked for and peft is not installed.
    """
    if config.lora is not None and model.core is model.backbone:
        model.backbone = _adapters(model.backbone, config.lora)
    if config.lora is None:
        model.core.requires_grad_(True)
    model.core.model.visual.requires_grad_(not config.freeze_vision)
    if model.gaze is not None:
        model.gaze.requires_grad_(True)
        model.gaze.readout.requires_grad_(not config.freeze_vision)
        if model.gaze.hunch is not None:
            # It learns by itself, when all else has.
            model.gaze.hunch.requires_grad_(False)
    # Plain fine-tuning never asks the head, and processes that share a model must use all that they train.
    model.head.requires_grad_(config.method == "armor")
    attend(model.core, config.bf16, device)
    if config.checkpointing:
        enable = getattr(model.core, "activation_checkpointing_enable", model.core.gradient_checkpointing_enable)
        enable({"use_reentrant": False})


def merge(model: ArmorModel) -> None:
    """Fold adapters into the weights that they adapt."""
    if model.core is not model.backbone:
        model.backbone = model.backbone.merge_and_unload()


def _adapters(backbone: Any, lora: LoraConfig) -> Any:
    try:
        import peft
    except ImportError as error:
        raise SetupError("Adapters need peft: pip install 'faultfield[detector]'.") from error
    # The vision tower's layers bear the same names.
    targets = rf".*\.language_model\..*\.({'|'.join(lora.targets)})"
    settings = peft.LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    try:
        return peft.get_peft_model(backbone, settings)
    except ValueError as error:
        raise DetectorError(f"The language model has no layers named {', '.join(lora.targets)} to adapt.") from error


def _finished(out: Path, about: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a training that is over wrote; None where there is none.

    Raises:
        CheckpointError: It was another training.
    """
    file = out / ABOUT
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file} is damaged; delete it or choose another directory.") from error
    wanted = json.loads(json.dumps(about))
    if not isinstance(found, dict) or not identity.same(found, wanted):
        raise CheckpointError(f"{out} holds a detector that was trained otherwise; choose another directory.")
    return found
