"""How well a pocket encoder sees and reads, and the card that says so."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from faultfield.field.pocket_clip import PocketClip
from faultfield.field.scenes import Scenes
from faultfield.variations import VariationSpace

_CROWD = 100
"""Sentences among which a picture must find its own."""


@dataclass(frozen=True)
class Measured:
    """On scenes that were not trained on.

    Attributes:
        first: Share of pictures whose own sentence is the nearest of a hundred.
        five: Share of pictures whose own sentence is among the five nearest of a hundred.
        pictures: How many pictures were asked for.
        seen: R² by factor, told from the picture (invisible factors left out).
        said: R² by factor, told from the sentence.
    """

    first: float
    five: float
    pictures: int
    seen: Mapping[str, float]
    said: Mapping[str, float]


def measure(model: PocketClip, scenes: Scenes, crowd: int = _CROWD) -> Measured:
    """Retrieval among `crowd` sentences, and how much of each factor's variance both towers tell.

    Retrieval leaves out the nominal scene and repeated variations, whose sentences are the same.
    """
    encoder = model.encoder()
    texts = [variation.text for variation in scenes.variations]
    pictures = torch.from_numpy(encoder.encode_pictures(scenes.pictures))
    sentences = torch.from_numpy(encoder.encode_texts(texts))
    first: dict[str, int] = {}
    for i, variation in enumerate(scenes.variations):
        if not variation.is_nominal:
            first.setdefault(variation.key, i)
    rows = list(first.values())
    crowd = min(crowd, len(rows))
    ranks: list[int] = []
    with torch.inference_mode():
        for start in range(0, len(rows) - crowd + 1, crowd):
            chosen = rows[start : start + crowd]
            similarity = model.similarity(pictures[chosen], sentences[chosen])
            ranks += (similarity > similarity.diagonal()[:, None]).sum(dim=1).tolist()
        scale, mean = model.values_scale, model.values_mean
        seen = (model.vision_values(pictures) * scale + mean).numpy()
        said = (model.text_values(sentences) * scale + mean).numpy()
    codes = scenes.space.encode_many(scenes.variations)
    return Measured(
        float(np.mean(np.array(ranks) == 0)),
        float(np.mean(np.array(ranks) < 5)),
        len(ranks),
        _explained(scenes.space, codes, seen, visible_only=True),
        _explained(scenes.space, codes, said, visible_only=False),
    )


def card(model: PocketClip, space: VariationSpace, run: Mapping[str, int], measured: Measured) -> str:
    """The encoder's card, in Markdown: data, recipe, what was measured."""
    count = {name: sum(p.numel() for p in part.parameters()) / 1e6
             for name, part in (("all", model), ("vision", model.vision), ("text", model.text))}  # fmt: skip
    cells = [(f.name, _cell(measured.seen, f.name), _cell(measured.said, f.name)) for f in space]
    return _CARD.format(
        vision=count["vision"], text=count["text"], all=count["all"], size=model.size, factors=len(space.factors),
        crowd=_CROWD, measured=measured, rows="\n".join(f"| `{a}` | {b} | {c} |" for a, b, c in cells), **run,
    )  # fmt: skip


_CARD = """# Pocket CLIP

A small image tower and a small text tower, trained together on rendered scenes and the sentences that say
what was changed in them. Faultfield's default encoder: it needs no download and no graphics card.

- **Towers**: {vision:.2f} M parameters for pictures ({size.side}² RGB to {size.picture_dim} numbers), {text:.2f} M for
  sentences (to {size.text_dim} numbers); {all:.2f} M with the training heads.
- **Data**: {scenes:,} scenes rendered from {factors} factors, 0 to 3 of them changed at once, colours half by
  name and half by number, the objects placed at random, the arm moved in half of them. No rollouts, no
  outcomes, no policy.
- **Recipe**: contrastive loss between pictures and reworded sentences, and regression of every factor's
  values from both, {steps:,} steps of 128 scenes; then twice as many steps of the text tower alone, the pictures'
  vectors locked; seed {seed}.
- **Remake it**: `faultfield field pretrain --out models/pocket-clip --scenes {scenes} --steps {steps} --seed {seed}`.
  Killed and started again, it goes on where it was.

## Measured on scenes of other seeds

A picture finds its own sentence among {crowd} in {measured.first:.0%} of {measured.pictures} cases, and among its five
nearest in {measured.five:.0%}; chance is 1% and 5%.

Share of each factor's variance (R²) that is told from the picture and from the sentence:

| factor | picture | sentence |
|---|---|---|
{rows}

A picture cannot tell everything apart: a table's colour under a coloured light, a large cube from a near
one, a table that has left the camera's view.
"""


def _explained(
    space: VariationSpace, codes: NDArray[np.float64], told: NDArray[np.float32], visible_only: bool
) -> dict[str, float]:
    """R² by factor, over all its numbers together; factors that never changed are left out."""
    result, start = {}, 0
    for factor in space:
        part = slice(start, start + factor.dim)
        start += factor.dim
        spread = float(((codes[:, part] - codes[:, part].mean(axis=0)) ** 2).sum())
        if spread > 0 and (factor.visible or not visible_only):
            result[factor.name] = 1.0 - float(((codes[:, part] - told[:, part]) ** 2).sum()) / spread
    return result


def _cell(values: Mapping[str, float], name: str) -> str:
    return f"{values[name]:.2f}" if name in values else "–"
