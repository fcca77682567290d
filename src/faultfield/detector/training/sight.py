"""Teaching a small vision tower to see before it is asked anything: what the simulator knows, read from its tokens.

A small model that is trained on pictures and sentences from nothing learns the sentences and never looks. Positions,
openings and contacts are free labels by the thousand, and a tower whose tokens tell them has something to look at.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from faultfield.detector.gaze import STORY, Gaze
from faultfield.detector.metrics import auroc
from faultfield.detector.settings import read_settings
from faultfield.detector.training.checkpoints import Checkpoints
from faultfield.detector.training.sight_data import Patches, SightData
from faultfield.detector.vision import picture_tokens
from faultfield.errors import DetectorError

_HELD_OUT = 0.05
"""Share of the pictures that is never trained on."""


@dataclass(frozen=True)
class SightConfig:
    """How a tower is pretrained.

    Attributes:
        epochs: Passes over the pictures.
        batch: Pictures a step.
        lr: Of AdamW, after a rise over the first 3 % of the steps, falling as a cosine.
        weight_decay: AdamW's.
        hidden: Width of the readout.
        jitter: Largest change of brightness and of each colour channel, a share; 0 shows pictures as they are.
        captions: Passes of the language over the same pictures afterwards, each said in words (`captioning`).
        rename: Share of these captions in which what is handled has another name (`renaming`).
        seed: Of the order, the jitter and the readout.
        save_every: Steps between checkpoints.
    """

    epochs: float = 7.0
    batch: int = 8
    lr: float = 7e-4
    weight_decay: float = 0.05
    hidden: int = 256
    jitter: float = 0.1
    captions: float = 4.0
    rename: float = 0.5
    seed: int = 0
    # Not in the text by which trainings tell eyes apart.
    save_every: int = field(default=200, repr=False)

    def __post_init__(self) -> None:
        least = {"epochs": self.epochs, "weight_decay": self.weight_decay, "jitter": self.jitter,
                 "captions": self.captions}  # fmt: skip
        if wrong := [name for name, value in least.items() if not 0 <= value < math.inf]:
            raise DetectorError(f"The setting of sight '{wrong[0]}' is a number from 0 on, not {least[wrong[0]]}.")
        if not 0 < self.lr < math.inf or min(self.batch, self.hidden, self.save_every) < 1 or not 0 <= self.rename <= 1:
            raise DetectorError(
                "Sight needs a learning rate above 0, whole numbers from 1 on for batch, hidden and save_every, and a "
                "share of renamed captions in 0–1."
            )

    def decisive(self) -> dict[str, Any]:
        """What decides what is learned: how often that is saved does not."""
        return {name: value for name, value in asdict(self).items() if name != "save_every"}

    @classmethod
    def updated(cls, values: Mapping[str, Any]) -> "SightConfig":
        """The defaults with other values for some settings.

        Raises:
            DetectorError: An unknown setting, or one of another type.
        """
        return read_settings(cls, values, "setting of sight")


class Seer(nn.Module):
    """A vision tower and a readout of its tokens."""

    def __init__(self, tower: nn.Module, patches: Patches, gaze: Gaze) -> None:
        super().__init__()
        self.tower, self.patches = tower, patches
        self.readout = gaze.readout
        # Hidden from the module's parameters: what the decoder is told is not learned here.
        self._read = gaze.read

    def forward(self, pictures: Tensor) -> Tensor:
        """What is read from pictures 0–255 (n, height, width, 3): (n, columns, values and flags)."""
        pixels, grid = self.patches(pictures)
        return self._read(picture_tokens(self.tower, pixels, grid))


def gaze_for(data: SightData, patches: Patches, width: int, hidden: int, seed: int) -> Gaze:
    """What can be taught to read such pictures; it knows nothing yet.

    Args:
        data: Pictures and what is known of them.
        patches: How pictures are cut up.
        width: Of a token.
        hidden: Width inside the readout.
        seed: Of its weights.

    Raises:
        DetectorError: The pictures' cells are no whole tokens.
    """
    height, breadth = (side // (patches.patch * patches.merge) for side in data.pictures.shape[1:3])
    if height % data.rows or breadth % data.columns:
        unit = patches.patch * patches.merge
        raise DetectorError(
            f"The pictures' {data.rows} x {data.columns} cells are no whole tokens of {unit} pixels: eyes learn from "
            f"cells of a multiple of that, as 'detector generate --cell {2 * unit}' makes them."
        )
    cell = (height // data.rows, breadth // data.columns)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Gaze(data.rows, data.columns, cell, width, hidden, len(data.value_names), len(data.flag_names), STORY)


def pretrain(
    tower: nn.Module,
    patches: Patches,
    gaze: Gaze,
    data: SightData,
    config: SightConfig,
    accelerator: Any,
    out: str | Path | None = None,
    on_progress: Callable[[str, int, int], None] | None = None,
    begun: Mapping[str, Any] | None = None,
) -> Mapping[str, float]:
    """Pretrain a vision tower and a gaze in place; killed and called again, it goes on where it was.

    Args:
        tower: `model.visual` of a Qwen2.5-VL.
        patches: How pictures are cut up for it.
        gaze: Reads the tower's tokens, and is calibrated to what there is to read.
        data: Pictures and targets; a share is held out.
        config: How.
        accelerator: `accelerate.Accelerator`.
        out: Directory for checkpoints and TensorBoard's events; None keeps nothing.
        on_progress: Told what is done.
        begun: What else a checkpoint must agree in, as JSON can hold it.

    Returns:
        On held-out pictures, by name: the share of variance explained (R²) of each value, the AUROC of each flag.

    Raises:
        DetectorError: Too few pictures, or pictures that cannot be cut up.
        CheckpointError: A checkpoint that is damaged or of another run.
    """
    order = np.random.default_rng([config.seed, 0]).permutation(len(data.pictures))
    held = max(1, int(_HELD_OUT * len(order)))
    rows, kept_out = order[held:], order[:held]
    if len(rows) < 2:
        raise DetectorError(f"Sight needs more than {len(order)} pictures.")
    seer = Seer(tower, patches, gaze)
    optimizer = torch.optim.AdamW(seer.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    wrapped, optimizer = accelerator.prepare(seer, optimizer)
    middle = np.nan_to_num(np.nanmean(data.values[rows], axis=(0, 1)))
    scale = np.maximum(np.nan_to_num(np.nanstd(data.values[rows], axis=(0, 1)), nan=1.0), 1e-6)
    standard = (data.values - middle) / scale
    gaze.calibrate(standard[rows])
    wanted = np.concatenate([standard, data.flags], axis=2).astype(np.float32)
    run = {"sight": config.decisive(), "data": data.digest, **(begun or {})}
    checkpoints = None if out is None else Checkpoints(Path(out), accelerator, run)
    done = checkpoints.resume() if checkpoints else 0
    events = checkpoints.events(done) if checkpoints else None
    size = min(config.batch, len(rows))
    steps = max(1, round(config.epochs * len(rows) / size))
    for step in range(done, steps):
        rng = np.random.default_rng([config.seed, 1, step])
        picked = rng.choice(rows, size=size, replace=False)
        for group in optimizer.param_groups:
            group["lr"] = config.lr * _rate(step, steps)
        wrapped.train()
        pictures = torch.from_numpy(_jitter(data.pictures[picked], config.jitter, rng)).to(accelerator.device)
        read = wrapped(pictures)
        loss = _loss(read, torch.from_numpy(wanted[picked]).to(read.device), len(data.value_names))
        accelerator.backward(loss)
        accelerator.clip_grad_norm_(wrapped.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if events is not None:
            events.add_scalar("sight/loss", float(loss.detach()), step + 1)
        if on_progress is not None:
            on_progress("sight", step + 1, steps)
        if checkpoints and ((step + 1) % config.save_every == 0 or step + 1 == steps):
            checkpoints.save(step + 1)
    if events is not None:
        events.close()
    measured = _measure(wrapped, data, kept_out, wanted, accelerator.device)
    # What it prepared is not part of the training that follows.
    accelerator.free_memory()
    return measured


def _loss(read: Tensor, wanted: Tensor, values: int) -> Tensor:
    """Huber on standardised values plus cross-entropy on flags, each over what is known."""
    known = ~wanted.isnan()
    target = wanted.nan_to_num()
    off = nn.functional.smooth_l1_loss(read[..., :values], target[..., :values], reduction="none", beta=0.5)
    told = nn.functional.binary_cross_entropy_with_logits(read[..., values:], target[..., values:], reduction="none")
    count = known[..., :values].sum().clamp(min=1), known[..., values:].sum().clamp(min=1)
    return (off * known[..., :values]).sum() / count[0] + (told * known[..., values:]).sum() / count[1]


@torch.no_grad()
def _measure(
    seer: nn.Module, data: SightData, rows: NDArray[np.int64], wanted: NDArray[np.float32], device: torch.device
) -> Mapping[str, float]:
    seer.eval()
    chunks = [rows[start : start + 16] for start in range(0, len(rows), 16)]
    read = np.concatenate([seer(torch.from_numpy(data.pictures[c]).to(device)).float().cpu().numpy() for c in chunks])
    truth, values = wanted[rows], len(data.value_names)
    out: dict[str, float] = {}
    for place, name in enumerate((*data.value_names, *data.flag_names)):
        known = ~np.isnan(truth[..., place])
        x, y = read[..., place][known], truth[..., place][known]
        if place >= values:
            out[name] = auroc(x, y > 0.5).value
        else:
            spread = float(((y - y.mean()) ** 2).sum()) if len(y) else 0.0
            out[name] = 1.0 - float(((x - y) ** 2).sum()) / spread if spread else float("nan")
    return out


def _jitter(pictures: NDArray[np.uint8], amount: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    if amount == 0:
        return pictures
    gain = (
        1
        + rng.uniform(-amount, amount, (len(pictures), 1, 1, 1))
        + rng.uniform(-amount, amount, (len(pictures), 1, 1, 3))
    )
    return np.clip(pictures * gain.astype(np.float32), 0, 255).astype(np.uint8)


def _rate(step: int, steps: int) -> float:
    rise = max(1, int(0.03 * steps))
    return (step + 1) / rise if step < rise else 0.5 * (1 + float(np.cos(np.pi * (step - rise) / max(1, steps - rise))))
