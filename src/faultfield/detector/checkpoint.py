"""A detector as a folder of safetensors, and any Qwen2.5-VL as the start of one."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from faultfield import files
from faultfield.detector.gaze import Gaze
from faultfield.detector.head import DetectionHead
from faultfield.detector.model import ArmorModel
from faultfield.detector.trajectories import Refinement
from faultfield.detector.views import Viewer
from faultfield.errors import CheckpointError, DetectorError

SETTINGS = "armor.json"
HEAD, GAZE = "head.safetensors", "gaze.safetensors"
_VERSION = 1
_CONTENT = {".json", ".jinja", ".safetensors", ".txt"}
"""Suffixes of the files that make a detector what it is."""


def save(model: ArmorModel, folder: str | Path, dtype: str | None = None) -> None:
    """Write backbone, processor, head, and gaze where it has one; `load` reads them back.

    Adapters around the backbone are not written: merge them first.

    Args:
        model: As it is, whatever is written of it.
        folder: Made where it is not there.
        dtype: In which its weights are written, such as `float16`; None writes them as they are.

    Raises:
        DetectorError: There is no such type.
    """
    from copy import deepcopy

    import torch
    from safetensors.torch import save_file

    check_type(dtype)
    if dtype is not None:
        model = deepcopy(model).to(getattr(torch, dtype))
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # What is written last makes the folder a detector: a save that was cut short is none.
    for old in (SETTINGS, GAZE):
        (folder / old).unlink(missing_ok=True)
    with quiet():
        model.core.save_pretrained(folder)
    model.processor.save_pretrained(folder)
    settings: dict[str, Any] = {"version": _VERSION, "head": model.head.settings, "viewer": model.viewer.to_json()}
    parts: dict[str, Any] = {HEAD: model.head}
    if model.gaze is not None:
        parts[GAZE], settings["gaze"] = model.gaze, model.gaze.settings
    for name, part in parts.items():
        weights = {key: value.detach().cpu().contiguous() for key, value in part.state_dict().items()}
        with files.replacing(folder / name) as draft:
            save_file(weights, draft)
    if model.plain:
        settings["plain"] = True
    if model.reasons:
        settings["reasons"] = list(model.reasons)
    files.write_text(folder / SETTINGS, json.dumps(settings, indent=2) + "\n")


def check_type(dtype: str | None) -> None:
    """Refuse what weights cannot be stored as; None is as they are.

    Raises:
        DetectorError: There is no such type.
    """
    if dtype not in (None, "float32", "float16", "bfloat16"):
        raise DetectorError(f"Weights are stored as float32, float16 or bfloat16, not '{dtype}'.")


def load(folder: str | Path, dtype: str = "float32", device: str = "cpu") -> ArmorModel:
    """A detector that `save` wrote, in evaluation mode.

    Args:
        folder: Where it lies.
        dtype: Of the backbone's weights in memory: `float32`, `bfloat16`, or `auto` for as they are stored.
        device: Where they go.

    Raises:
        CheckpointError: A file is missing or damaged, or the head does not fit the backbone.
        DetectorError: The model has no chat template.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    for name in (SETTINGS, HEAD, "config.json"):
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder} is no detector: it has no {name}.")
    try:
        settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        version = settings["version"]
        if version != _VERSION:
            raise CheckpointError(f"The detector in {folder} is of version {version}, this program reads {_VERSION}.")
        head, viewer = DetectionHead(**settings["head"]), Viewer.from_json(settings["viewer"])
        gaze = Gaze(**settings["gaze"]) if "gaze" in settings else None
        reasons = [str(each) for each in settings.get("reasons", ())]
    except (ValueError, LookupError, TypeError, AssertionError) as error:
        raise CheckpointError(f"The settings {folder / SETTINGS} are damaged.") from error
    if (classes := head.settings["classes"]) != 2:
        raise CheckpointError(f"The head in {folder} has {classes} classes; a detector's has 2, not failed and failed.")
    for name, part in ((HEAD, head), (GAZE, gaze)):
        if part is None:
            continue
        try:
            part.load_state_dict(load_file(folder / name))
        except (RuntimeError, SafetensorError, OSError) as error:
            raise CheckpointError(
                f"The weights in {folder / name} are missing, damaged, or of another {Path(name).stem} than {SETTINGS} "
                "tells of."
            ) from error
    model = ArmorModel(_backbone(str(folder), dtype), head, _processor(str(folder)), viewer, reasons, gaze)
    model.plain = settings.get("plain") is True
    return model.to(device).eval()


def viewer_of(name: str) -> Viewer | None:
    """What a detector's directory says that it is shown; None of a name that is no detector's.

    Raises:
        CheckpointError: Its settings are damaged.
    """
    file = Path(name) / SETTINGS
    if not file.is_file():
        return None
    try:
        return Viewer.from_json(json.loads(file.read_text(encoding="utf-8"))["viewer"])
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"The settings {file} are damaged.") from error


def placed(device: str = "auto", dtype: str = "auto") -> tuple[str, str]:
    """Device and type of the weights that a user asks for, `auto` made out: a GPU in bfloat16, a processor in float32.

    Raises:
        DetectorError: There is no such type or device here.
    """
    import torch

    if dtype not in ("auto", "float32", "bfloat16"):
        raise DetectorError(f"A detector computes in float32 or bfloat16, not '{dtype}'.")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise DetectorError(f"There is no device '{device}' here; take cpu, or auto.") from error
    if dtype == "auto":
        dtype = "float32" if device == "cpu" else "bfloat16"
    return device, dtype


def fingerprint(folder: str | Path, how: Refinement, instruction: str | None = None, dtype: str = "float32") -> str:
    """Sixteen hexadecimal digits of all that a verdict on a given episode depends on.

    Args:
        folder: Where the detector lies: its weights, words and settings.
        how: Samples, rounds and their like; how many clips are computed at once changes nothing.
        instruction: What it is told that the robot was asked to do, where that is not the episode's own.
        dtype: What it computes in.
    """
    refined = {name: value for name, value in asdict(how).items() if name != "batch"} | {"instruction": instruction}
    if not how.divides:
        # As it was before there were any: verdicts in ledgers keep their name.
        del refined["divides"]
    if how.hunch or not _judges_by_sight(Path(folder)):
        del refined["hunch"]
    if dtype != "float32":
        refined["dtype"] = dtype
    digest = hashlib.sha256(json.dumps(refined, sort_keys=True).encode())
    for file in contents(folder):
        with file.open("rb") as stream:
            digest.update(f"\0{file.name}\0".encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def contents(folder: str | Path) -> list[Path]:
    """The files that make a model what it is, in the order of their names; a card is none of them."""
    return sorted(each for each in Path(folder).iterdir() if each.suffix in _CONTENT)


def _judges_by_sight(folder: Path) -> bool:
    """Whether its eyes learned to; it makes no difference to others who is asked to judge."""
    file = folder / SETTINGS
    return file.is_file() and "hunch" in json.loads(file.read_text(encoding="utf-8")).get("gaze", {})


def wrap(
    name: str | Path,
    *,
    viewer: Viewer | None = None,
    dtype: str = "float32",
    device: str = "cpu",
    dropout: float = 0.1,
    seed: int = 0,
) -> ArmorModel:
    """Any Qwen2.5-VL with a fresh detection head, in evaluation mode.

    Args:
        name: Folder, or name on the hub.
        viewer: How a clip becomes what it is shown.
        dtype: Of the backbone's weights in memory: `float32`, `bfloat16`, or `auto` for as they are stored.
        device: Where they go.
        dropout: The head's.
        seed: Of the head's weights.

    Raises:
        CheckpointError: The model cannot be read, or is no Qwen2.5-VL.
        DetectorError: The model has no chat template.
    """
    import torch

    backbone = _backbone(str(name), dtype)
    config = backbone.config.text_config
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed)
        # The paper's eight, where they fit; the decoder's own number always does.
        heads = 8 if config.hidden_size % 8 == 0 else config.num_attention_heads
        head = DetectionHead(config.hidden_size, heads, dropout=dropout)
    finally:
        torch.random.set_rng_state(state)
    return ArmorModel(backbone, head, _processor(str(name)), viewer).to(device).eval()


@contextmanager
def quiet() -> Iterator[None]:
    """Without transformers' progress bars: what is loaded here takes a moment."""
    from transformers.utils import logging as notes

    shown = notes.is_progress_bar_enabled()
    notes.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            notes.enable_progress_bar()


def _backbone(name: str, dtype: str) -> Any:
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig, Qwen2_5_VLForConditionalGeneration

    try:
        config = AutoConfig.from_pretrained(name)
    except (OSError, ValueError, TypeError, StrictDataclassError) as error:
        raise CheckpointError(f"'{name}' is no folder with a model and cannot be fetched as one.") from error
    if config.model_type != "qwen2_5_vl":
        raise CheckpointError(f"The model '{name}' is a {config.model_type}; the detector takes a Qwen2.5-VL.")
    try:
        # Masks of our own shape need this attention; the flash kernels take none.
        with quiet():
            loaded: Any = Qwen2_5_VLForConditionalGeneration.from_pretrained(
                name, dtype=dtype, attn_implementation="sdpa", use_safetensors=True, output_loading_info=True
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"The weights of the model '{name}' are missing, damaged, or no safetensors.") from error
    model, told = loaded
    if missing := sorted(told["missing_keys"]):
        # What is not there would be drawn at random, and judge.
        raise CheckpointError(f"The weights of the model '{name}' lack {missing[0]}, one of {len(missing)}.")
    return model


def _processor(name: str) -> Any:
    from transformers import Qwen2_5_VLProcessor

    try:
        return Qwen2_5_VLProcessor.from_pretrained(name)
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise CheckpointError(f"The processor of the model '{name}' is missing or damaged.") from error
