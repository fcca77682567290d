"""A small study on the toy environment: real rollouts of known variations, and views of any."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from faultfield.field.views import Views
from faultfield.rollouts.episode import Episode
from faultfield.rollouts.runner import rollout
from faultfield.rollouts.states import StateBank
from faultfield.variations import NOMINAL, Variation
from tests.toy import PointPolicy, PointReach

KNOWN = [
    {},
    *(
        {"goal_color": c}
        for c in ("red", "green", "blue", "orange", "white", "black", [0.9, 0.2, 0.2], [0.7, 0.2, 0.2])
    ),
    *({"brightness": b} for b in (0.2, 0.35, 0.45, 0.6, 0.8)),
]
UNSEEN = [
    *({"goal_color": c} for c in ("crimson", "cyan", "tomato", "gray", "magenta", [0.8, 0.1, 0.1])),
    *({"brightness": b} for b in (0.15, 0.3, 0.4, 0.5, 0.9)),
]


@dataclass(frozen=True)
class ToyStudy:
    """Known episodes, views, and unseen variations with their exact failure rates."""

    episodes: Sequence[Episode]
    views: Views
    unseen: Sequence[Variation]
    rates: NDArray[np.float64]


class PixelEncoder:
    """Mean colours of a coarse grid as features, letter counts as a text's: enough for the toy, and nothing to load."""

    name, picture_dim, text_dim, fingerprint = "pixels", 48, 26, "0" * 16

    def encode_pictures(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        n, height, width, _ = pictures.shape
        cells = pictures.reshape(n, 4, height // 4, 4, width // 4, 3).max(axis=(2, 4))
        return (cells.reshape(n, 48) / 255).astype(np.float32)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts]
        return np.asarray(rows, dtype=np.float32).reshape(-1, 26)


def rolled_out(variations: Sequence[Variation], seeds: range, keep: bool = False) -> list[Episode]:
    """Episodes of the toy's policy."""
    env, policy = PointReach(), PointPolicy()
    return [
        rollout(env, policy, v, seed, policy_id="p" * 16, env_id="e" * 16, stage="known", keep_trajectory=keep)
        for v in variations
        for seed in seeds
    ]


@pytest.fixture(scope="session")
def toy() -> ToyStudy:
    env, policy = PointReach(), PointPolicy()
    space = env.variation_space
    episodes = rolled_out([space.variation(values) for values in KNOWN], range(8))
    states = StateBank.choose(rolled_out([NOMINAL], range(6), keep=True))
    unseen = [space.variation(values) for values in UNSEEN]
    return ToyStudy(episodes, Views(env, states, policy), unseen, np.array([policy.failure_rate(v) for v in unseen]))


@pytest.fixture(scope="session")
def windy(toy: ToyStudy) -> list[Episode]:
    """The toy's episodes, and some under a wind that no picture shows."""
    space = toy.views.space
    winds = [space.variation({"wind": w}) for w in (0.3, 0.6, 0.9, 1.2, 1.5, 1.8)]
    return [*toy.episodes, *rolled_out(winds, range(8))]
