"""Who is compared in ARMOR's Tables 1, 2 and 7: how each is trained, on what, and how it is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

TRAINING = ("train-sparse", "train-dense", "train-transfer")
TRANSFER = ("train-sparse", "train-transfer")
TRANSFERRED = (1, 0.5, 0.25, 0.1, 0.05, 0.025)
"""Shares of the other workspace's dense samples, in Table 7; the last is near the paper's ratio of 30."""
TESTED = {"test-seen": "seen tasks", "test-unseen": "unseen tasks", "test-transfer": "other workspace"}
"""The test splits in words."""

TESTS = tuple(TESTED)


@dataclass(frozen=True)
class Variant:
    """A way to train and to ask.

    Attributes:
        shares: Of the steps that the phases of Algorithm 1 have; None leaves it to the training's settings.
        method: As in the training's settings; `none` is not trained at all.
        rounds: How often it answers at most.
        samples: How many answers it gives side by side, of which the surest counts.
        splits: What it is trained on.
        dense: Share of the other workspace's dense samples that it has.
        told: Share of the dense samples whose reasons it has; of the others the verdict alone.
        like: Another variant that is trained just so, whose weights it takes.
        agreeing: Whether answers that contradict themselves count as unsure: ours, beyond the paper's Algorithm 2.
        temperature: Of the answers; 0 takes the likeliest words, as plain fine-tuning is asked.
        hunch: Whether the eyes judge and say how a reason begins: ours, beyond the paper. Plain fine-tuning, whose eyes
            learn nothing of the kind, is lent those that `armor` has.
    """

    shares: tuple[float, float, float] | None = None
    method: str = "armor"
    rounds: int = 4
    samples: int = 3
    splits: tuple[str, ...] = TRAINING
    dense: float = 1.0
    told: float = 1.0
    like: str | None = None
    agreeing: bool = False
    temperature: float = 0.7
    hunch: bool = False


METHODS: Mapping[str, Variant] = {
    "zero-shot": Variant(method="none"),
    "sft-d": Variant((1, 0, 0), method="sft-d"),
    "sft-s+d": Variant((1, 0, 0), method="sft-s+d"),
    "sft-d, by sight": Variant((1, 0, 0), method="sft-d", like="sft-d", hunch=True),
    "sft-s+d, by sight": Variant((1, 0, 0), method="sft-s+d", like="sft-s+d", hunch=True),
    "armor": Variant(),
    "armor, agreeing": Variant(like="armor", agreeing=True),
    "armor, likeliest": Variant(like="armor", samples=1, temperature=0.0),
    "armor, likeliest at once": Variant(like="armor", rounds=1, samples=1, temperature=0.0),
    "armor, by sight": Variant(like="armor", hunch=True),
    "armor, by sight, likeliest": Variant(like="armor", samples=1, temperature=0.0, hunch=True),
    "multitask prediction": Variant((1, 0, 0), rounds=1, samples=1),
    "refinement only": Variant((1, 0, 0), like="multitask prediction"),
    "offline imitation": Variant((0.66, 0.34, 0)),
    "online imitation only": Variant((0, 0, 1 / 3)),
    "multitask prediction, a third of the steps": Variant((1 / 3, 0, 0), rounds=1, samples=1),
}
"""Those of Tables 1 and 2; without the online phase, the two others keep their proportion. The last has as many steps
as the online phase alone."""

TRAINED = ("sft-d", "sft-s+d", "armor")
ABLATED = ("multitask prediction", "offline imitation", "online imitation only")
BY_SIGHT = "by sight, likeliest"


def of_dense(share: float) -> str:
    """How a share of the other workspace's dense samples is called.

    Example:
        >>> of_dense(0.25), of_dense(0.025)
        ('transfer, 25% of the dense', 'transfer, 2.5% of the dense')
    """
    return f"transfer, {100 * share:g}% of the dense"


def by_sight(name: str, trained: Variant) -> dict[str, Variant]:
    """What was trained so, asked as `explain` asks: the eyes judge, and the likeliest words are taken."""
    return {f"{name}, {BY_SIGHT}": replace(trained, like=name, samples=1, rounds=4, temperature=0.0, hunch=True)}


BASE: Mapping[str, Variant] = METHODS | {
    key: variant for name in ABLATED for key, variant in by_sight(name, METHODS[name]).items()
}
"""... and Table 2's trainings asked as ours is."""

VARIANTS = (
    BASE
    | {
        f"{name}, {share:.0%} of the reasons": replace(BASE[name], told=share)
        for share in (0.25, 0.1)
        for name in (*TRAINED, *ABLATED)
    }
    | {
        f"{name}, {of_dense(share)}": replace(BASE[name], splits=TRANSFER, dense=share)
        for share in TRANSFERRED
        for name in TRAINED
    }
    | {
        key: variant
        for share in (0.25, 0.1)
        for key, variant in by_sight(f"armor, {share:.0%} of the reasons", replace(BASE["armor"], told=share)).items()
    }
    | {
        key: variant
        for share in TRANSFERRED
        for key, variant in by_sight(
            f"armor, {of_dense(share)}", replace(BASE["armor"], splits=TRANSFER, dense=share)
        ).items()
    }
)
"""And many verdicts with few reasons, as the paper's data are; and its transfer setting, verdicts alone from one
workspace, reasons from another (Table 7)."""
