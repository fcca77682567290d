"""Behaviour cloning: a network that answers a demonstration's picture with the expert's action."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from faultfield import files
from faultfield.errors import CheckpointError, PolicyError
from faultfield.policies.bc import WEIGHTS, Architecture, as_input, load_checkpoint, save_checkpoint
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.network import VisuomotorNet

PROGRESS = "training.partial"
"""Weights and optimiser of a training that is under way; gone when it is done."""

GUIDANCE = 0.3
"""Weight of the guide's loss beside the action's."""

STATE_FLOOR = 0.01
"""A proprioceptive number that hardly moves in the demonstrations is not blown up beyond this scale."""


@dataclass(frozen=True)
class Jitter:
    """Random changes of colour: brightness of the whole, of each channel, and an offset.

    Attributes:
        gain: Range of the factor on the whole picture.
        channel: Range of the factor on each channel.
        bias: Offset within ± this.
    """

    gain: tuple[float, float] = (0.5, 1.15)
    channel: tuple[float, float] = (0.7, 1.3)
    bias: float = 0.1

    def __call__(self, pictures: Tensor, rng: np.random.Generator) -> Tensor:
        """Pictures in 0–1, shape (n, 3, height, width), each changed in its own way and cut to 0–1."""
        n = len(pictures)
        factor = rng.uniform(*self.gain, (n, 1, 1, 1)) * rng.uniform(*self.channel, (n, 3, 1, 1))
        bias = rng.uniform(-self.bias, self.bias, (n, 3, 1, 1))
        return (pictures * _like(factor, pictures) + _like(bias, pictures)).clamp(0.0, 1.0)


class Guide(nn.Module):
    """Has the eye's features tell, by one linear layer, where everything is; thrown away after training.

    Args:
        places: Numbers that the eye answers.
        truths: All truths of the demonstrations, float32 (n, truth_dim): each is scaled to its spread among them.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, places: int, truths: NDArray[np.float32]) -> None:
        super().__init__()
        self.layer = nn.Linear(places, truths.shape[1])
        self.register_buffer("mean", torch.from_numpy(truths.mean(0)))
        self.register_buffer("scale", torch.from_numpy(np.maximum(truths.std(0), STATE_FLOOR)))

    def forward(self, places: Tensor, truths: Tensor) -> Tensor:
        """Mean Huber loss of the guesses; `places` of shape (n, places), `truths` (n, truth_dim)."""
        return nn.functional.smooth_l1_loss(self.layer(places), (truths - self.mean) / self.scale)


def train(
    demos: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    steps: int = 4000,
    seed: int = 0,
    jitter: bool = True,
    guided: bool = False,
    learning_rate: float = 1e-3,
    batch: int = 64,
    begin: str | Path | None = None,
    shares: Sequence[float] | None = None,
    save_every: int = 250,
    on_progress: Callable[[int, int, float], None] | None = None,
) -> float:
    """Train a `VisualBC` checkpoint from demonstrations; killed and called again, it goes on where it was.

    AdamW with a cosine schedule; Huber loss on the arm's action, cross entropy on the gripper's. Every batch and its
    jitter follow from the seed and the step alone, so a resumed training ends with the weights of one that was not
    interrupted.

    Args:
        demos: File or files that `gather` wrote; of several, all rows are used alike.
        out: Checkpoint directory to make.
        steps: Batches.
        seed: Of the weights, the batches and the jitter.
        jitter: Whether colours are changed at random; without it the policy fails under any change of colour.
        guided: Whether the eye learns as well to tell where everything is, from what the simulator told at each step:
            its features then find the objects from fewer demonstrations. The policy never sees that truth.
        learning_rate: At the start.
        batch: Rows per step.
        begin: A checkpoint whose network and scaling are trained further; a fresh network where it is None.
        shares: Of each batch, how much comes from each file, in proportion; where None, every row is as likely.
        save_every: Steps between notes of progress on disk.
        on_progress: Called with (step, steps, mean loss since the last call), every 50 steps and at the end.

    Returns:
        Mean loss over the last steps (at most 50).

    Raises:
        PolicyError: The demonstrations are missing or damaged, do not fit the network to begin from, or the loss is no
            longer finite.
        CheckpointError: The checkpoint to begin from is missing or damaged.
    """
    if steps < 1 or batch < 1:
        raise PolicyError(f"Training needs at least one step and one row a batch, not {steps} and {batch}.")
    paths = [demos] if isinstance(demos, str | Path) else list(demos)
    parts = [Demonstrations.load(path) for path in paths]
    data = Demonstrations.join(parts)
    draw = _Draw([len(part) for part in parts], shares)
    size, state_dim, action_dim = data.pictures.shape[1], data.states.shape[1], data.actions.shape[1]
    architecture = Architecture(data.recipe[0]["camera"], size, state_dim, action_dim)
    training = {
        "demonstrations": data.recipe,
        "demonstrations_sha256": _digest(data),
        "rows": len(data),
        "steps": steps,
        "seed": seed,
        "jitter": jitter,
        "learning_rate": learning_rate,
        "batch": batch,
        **({} if shares is None else {"shares": draw.shares}),
        **({} if begin is None else {"begun_from": _weights_digest(begin)}),
    }
    if guided:
        training["guided"] = True
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    guide = None
    if begin is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = architecture.build()
        network.state_mean.copy_(torch.from_numpy(data.states.mean(0)))
        network.state_scale.copy_(torch.from_numpy(np.maximum(data.states.std(0), STATE_FLOOR)))
    else:
        architecture, network = _begun(begin, architecture)
    if guided:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed + 1)
            guide = Guide(2 * architecture.channels[-1], _truths(data))
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    learner = nn.ModuleDict({"network": network} | ({} if guide is None else {"guide": guide.to(device)}))
    optimizer = torch.optim.AdamW(learner.parameters(), lr=learning_rate)
    progress = Path(out) / PROGRESS
    done = _resume(progress, training, learner, optimizer)
    losses: list[float] = []
    mean = math.nan
    for step in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        rng = np.random.default_rng([seed, step])
        rows = draw.rows(rng, batch)
        pictures = as_input(torch.from_numpy(data.pictures[rows]).to(device))
        if jitter:
            pictures = Jitter()(pictures, rng)
        places = network.see(pictures)
        loss = _loss(network.act(places, _like(data.states[rows], places)), _like(data.actions[rows], places))
        if guide is not None:
            loss = loss + GUIDANCE * guide(places, _like(_truths(data)[rows], places))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise PolicyError(
                f"The loss is {losses[-1]} at step {step}; a smaller learning rate than {learning_rate} may help."
            )
        if (step + 1) % 50 == 0 or step + 1 == steps:
            mean, losses = float(np.mean(losses)), []
            if on_progress is not None:
                on_progress(step + 1, steps, mean)
        if (step + 1) % save_every == 0 and step + 1 < steps:
            _note(progress, training, step + 1, learner, optimizer)
    save_checkpoint(out, architecture, network, training)
    progress.unlink(missing_ok=True)
    return mean


class _Draw:
    """Draws the rows of a batch: all alike, or from each file its share."""

    def __init__(self, lengths: Sequence[int], shares: Sequence[float] | None) -> None:
        self._starts, self._lengths = np.cumsum([0, *lengths[:-1]]), np.array(lengths)
        if shares is not None and (len(shares) != len(lengths) or min(shares) < 0 or not 0 < sum(shares) < math.inf):
            raise PolicyError(f"The shares of a batch are one number from 0 up for each file, not {list(shares)}.")
        self.shares = None if shares is None else tuple(float(share) / sum(shares) for share in shares)

    def rows(self, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
        """Row numbers, int64 (count,)."""
        if self.shares is None:
            return rng.integers(self._lengths.sum(), size=count)
        parts = rng.choice(len(self.shares), size=count, p=self.shares)
        return np.asarray(self._starts[parts] + rng.integers(self._lengths[parts]))


def _begun(begin: str | Path, wanted: Architecture) -> tuple[Architecture, VisuomotorNet]:
    architecture, network = load_checkpoint(begin)
    for what in ("camera", "size", "state_dim", "action_dim"):
        own, theirs = getattr(architecture, what), getattr(wanted, what)
        if own != theirs:
            raise PolicyError(f"The network in '{begin}' has {what} {own}, the demonstrations have {theirs}.")
    return architecture, network.train()


def _weights_digest(checkpoint: str | Path) -> str:
    file = Path(checkpoint) / WEIGHTS
    if not file.is_file():
        raise CheckpointError(f"There is no checkpoint to begin from in '{checkpoint}': it has no {WEIGHTS}.")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _loss(answer: tuple[Tensor, Tensor], wanted: Tensor) -> Tensor:
    arm, grip = answer
    moved = nn.functional.smooth_l1_loss(arm, wanted[:, :-1], beta=0.1)
    gripped = nn.functional.binary_cross_entropy_with_logits(grip, (wanted[:, -1] > 0).float())
    return moved + 0.1 * gripped


def _truths(data: Demonstrations) -> NDArray[np.float32]:
    if data.truths is None:
        raise PolicyError(
            "The demonstrations do not say where things are, so they cannot guide the eye; gather them anew with "
            "'faultfield policy demos', or train without guidance."
        )
    return data.truths


def _like(array: NDArray[Any], tensor: Tensor) -> Tensor:
    return torch.as_tensor(array, dtype=tensor.dtype, device=tensor.device)


def _digest(data: Demonstrations) -> str:
    digest = hashlib.sha256()
    for array in (data.pictures, data.states, data.actions):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _note(path: Path, training: Mapping[str, Any], step: int, learner: nn.Module, optimizer: torch.optim.AdamW) -> None:
    """Write weights and optimiser so that `_resume` finds them."""
    tensors = {f"learner.{k}": v.contiguous() for k, v in learner.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{k}": v.contiguous() for k, v in moments.items()}
    with files.replacing(path) as draft:
        save_file(tensors, draft, metadata={"training": json.dumps(training, sort_keys=True), "step": str(step)})


def _resume(path: Path, training: Mapping[str, Any], learner: nn.Module, optimizer: torch.optim.AdamW) -> int:
    """Load what `_note` wrote and say at which step it was; 0 where there is nothing, or it is of other settings."""
    if not path.is_file():
        return 0
    try:
        with safe_open(path, framework="pt") as stored:
            metadata = stored.metadata()
            if metadata.get("training") != json.dumps(training, sort_keys=True):
                return 0
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except SafetensorError:
        return 0
    learner.load_state_dict({k.removeprefix("learner."): v for k, v in tensors.items() if k.startswith("learner.")})
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        if part == "optimizer":
            index, _, key = rest.partition(".")
            moments.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return int(metadata["step"])
