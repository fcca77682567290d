"""BC-RNN, BC-Transformer and BCQ on pictures, trained by robomimic's own code on its own HDF5."""

import contextlib
import hashlib
import json
import math
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from faultfield import files
from faultfield.errors import PolicyError
from faultfield.policies.bc import load_checkpoint
from faultfield.policies.robomimic import CHECKPOINT, checkpoint_file, importing, read_checkpoint
from faultfield.policies.robomimic_config import ALGORITHMS, configuration, configured, pace
from faultfield.policies.training import STATE_FLOOR, weights_digest
from faultfield.policies.training_notes import trained

EPOCH = 100
"""Batches of an epoch; progress is kept at the end of each."""

PROGRESS = "training.partial"
"""Networks and optimisers of a training that is under way; gone when it is done."""

CONFIG = "config.json"

_LEARNING_RATE = 1e-3


def train(
    data: str | Path,
    out: str | Path,
    algorithm: str,
    *,
    steps: int = 3000,
    seed: int = 0,
    jitter: bool = True,
    eye: str | Path | None = None,
    begin: str | Path | None = None,
    allow_pickle: bool = False,
    learning_rate: float = _LEARNING_RATE,
    on_progress: Callable[[int, int], None] | None = None,
) -> float:
    """Train a checkpoint that robomimic and `Robomimic` load; killed and called again, it goes on where it was.

    One that has ended is not trained again.

    The networks, the losses, the data set and the epochs are robomimic's; the loop over epochs is ours, because its
    own neither goes on after a kill nor says how far it is. Each epoch is seeded by itself, so a resumed training ends
    with the weights of one that was not interrupted. Imitation learns from demonstrations that succeeded only; BCQ,
    which learns from rewards, from all.

    Args:
        data: HDF5 file of `faultfield export --format robomimic`, or of `exports.robomimic.from_demonstrations`.
        out: Directory to make: `model.pth` is the checkpoint, `config.json` says how it was trained.
        algorithm: One of `ALGORITHMS`.
        steps: Batches, rounded up to whole epochs of 100.
        seed: Of the weights, the batches and the jitter.
        jitter: Whether colours are changed at random.
        eye: A `VisualBC` checkpoint with whose convolutions every picture encoder begins; at random where None. Windows
            and replayed rewards teach an eye far more slowly than single pictures do.
        begin: A checkpoint of the same algorithm to train further, with its own configuration: a `.pth` file of
            robomimic's, or a directory with `model.pth`.
        allow_pickle: Whether `begin` may be unpickled, as in `Robomimic`.
        learning_rate: At the start.
        on_progress: Called with (batch, batches).

    Returns:
        Mean loss of the last epoch (of BCQ: of its action sampler and its critics together), also where it was trained
        before.

    Raises:
        SetupError: robomimic is not installed.
        PolicyError: The file is missing or is not one of robomimic's, holds no picture and state or no success, or
            the loss is no longer finite, or the checkpoint to begin with is of another algorithm or sees other things.
        CheckpointError: The checkpoint of the eye, or to begin with, is missing or damaged, or `out` holds one that was
            trained otherwise.
    """
    if algorithm not in ALGORITHMS:
        raise PolicyError(f"There is no recipe for '{algorithm}'; known are {', '.join(ALGORITHMS)}.")
    if steps < 1:
        raise PolicyError(f"Training needs at least one step, not {steps}.")
    source, epochs = Path(data), math.ceil(steps / EPOCH)
    names = _names(source)
    settings = {
        "algorithm": algorithm, "data_sha256": hashlib.sha256(source.read_bytes()).hexdigest(), "steps": epochs * EPOCH,
        "seed": seed, "jitter": jitter, **({} if eye is None else {"eye": weights_digest(eye)}),
        **({} if begin is None else {"begun_from": _digest_of(begin), "learning_rate": learning_rate}),
    }  # fmt: skip
    ended = trained(out, CONFIG, settings)
    if ended is not None:
        return ended
    before = None if begin is None else read_checkpoint(checkpoint_file(begin), allow_pickle=allow_pickle)
    convolutions = None if eye is None else load_checkpoint(eye)[1].eye
    progress = Path(out) / PROGRESS
    progress.parent.mkdir(parents=True, exist_ok=True)
    tell = _aloud(on_progress)
    with importing(), torch.random.fork_rng(devices=[]), _numpy_seeded(seed):
        from robomimic.utils import file_utils, obs_utils, train_utils

        import faultfield.policies._robomimic_core  # noqa: F401  (registers PocketCore)

        if before is None:
            config = configuration(algorithm, names, jitter=jitter, scaling=_scaling(source, algorithm))
        else:
            config = configured(before, algorithm)
        with config.values_unlocked():
            pace(config, epochs, EPOCH, learning_rate)
            config.train.data, config.train.seed = str(source), seed
            config.train.hdf5_filter_key = None if algorithm == "bcq" else "success"
        obs_utils.initialize_obs_utils_with_config(config)
        shapes = file_utils.get_shape_metadata_from_dataset(str(source), config.all_obs_keys, verbose=False)
        loader = _loader(config, shapes["all_obs_keys"])
        torch.manual_seed(seed)
        model = _model(config, shapes)
        if before is not None:
            _go_on_from(model, before, Path(str(begin)))
        if convolutions is not None:
            _open_eyes(model, convolutions)
        loss = math.nan
        for epoch in range(1 + _resume(progress, settings, model), epochs + 1):
            torch.manual_seed(int(np.random.default_rng([seed, epoch]).integers(2**62)))
            counted = _Counted(loader, (epoch - 1) * EPOCH, epochs * EPOCH, tell)
            log = train_utils.run_epoch(model, counted, epoch, num_steps=EPOCH)
            model.on_epoch_end(epoch)
            tell(epoch * EPOCH, epochs * EPOCH)
            loss = float(log["Loss"])
            if not math.isfinite(loss):
                raise PolicyError(f"The loss is {loss} in epoch {epoch}; the demonstrations may not be finite.")
            _note(progress, settings | {"epoch": epoch, "loss": loss}, model)
        meta = file_utils.get_env_metadata_from_dataset(str(source))
        with config.values_unlocked():
            # Who is given the checkpoint need not know where on this machine the demonstrations lay.
            config.train.data = source.name
        with files.replacing(Path(out) / CHECKPOINT) as draft:
            train_utils.save_model(model, config, meta, shapes, str(draft))
    loss = float(_stored(progress)["settings"]["loss"])
    files.write_text(Path(out) / CONFIG, json.dumps(settings | {"loss": loss}, indent=2) + "\n")
    progress.unlink()
    return loss


def _go_on_from(model: Any, stored: Mapping[str, Any], path: Path) -> None:
    try:
        model.deserialize(stored["model"])
    except (RuntimeError, KeyError, ValueError) as error:
        raise PolicyError(f"The policy in '{path}' sees or does other things than the demonstrations show.") from error


def _digest_of(checkpoint: str | Path) -> str:
    path = checkpoint_file(checkpoint)
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _names(path: Path) -> dict[str, list[str]]:
    """What a policy may see of the file's observations: pictures and proprioception, never the object's true pose."""
    import h5py

    if not path.is_file():
        raise PolicyError(f"There is no file '{path}'; 'faultfield export --format robomimic' makes one.")
    try:
        with h5py.File(path) as file:
            shapes = {name: array.shape[1:] for name, array in file["data/demo_0/obs"].items()}
            succeeded = len(file["mask/success"])
    except (OSError, KeyError) as error:
        raise PolicyError(f"'{path}' is damaged or is not one of our HDF5 files for robomimic.") from error
    pictures = [name for name, shape in shapes.items() if len(shape) == 3]
    if not pictures or "state" not in shapes:
        raise PolicyError(f"A visual policy needs pictures and 'state'; '{path}' has only {', '.join(shapes)}.")
    if not succeeded:
        raise PolicyError(f"No demonstration in '{path}' succeeded; there is nothing to imitate.")
    return {"low_dim": ["state"], "rgb": pictures}


def _scaling(path: Path, algorithm: str) -> tuple[list[float], list[float]] | None:
    """Mean and scale of the states in the file; None where BCQ would take actions, which are as long, for states."""
    import h5py

    with h5py.File(path) as file:
        states = np.concatenate([demo["obs/state"][:] for demo in file["data"].values()])
        actions = file["data/demo_0/actions"].shape[1]
    if algorithm == "bcq" and actions == states.shape[1]:
        return None
    return states.mean(0).tolist(), np.maximum(states.std(0), STATE_FLOOR).tolist()


def _model(config: Any, shapes: Mapping[str, Any]) -> Any:
    from robomimic.algo import algo_factory

    return algo_factory(
        config.algo_name, config, obs_key_shapes=shapes["all_shapes"], ac_dim=shapes["ac_dim"],
        device=torch.device("cpu"),
    )  # fmt: skip


def _open_eyes(model: Any, convolutions: nn.Module) -> None:
    """Begin every picture encoder with these convolutions, those of target networks as well."""
    from faultfield.policies._robomimic_core import PocketCore

    for core in (part for part in model.nets.modules() if isinstance(part, PocketCore)):
        own = [part for part in core.nets if isinstance(part, nn.Conv2d)]
        theirs = [part for part in convolutions.children() if isinstance(part, nn.Conv2d)]
        for mine, other in zip(own, theirs, strict=True):
            if mine.weight.shape != other.weight.shape:
                raise PolicyError("The eye has other convolutions than robomimic's encoders here.")
            mine.load_state_dict(other.state_dict())


def _loader(config: Any, names: list[str]) -> Any:
    """Batches of robomimic's data set, with the pictures in memory once: its own cache has them once a window."""
    from robomimic.utils.train_utils import load_data_for_training

    data, _ = load_data_for_training(config, obs_keys=names)
    with data.hdf5_file_opened() as file:
        data.hdf5_cache = data.load_dataset_in_memory(
            data.demos, file, data.obs_keys, data.dataset_keys, data.load_next_obs
        )
    data.obs_keys_in_memory = data.obs_keys
    rows = min(config.train.batch_size, len(data))
    return torch.utils.data.DataLoader(data, batch_size=rows, shuffle=True, drop_last=True)


class _Counted:
    """Batches of which each is counted when robomimic's epoch comes for the next, so all but an epoch's last."""

    def __init__(self, batches: Iterable[Any], done: int, total: int, tell: Callable[[int, int], None]) -> None:
        self._batches, self._done, self._total, self._tell = batches, done, total, tell

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            yield batch
            self._done += 1
            self._tell(self._done, self._total)


def _aloud(on_progress: Callable[[int, int], None] | None) -> Callable[[int, int], None]:
    """Progress that may print, while what robomimic prints is kept back."""
    stdout = sys.stdout

    def tell(done: int, total: int) -> None:
        if on_progress is not None:
            with contextlib.redirect_stdout(stdout):
                on_progress(done, total)

    return tell


@contextlib.contextmanager
def _numpy_seeded(seed: int) -> Iterator[None]:
    """Seed numpy's global generator, where robomimic may draw, and leave it to others as they left it."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed % 2**32)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _moving(model: Any) -> list[Any]:
    """Optimisers and schedules, in a fixed order; of an ensemble there is a list of them."""
    parts = [each for group in (model.optimizers, model.lr_schedulers) for _, each in sorted(group.items())]
    flat = [one for part in parts for one in (part if isinstance(part, list) else [part])]
    return [part for part in flat if part is not None]


def _note(path: Path, settings: Mapping[str, Any], model: Any) -> None:
    state = {"settings": dict(settings), "nets": model.serialize(), "moving": [p.state_dict() for p in _moving(model)]}
    with files.replacing(path) as draft:
        torch.save(state, draft)


def _stored(path: Path) -> dict[str, Any]:
    stored: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return stored


def _resume(path: Path, settings: Mapping[str, Any], model: Any) -> int:
    """Load what `_note` wrote and say after which epoch; 0 where there is nothing, or it is of other settings."""
    try:
        stored = _stored(path)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError):
        return 0
    told = dict(stored["settings"])
    epoch, _ = int(told.pop("epoch")), told.pop("loss")
    if told != settings:
        return 0
    model.deserialize(stored["nets"])
    for part, state in zip(_moving(model), stored["moving"], strict=True):
        part.load_state_dict(state)
    return epoch
