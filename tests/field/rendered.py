"""Episodes with real (if small) pictures, whose outcomes follow from what can be seen, for tests of the field."""

from collections.abc import Sequence

import numpy as np

from faultfield.field.encoders import TowerEncoder
from faultfield.field.model import FieldData
from faultfield.field.pocket_clip import PocketClip, PocketSize
from faultfield.field.tokenizer import Tokenizer
from faultfield.field.wording import wordings
from faultfield.variations import Variation
from tests.toy import CAMERA, PointReach

SMALL = PocketSize(side=32, channels=(8, 16), picture_dim=32, text_dim=16, layers=1, shared_dim=16)


def small_clip(seed: int = 0) -> PocketClip:
    import torch

    torch.manual_seed(seed)
    space = PointReach().variation_space
    return PocketClip(SMALL, Tokenizer.of(wordings(space)), space.dim).eval()


def small_encoder(seed: int = 0) -> TowerEncoder:
    return small_clip(seed).encoder()


def known_variations() -> list[Variation]:
    space = PointReach().variation_space
    colors = ("red", "darkred", "orange", "pink", "green", "blue", "cyan", "gray")
    return [
        *(space.variation({"goal_color": c}) for c in colors),
        *(space.variation({"brightness": b}) for b in (0.2, 0.9)),
    ]


def fails(variation: Variation) -> bool:
    """A rule that a picture shows: everything but a red disc in a bright picture fails."""
    dark = float(variation.get("brightness", 1.0)) < 0.5  # type: ignore[arg-type]
    return dark or variation.get("goal_color", "red") in ("green", "blue", "cyan", "gray")


def episodes(variations: Sequence[Variation], each: int, seed: int = 0) -> FieldData:
    env = PointReach()
    pictures, texts, failed, groups = [], [], [], []
    for group, variation in enumerate(variations):
        for i in range(each):
            observation, _ = env.reset(seed=1000 * seed + i, options={"variation": variation})
            pictures.append(observation[CAMERA])
            texts.append(variation.text)
            failed.append(float(fails(variation)))
            groups.append(group)
    return FieldData(np.stack(pictures), texts, np.array(failed, dtype=np.float32), np.array(groups))
