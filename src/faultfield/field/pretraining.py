"""Training the pocket encoder: pictures and sentences that belong together, and the values that both tell of."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from faultfield import files
from faultfield.errors import CheckpointError
from faultfield.field.card import Measured, card, measure
from faultfield.field.pocket_clip import PocketClip, PocketSize
from faultfield.field.scenes import BuildsEnv, Scenes, draw_variation, render_many
from faultfield.field.tokenizer import Tokenizer
from faultfield.field.wording import paraphrase, wordings
from faultfield.variations import VariationSpace

Progress = Callable[[str, int, int], None]
"""Called with the stage (`scenes`, `steps`, `reading`), how much is done, and of how much."""

_BATCH = 128
_TEXTS = 32
"""Sentences a step without a picture: they cost little, and say what no picture shows."""

_READING = 2
"""Steps of the text tower alone, for each step of both."""

_READ_VALUES = 3.0
"""Weight of the values against the contrast while the text tower trains alone."""

_LR = 1.5e-3
_WARM_UP = 0.05
_WEIGHT_DECAY = 0.05
_NOISE = 3.0
"""Standard deviation of the noise on pictures, in grey levels of 255."""

_HELD_OUT = 480
_STATISTICS = 4000
"""Variations drawn to standardise the values that the towers learn to tell."""

_EVERY = 50
"""Steps between checkpoints."""


def pretrain(
    spec: BuildsEnv,
    out: str | Path,
    scenes: int = 12_000,
    steps: int = 600,
    seed: int = 0,
    workers: int = 1,
    on_progress: Progress | None = None,
    work: str | Path | None = None,
    size: PocketSize | None = None,
) -> Measured:
    """Render scenes, train both towers on them, measure them on scenes of other seeds, and save them with a card.

    A run that was killed goes on from its files in `work` when called again with the same arguments.

    Args:
        spec: What builds the environment.
        out: Directory of the encoder.
        scenes: Pictures to train on.
        steps: Gradient steps of both towers; the text tower then takes twice as many alone.
        seed: Of scenes, initial weights and batches.
        workers: Processes that render.
        on_progress: Told what is done.
        work: Where scenes and checkpoints lie; `<out>.work` when None. It may be deleted afterwards.
        size: How large the towers are.

    Raises:
        EnvError: The environment has no picture.
        CheckpointError: Files in `work` are damaged or of another run.
    """
    out, tell = Path(out), on_progress or (lambda *_: None)
    work = Path(f"{out}.work") if work is None else Path(work)
    held_out = render_many(spec, work, _HELD_OUT, seed + 1, workers)
    data = render_many(spec, work, scenes, seed, workers, lambda done, total: tell("scenes", done, total))
    model = _new_model(data.space, size or PocketSize(), seed)
    run = {"scenes": scenes, "steps": steps, "seed": seed, "words": len(model.text.tokenizer)}
    _descend(model, _together(model, data, steps, seed, work), run, tell)
    _descend(model, _reading(model, data, _READING * steps, seed, work), run, tell)
    measured = measure(model, held_out)
    model.save(out)
    files.write_text(out / "README.md", card(model, data.space, run, measured))
    return measured


def contrast_scenes(similarity: Tensor, keys: Sequence[str], temperature: Tensor) -> Tensor:
    """InfoNCE both ways (Radford et al. 2021); scenes of the same variation are no counter-examples of each other.

    Args:
        similarity: Cosines (n, n) of pictures and sentences.
        keys: The variation of each row.
        temperature: Logarithm of the factor on the cosines.
    """
    place = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    index = torch.tensor([place[key] for key in keys])
    same = (index[:, None] == index[None, :]) & ~torch.eye(len(keys), dtype=torch.bool)
    logits = (similarity * temperature.clamp(max=math.log(100.0)).exp()).masked_fill(same, -1e4)
    target = torch.arange(len(keys))
    entropy = torch.nn.functional.cross_entropy
    return 0.5 * (entropy(logits, target) + entropy(logits.T, target))


def _new_model(space: VariationSpace, size: PocketSize, seed: int) -> PocketClip:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = PocketClip(size, Tokenizer.of(wordings(space)), space.dim)
    rng = np.random.default_rng((seed, 0))
    codes = space.encode_many([draw_variation(space, rng) for _ in range(_STATISTICS)])
    model.values_mean.copy_(torch.from_numpy(codes.mean(axis=0)))
    model.values_scale.copy_(torch.from_numpy(codes.std(axis=0).clip(min=1e-2)))
    return model


@dataclass(frozen=True)
class _Stage:
    """One descent: what is trained, on which loss, how long, and where its checkpoints lie."""

    name: str
    parameters: list[nn.Parameter]
    loss: Callable[[np.random.Generator], Tensor]
    steps: int
    seed: tuple[int, int]
    path: Path


def _together(model: PocketClip, data: Scenes, steps: int, seed: int, work: Path) -> _Stage:
    """Both towers at once."""
    weights = _weights(data.space)

    def loss(rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(data), size=min(_BATCH, len(data)), replace=False)
        noise = _NOISE * torch.from_numpy(rng.standard_normal(data.pictures[rows].shape, dtype=np.float32))
        pictures = model.vision(torch.from_numpy(data.pictures[rows]).float() + noise)
        alike, said, codes = _sentences(model, data, pictures, rows, weights["all"], _TEXTS, rng)
        return alike + said + _squares(model.vision_values(pictures), codes[: len(rows)], weights["visible"])

    return _Stage("steps", list(model.parameters()), loss, steps, (seed, 1), work / "checkpoint.safetensors")


def _reading(model: PocketClip, data: Scenes, steps: int, seed: int, work: Path) -> _Stage:
    """The text tower alone, the pictures' vectors locked (Zhai et al. 2022).

    A step costs a third, and it takes many steps to learn to read numbers.
    """
    weights = _weights(data.space)["all"]
    pictures = torch.from_numpy(model.encoder().encode_pictures(data.pictures))

    def loss(rng: np.random.Generator) -> Tensor:
        rows = rng.choice(len(data), size=min(_BATCH, len(data)), replace=False)
        alike, said, _ = _sentences(model, data, pictures[rows], rows, weights, 2 * _TEXTS, rng)
        return alike + _READ_VALUES * said

    reader = [*model.text.parameters(), *model.text_shared.parameters(), *model.text_values.parameters()]
    return _Stage("reading", reader, loss, steps, (seed, 2), work / "reading.safetensors")


def _descend(model: PocketClip, stage: _Stage, run: Mapping[str, int], tell: Progress) -> None:
    optimizer = torch.optim.AdamW(stage.parameters, lr=_LR, weight_decay=_WEIGHT_DECAY)
    first = _resume(model, optimizer, stage.path, run)
    model.train(stage.name == "steps")
    for step in range(first, stage.steps):
        for group in optimizer.param_groups:
            group["lr"] = _LR * _schedule(step / stage.steps)
        loss = stage.loss(np.random.default_rng((*stage.seed, step)))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tell(stage.name, step + 1, stage.steps)
        if (step + 1) % _EVERY == 0 or step + 1 == stage.steps:
            _checkpoint(model, optimizer, stage.path, run, step + 1)
    model.eval()


def _sentences(
    model: PocketClip,
    data: Scenes,
    pictures: Tensor,
    rows: NDArray[np.int64],
    weights: Tensor,
    extra: int,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Contrast of pictures and sentences; how far values are off that sentences tell; the true values."""
    shown = [data.variations[i] for i in rows]
    told = [*shown, *(draw_variation(data.space, rng) for _ in range(extra))]
    texts = model.text(**model.text.tokenize([paraphrase(data.space, v, rng) for v in told]))
    codes = (torch.from_numpy(data.space.encode_many(told)).float() - model.values_mean) / model.values_scale
    similarity = model.similarity(pictures, texts[: len(rows)])
    alike = contrast_scenes(similarity, [v.key for v in shown], model.temperature)
    return alike, _squares(model.text_values(texts), codes, weights), codes


def _squares(predicted: Tensor, codes: Tensor, weights: Tensor) -> Tensor:
    return ((predicted - codes).square() * weights).sum(dim=1).mean()


def _weights(space: VariationSpace) -> dict[str, Tensor]:
    """Every factor counts alike, however many numbers it has; all together weigh one."""
    visible = [factor.visible for factor in space for _ in range(factor.dim)]
    share = torch.tensor([1.0 / factor.dim for factor in space for _ in range(factor.dim)])
    seen = share * torch.tensor(visible)
    return {"all": share / share.sum(), "visible": seen / seen.sum()}


def _schedule(done: float) -> float:
    return done / _WARM_UP if done < _WARM_UP else 0.5 * (1 + math.cos(math.pi * (done - _WARM_UP) / (1 - _WARM_UP)))


def _checkpoint(
    model: PocketClip, optimizer: torch.optim.Optimizer, path: Path, run: Mapping[str, int], step: int
) -> None:
    tensors = {f"model.{key}": value for key, value in model.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    content = save({k: v.detach().contiguous().clone() for k, v in tensors.items()},
                   {"run": json.dumps(dict(run)), "step": str(step)})  # fmt: skip
    files.write_bytes(path, content)


def _resume(model: PocketClip, optimizer: torch.optim.AdamW, path: Path, run: Mapping[str, int]) -> int:
    """Load the last checkpoint, if there is one; the number of steps that it had done."""
    if not path.exists():
        return 0
    try:
        with safe_open(path, framework="pt") as content:
            about = content.metadata() or {}
            tensors = {key: content.get_tensor(key) for key in content.keys()}  # noqa: SIM118
        if json.loads(about["run"]) != dict(run):
            raise CheckpointError(f"{path} is of a run with other settings; delete it or choose another directory.")
        model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("optimizer."):
                _, index, name = key.split(".", 2)
                slots.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
        return int(about["step"])
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(f"{path} is damaged or of another run; delete it to start over.") from error
