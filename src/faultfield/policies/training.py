"""Behaviour cloning: a network that answers a demonstration's picture with the expert's action."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faultfield.errors import CheckpointError, PolicyError
from faultfield.policies.bc import CONFIG, WEIGHTS, Architecture, as_input, load_checkpoint, save_checkpoint
from faultfield.policies.demonstrations import Demonstrations
from faultfield.policies.guide import GUIDANCE, Guide, truths_of
from faultfield.policies.jitter import PLAIN, Jitter, like
from faultfield.policies.network import VisuomotorNet
from faultfield.policies.training_notes import PROGRESS, note, resume, trained
from faultfield.policies.widening import widened

STATE_FLOOR = 0.01
"""A proprioceptive number that hardly moves in the demonstrations is not blown up beyond this scale."""


def train(
    demos: str | Path | Sequence[str | Path],
    out: str | Path,
    *,
    steps: int = 4000,
    seed: int = 0,
    jitter: bool | Jitter = True,
    guided: bool = False,
    learning_rate: float = 1e-3,
    batch: int = 64,
    begin: str | Path | None = None,
    widen: int = 1,
    shares: Sequence[float] | None = None,
    save_every: int = 250,
    on_progress: Callable[[int, int, float], None] | None = None,
) -> float:
    """Train a `VisualBC` checkpoint from demonstrations; killed and called again, it goes on where it was.

    One that has ended is not trained again.

    AdamW with a cosine schedule; Huber loss on the arm's action, cross entropy on the gripper's. Every batch and its
    jitter follow from the seed and the step alone, so a resumed training ends with the weights of one that was not
    interrupted.

    Args:
        demos: File or files that `gather` wrote; of several, all rows are used alike.
        out: Checkpoint directory to make.
        steps: Batches.
        seed: Of the weights, the batches and the jitter.
        jitter: Whether, or how, colours are changed at random; without it the policy fails under any change of colour.
        guided: Whether the eye learns as well to tell where everything is, from what the simulator told at each step:
            its features then find the objects from fewer demonstrations. The policy never sees that truth.
        learning_rate: At the start.
        batch: Rows per step.
        begin: A checkpoint whose network and scaling are trained further; a fresh network where it is None.
        widen: So many times the feature maps that it has get its eye first.
        shares: Of each batch, how much comes from each file, in proportion; where None, every row is as likely.
        save_every: Steps between notes of progress on disk.
        on_progress: Called with (step, steps, mean loss since the last call), every 50 steps and at the end.

    Returns:
        Mean loss over the last steps (at most 50); NaN where it was trained already.

    Raises:
        PolicyError: The demonstrations are missing or damaged, do not fit the network to begin from, or the loss is no
            longer finite.
        CheckpointError: The checkpoint to begin from is missing or damaged, or `out` holds one that was trained
            otherwise.
    """
    if steps < 1 or batch < 1 or widen < 1:
        raise PolicyError(
            f"Training needs at least one step, one row a batch and once the feature maps, not {steps}, {batch} and "
            f"{widen}."
        )
    parts = [Demonstrations.load(path) for path in ([demos] if isinstance(demos, str | Path) else demos)]
    data = Demonstrations.join(parts)
    draw = _Draw([len(part) for part in parts], shares)
    # Pictures may be gigabytes: once is enough.
    del parts
    training = {
        "demonstrations": data.recipe,
        "demonstrations_sha256": digest_of(data),
        "rows": len(data),
        "steps": steps,
        "seed": seed,
        "jitter": asdict(jitter) if isinstance(jitter, Jitter) else jitter,
        "learning_rate": learning_rate,
        "batch": batch,
        **({} if shares is None else {"shares": draw.shares}),
        **({} if begin is None else {"begun_from": weights_digest(begin)}),
        **({} if widen == 1 else {"widened": widen}),
        **({"guided": True} if guided else {}),
    }
    ended = trained(out, CONFIG, training)
    if ended is not None:
        return ended
    changed = {True: PLAIN, False: None}[jitter] if isinstance(jitter, bool) else jitter
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    architecture, network = _fresh(data, seed) if begin is None else _begun(begin, data)
    if widen > 1:
        architecture, network = widened(architecture, network, widen, seed)
    learner = _Learner(network, _guide(data, architecture, seed) if guided else None)
    learner.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(learner.parameters(), lr=learning_rate)
    progress = Path(out) / PROGRESS
    done = resume(progress, training, learner, optimizer)
    losses: list[float] = []
    mean = math.nan
    for step in range(done, steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * 0.5 * (1.0 + math.cos(math.pi * step / steps))
        rng = np.random.default_rng([seed, step])
        rows = draw.rows(rng, batch)
        pictures = as_input(torch.from_numpy(data.pictures[rows]).to(device))
        loss = learner(pictures if changed is None else changed(pictures, rng), data, rows)
        optimizer.zero_grad()
        loss.backward()
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
            note(progress, training, step + 1, learner, optimizer)
    save_checkpoint(out, architecture, network, training)
    progress.unlink(missing_ok=True)
    return mean


class _Learner(nn.Module):
    """The network and, where there is one, the guide of its eye.

    Args:
        network: The policy's.
        guide: Thrown away after training.
    """

    def __init__(self, network: VisuomotorNet, guide: Guide | None) -> None:
        super().__init__()
        self.network, self.guide = network, guide

    def forward(self, pictures: Tensor, data: Demonstrations, rows: NDArray[np.int64]) -> Tensor:
        """Loss of a batch: `pictures` of its `rows`, (n, 3, height, width) in 0–1."""
        places = self.network.see(pictures)
        answer = self.network.act(places, like(data.states[rows], places))
        loss = _loss(answer, like(data.actions[rows], places))
        if self.guide is None:
            return loss
        guided: Tensor = self.guide(places, like(truths_of(data)[rows], places))
        return loss + GUIDANCE * guided


def _fresh(data: Demonstrations, seed: int) -> tuple[Architecture, VisuomotorNet]:
    architecture = _architecture(data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = architecture.build()
    network.state_mean.copy_(torch.from_numpy(data.states.mean(0)))
    network.state_scale.copy_(torch.from_numpy(np.maximum(data.states.std(0), STATE_FLOOR)))
    return architecture, network


def _guide(data: Demonstrations, architecture: Architecture, seed: int) -> Guide:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        return Guide(2 * architecture.channels[-1], truths_of(data))


def _architecture(data: Demonstrations) -> Architecture:
    return Architecture(data.camera, data.pictures.shape[1], data.states.shape[1], data.actions.shape[1])


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


def _begun(begin: str | Path, data: Demonstrations) -> tuple[Architecture, VisuomotorNet]:
    wanted = _architecture(data)
    architecture, network = load_checkpoint(begin)
    for what in ("camera", "size", "state_dim", "action_dim"):
        own, theirs = getattr(architecture, what), getattr(wanted, what)
        if own != theirs:
            raise PolicyError(f"The network in '{begin}' has {what} {own}, the demonstrations have {theirs}.")
    return architecture, network.train()


def weights_digest(checkpoint: str | Path) -> str:
    """SHA-256 of a checkpoint's weights.

    Raises:
        CheckpointError: There are none.
    """
    file = Path(checkpoint) / WEIGHTS
    if not file.is_file():
        raise CheckpointError(f"There is no checkpoint to begin from in '{checkpoint}': it has no {WEIGHTS}.")
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _loss(answer: tuple[Tensor, Tensor], wanted: Tensor) -> Tensor:
    arm, grip = answer
    moved = nn.functional.smooth_l1_loss(arm, wanted[:, :-1], beta=0.1)
    gripped = nn.functional.binary_cross_entropy_with_logits(grip, (wanted[:, -1] > 0).float())
    return moved + 0.1 * gripped


def digest_of(data: Demonstrations) -> str:
    """SHA-256 of what is learned from: pictures, states and actions. A checkpoint's configuration has it."""
    digest = hashlib.sha256()
    for array in (data.pictures, data.states, data.actions):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
