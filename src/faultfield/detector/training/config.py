"""Every number of the training, the paper's and ours."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from faultfield.detector.settings import read_settings
from faultfield.errors import DetectorError

Method = Literal["armor", "sft-d", "sft-s+d", "captions"]
"""ARMOR's three phases; plain fine-tuning on dense samples alone or on all (ARMOR, B.2); or captions before either."""


@dataclass(frozen=True)
class LoraConfig:
    """Low-rank adapters on the language model's linear layers, by peft; the head is trained whole.

    Attributes:
        rank: Of the adapters.
        alpha: Their scale is alpha / rank.
        dropout: On their input.
        targets: Names of the layers that get one, in every decoder layer.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1 or not self.targets:
            raise DetectorError(
                "Adapters have a rank and an alpha from 1 on, a dropout of 0 or more and below 1, and layers to adapt."
            )


@dataclass(frozen=True)
class TrainingConfig:
    """How a detector is trained; the defaults are the pocket model's, `paper()` gives Table 5's.

    Attributes:
        method: What is trained.
        warm_up_epochs: Passes over all samples, conditioned on nothing (Algorithm 1, line 1), or of captions. Plain
            fine-tuning has no phases, and passes over its samples as often as the three have passes together (B.2).
        conditioned_epochs: Passes over dense samples, conditioned on the annotation (line 2).
        online_epochs: Passes over all samples, conditioned on the model's own answers (lines 3–10).
        rounds: T, how often the model answers in the online phase.
        batch: Samples in one gradient step, over all processes.
        micro_batch: Samples that one process passes through the model at once; None for all of its share.
        dense_share: Share of dense samples in a batch; None leaves it to the data.
        balanced: Whether a batch holds as many failures as successes.
        lr: Learning rate of language model and head.
        online_rate: Share of the learning rates that the online phase rises to after others: at the full ones a small
            model forgets what it could say before it learns from its own answers.
        vision_lr: Learning rate of the vision tower.
        weight_decay: AdamW's, on matrices alone.
        warm_up: Share of the steps over which the learning rates rise; then they fall as a cosine. Once for the offline
            phases, once for the online phase.
        clip: Largest norm of the gradient.
        reason_weight: Of the next-token loss against the cross-entropy of the detection.
        temperature: Of the model's own answers in the online phase.
        max_reason: Tokens that such a reason may have.
        rename: Share of the failures with a reason in which what is handled has another name, in the instruction and in
            the reason (`renaming`): so that a small model reads names and does not learn them by heart.
        freeze_vision: Whether the vision tower stays as it is; then each sample's picture is encoded once.
        lora: Adapters in place of all weights of the language model.
        bf16: Whether to compute in bfloat16.
        checkpointing: Whether to recompute activations in the backward pass instead of keeping them.
        seed: Of the order of samples, dropout, masks and samples of the model.
        save_every: Gradient steps between checkpoints.
    """

    method: Method = "armor"
    warm_up_epochs: float = 7.5
    conditioned_epochs: float = 1.0
    online_epochs: float = 0.5
    rounds: int = 3
    batch: int = 8
    micro_batch: int | None = None
    dense_share: float | None = 0.75
    balanced: bool = True
    lr: float = 7e-4
    online_rate: float = 0.25
    vision_lr: float = 2e-4
    weight_decay: float = 0.1
    warm_up: float = 0.03
    clip: float = 1.0
    reason_weight: float = 2.0
    temperature: float = 0.7
    max_reason: int = 40
    rename: float = 0.5
    freeze_vision: bool = True
    lora: LoraConfig | None = None
    bf16: bool = False
    checkpointing: bool = False
    seed: int = 0
    save_every: int = 100

    @classmethod
    def paper(cls, videos: bool = False) -> "TrainingConfig":
        """ARMOR's Table 5, and its loss, in which both tasks weigh the same (Algorithm 1).

        Its three offline epochs are two of warm-up and one on the annotation: the paper gives only their sum.

        Args:
            videos: Whether samples are videos (batch 16) and not collages (batch 64).
        """
        return cls(
            warm_up_epochs=2.0,
            conditioned_epochs=1.0,
            online_epochs=10.0,
            rounds=3,
            batch=16 if videos else 64,
            dense_share=None,
            balanced=False,
            lr=1e-5,
            online_rate=1.0,
            vision_lr=2e-6,
            max_reason=128,
            rename=0.0,
            reason_weight=1.0,
            freeze_vision=False,
            bf16=True,
            checkpointing=True,
        )

    def __post_init__(self) -> None:
        least = {"weight_decay": self.weight_decay, "vision_lr": self.vision_lr, "reason_weight": self.reason_weight,
                 "temperature": self.temperature, "warm_up": self.warm_up}  # fmt: skip
        if wrong := [name for name, value in least.items() if not 0 <= value < math.inf]:
            raise DetectorError(f"The training setting '{wrong[0]}' is a number from 0 on, not {least[wrong[0]]}.")
        if not (0 < self.lr < math.inf and self.clip > 0):
            raise DetectorError(f"Learning rate and clip are numbers above 0, not {self.lr} and {self.clip}.")
        if self.warm_up > 1 or self.max_reason < 1:
            raise DetectorError("The share of warm-up is at most 1, and a reason may have one token or more.")
        if self.batch < 1 or self.rounds < 1 or (self.micro_batch or 1) < 1 or self.save_every < 1:
            raise DetectorError("Batches, rounds and the steps between checkpoints are whole numbers from 1 on.")
        if not all(0 <= each < math.inf for each in self.epochs) or max(self.epochs) == 0:
            raise DetectorError("Training needs a phase of more than 0 epochs, and none of less or without end.")
        if not 0 <= self.rename <= 1:
            raise DetectorError(f"The share of renamed samples is 0 to 1, not {self.rename}.")
        if not 0 < self.online_rate <= 1:
            raise DetectorError(f"The online share of the rate is above 0 and at most 1, not {self.online_rate}.")
        if self.dense_share is not None and not 0 < self.dense_share <= 1:
            raise DetectorError(
                f"The share of dense samples in a batch is above 0 and at most 1, not {self.dense_share}."
            )

    @property
    def epochs(self) -> tuple[float, float, float]:
        """Of the three phases in their order."""
        return (self.warm_up_epochs, self.conditioned_epochs, self.online_epochs)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def decisive(self) -> dict[str, Any]:
        """What decides what is learned: how often that is saved does not."""
        return {name: value for name, value in asdict(self).items() if name != "save_every"}

    def updated(self, values: Mapping[str, Any]) -> "TrainingConfig":
        """The same with other values for some settings; those of `lora` over its defaults.

        Raises:
            DetectorError: An unknown setting, or a value that it cannot have.
        """
        lora = values.get("lora", self.lora)
        if isinstance(lora, Mapping):
            lora = read_settings(LoraConfig, lora, "setting of adapters")
        plain = {**self.to_json(), **values, "lora": asdict(lora) if isinstance(lora, LoraConfig) else lora}
        return read_settings(TrainingConfig, plain, "training setting")
