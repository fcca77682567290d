"""Made-up policies: response surfaces over a variation space, to develop and to test strategies on without a simulator.

Each factor hurts on one side of nominal from some threshold on, some factors not at all; two harms add up. The probe's
features follow the visible harm with an error, and know nothing of what no picture shows.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from faultfield.field.probe import FEATURES
from faultfield.search.grid import GridSearch
from faultfield.search.sobol import SobolSearch
from faultfield.variations import Categorical, Color, Continuous, Variation, VariationSpace
from table import Row, TruthTable


def made_up_space() -> VariationSpace:
    """Six factors of all kinds, one of which no picture shows."""
    return VariationSpace(
        [
            Color("cup_color", "Change the cup color to {}."),
            Color("table_color", "Change the table color to {}."),
            Continuous("light", "Set the light to {}.", low=0.0, high=2.0, nominal=1.0, percent=True),
            Continuous("camera", "Shift the camera by {}.", low=-0.1, high=0.1, size=3, unit="m"),
            Categorical("texture", "Cover the table with {}.", choices=("wood", "cork", "steel", "felt")),
            Continuous("mass", "Scale the mass by {}.", low=0.2, high=3.0, nominal=1.0, visible=False),
        ]
    )


def dense(space: VariationSpace, count: int, seed: int = 0) -> list[Variation]:
    """`count` variations for a truth table, none nominal: single factors and pairs in equal shares.

    Half of the single ones are a grid (every category, the ends of every range), the rest a Sobol sequence.
    """
    grid = GridSearch(space, seed, values=5, order=1).ask(count // 4)
    singles = dict.fromkeys(v for v in grid if space.encode(v).tolist() != space.encode(space.nominal).tolist())
    alone = SobolSearch(space, seed, order=1)
    while len(singles) < count - count // 2:
        singles.setdefault(alone.ask(1)[0])
    pairs: dict[Variation, None] = {}
    together = SobolSearch(space, seed + 1, order=2)
    while len(pairs) < count // 2:
        pairs.update(dict.fromkeys(v for v in together.ask(1) if len(v) == 2))
    return [*singles, *pairs]


def surface(
    space: VariationSpace, *, rows: int = 600, share: float = 0.1, episodes: int = 30, error: float = 1.0, seed: int = 0
) -> TruthTable:
    """The truth table of a made-up policy.

    Args:
        space: Its factors; those that are not visible stay hidden from the features.
        rows: How many variations.
        share: Of them that fail in at least half of their episodes, about.
        episodes: Of each.
        error: Deviation of the features' error, on the logit scale.
        seed: Of everything.
    """
    rng = np.random.default_rng(seed)
    variations = dense(space, rows, seed)
    seen, hidden = np.zeros(rows), np.zeros(rows)
    for factor in space:
        directions = rng.normal(size=(2, factor.dim))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        threshold, strength = rng.uniform(0.0, 0.8), rng.choice([0.0, 4.0, 8.0, 12.0])
        moved = np.array([factor.encode(v.get(factor.name)) - factor.encode(None) for v in variations])
        harm = strength * np.maximum((moved @ directions.T).max(axis=1) - threshold, 0.0)
        (seen if factor.visible else hidden)[:] += harm
    total = seen + hidden
    # Shifting all of them alike keeps the shapes and sets how much fails.
    logits = total - max(float(np.quantile(total, 1.0 - share)), 2.0)
    failed = rng.uniform(size=(rows, episodes)) < expit(1.5 * logits)[:, None]
    features = _features(seen, error, rng)
    return TruthTable(
        "made-up", "made-up", (1, 100),
        tuple(Row(v, tuple(bool(f) for f in failed[i]), features[i]) for i, v in enumerate(variations)), {"seed": seed},
    )  # fmt: skip


def _features(seen: NDArray[np.float64], error: float, rng: np.random.Generator) -> NDArray[np.float64]:
    features = 0.1 * rng.normal(size=(len(seen), len(FEATURES)))
    size = np.maximum(0.4 * seen + 0.4 * error * rng.normal(size=len(seen)) * (seen > 0), 0.0)
    for name in ("near", "close", "grasp"):
        features[:, FEATURES.index(name)] = size
    return features
