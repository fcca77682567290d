"""Visual behaviour cloning: a small image policy from a directory of weights."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as parse_weights
from safetensors.torch import save as dump_weights

from faultfield import files
from faultfield.envs.base import IMAGE_PREFIX, STATE, Observation
from faultfield.errors import CheckpointError, PolicyError
from faultfield.policies.base import Actions
from faultfield.policies.network import VisuomotorNet, one_thread

FORMAT = "faultfield-visual-bc-1"
WEIGHTS = "model.safetensors"
CONFIG = "config.json"
BATCH = 64


@dataclass(frozen=True)
class Architecture:
    """What must be known to build the network again.

    Attributes:
        camera: Whose picture it sees.
        size: Height and width of the picture, pixels.
        state_dim: Numbers of proprioception.
        action_dim: Numbers of an action; the last is the gripper.
        channels: Feature maps of the three convolutions.
        hidden: Units of each hidden layer.
    """

    camera: str = "agentview"
    size: int = 84
    state_dim: int = 9
    action_dim: int = 7
    channels: tuple[int, ...] = (24, 32, 48)
    hidden: int = 256

    def build(self) -> VisuomotorNet:
        """A network with fresh weights, from torch's global generator."""
        return VisuomotorNet(self.channels, self.state_dim, self.action_dim - 1, self.hidden)


class VisualBC:
    """A policy that acts on one picture and on what the robot feels, trained by `faultfield policy train`.

    Inference is float32 on one CPU thread: the same observation gives the same action.

    Args:
        checkpoint: Directory with `model.safetensors` and `config.json`.

    Raises:
        CheckpointError: The directory is missing, made by something else, or damaged.

    Example:
        >>> policy = VisualBC("models/lift-bc")  # doctest: +SKIP
        >>> policy.infer(observation)["actions"].shape  # doctest: +SKIP
        (1, 7)
    """

    def __init__(self, checkpoint: str) -> None:
        self.architecture, self.network = load_checkpoint(checkpoint)
        self._image_key = IMAGE_PREFIX + self.architecture.camera

    def reset(self) -> None:
        """There is nothing to forget: every action comes from one observation."""

    def infer(self, observation: Observation) -> Actions:
        """The next action, shape (1, action_dim).

        Raises:
            PolicyError: The observation lacks the picture or the state, or has them in another shape or dtype.
        """
        return {"actions": self.infer_batch([observation])}

    def infer_batch(self, observations: Sequence[Observation]) -> NDArray[np.float32]:
        """The actions on many observations, float32 (count, action_dim), each as `infer` alone would give it.

        Raises:
            PolicyError: As `infer`.
        """
        for observation in observations:
            self._check(observation)
        parts = [self._act(observations[i : i + BATCH]) for i in range(0, len(observations), BATCH)]
        return np.concatenate(parts) if parts else np.empty((0, self.architecture.action_dim), dtype=np.float32)

    def _act(self, observations: Sequence[Observation]) -> NDArray[np.float32]:
        pictures = np.stack([o[self._image_key] for o in observations])
        states = np.stack([o[STATE] for o in observations])
        with one_thread(), torch.inference_mode():
            arm, grip = self.network(as_input(torch.from_numpy(pictures)), torch.from_numpy(states))
            gripper = torch.where(grip > 0, 1.0, -1.0)[:, None]
            return torch.cat([arm.clamp(-1.0, 1.0), gripper], dim=1).numpy()

    def _check(self, observation: Observation) -> None:
        size = self.architecture.size
        wanted = {
            self._image_key: (np.dtype(np.uint8), (size, size, 3)),
            STATE: (np.dtype(np.float32), (self.architecture.state_dim,)),
        }
        for key, (dtype, shape) in wanted.items():
            if key not in observation:
                raise PolicyError(f"The policy needs '{key}', but the observation has only {', '.join(observation)}.")
            value = np.asarray(observation[key])
            if value.dtype != dtype or value.shape != shape:
                raise PolicyError(
                    f"The policy was trained on '{key}' as {dtype} {shape}, but was given {value.dtype} {value.shape}."
                )


def as_input(pictures: torch.Tensor) -> torch.Tensor:
    """Pictures uint8 (n, height, width, 3) as the network takes them: float in 0–1, (n, 3, height, width).

    They stay channels-last in memory, which the convolutions prefer, so nothing is copied twice.
    """
    return pictures.permute(0, 3, 1, 2).float() / 255.0


def save_checkpoint(
    directory: str | Path, architecture: Architecture, network: VisuomotorNet, training: dict[str, Any]
) -> None:
    """Write weights and configuration; `config.json`, which names the weights' digest, comes last and makes it whole.

    Args:
        directory: Made where it is missing.
        architecture: Of the network.
        network: Whose weights to keep.
        training: How it was trained; kept for the reader, read by nothing.
    """
    weights = dump_weights({k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()})
    config = {
        "format": FORMAT,
        "architecture": asdict(architecture),
        "weights_sha256": hashlib.sha256(weights).hexdigest(),
        "training": training,
    }
    files.write_bytes(Path(directory) / WEIGHTS, weights)
    files.write_text(Path(directory) / CONFIG, json.dumps(config, indent=2) + "\n")


def load_checkpoint(directory: str | Path) -> tuple[Architecture, VisuomotorNet]:
    """The network in a directory, ready for inference.

    Raises:
        CheckpointError: The directory is missing, made by something else, or damaged.
    """
    folder = Path(directory)
    if not folder.is_dir():
        raise CheckpointError(f"There is no checkpoint directory '{folder}'; 'faultfield policy train' makes one.")
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise CheckpointError(f"'{folder}' is not a VisualBC checkpoint: it has no {name}.")
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise CheckpointError(f"'{folder / CONFIG}' says format {config['format']!r}; VisualBC reads {FORMAT!r}.")
        architecture = Architecture(**{**config["architecture"], "channels": tuple(config["architecture"]["channels"])})
        digest = config["weights_sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"'{folder / CONFIG}' is not the configuration of a VisualBC checkpoint.") from error
    weights = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(weights).hexdigest() != digest:
        raise CheckpointError(f"'{folder / WEIGHTS}' is damaged: it is not the file that {CONFIG} was written with.")
    network = architecture.build()
    try:
        network.load_state_dict(parse_weights(weights))
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"The weights in '{folder / WEIGHTS}' do not fit the network in {CONFIG}.") from error
    return architecture, network.to(memory_format=torch.channels_last).eval()
