"""What a study may say about the field: which encoder, which inputs, which loss, how long."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Bounded

Input = Literal["vision", "text", "probe"]


class Towers(BaseModel):
    """A vision and a text encoder trained by others.

    Attributes:
        vision: `vit_b_16` (torchvision's IMAGENET1K_V1 weights), or a file with the weights of a torchvision vision
            transformer.
        text: `clip` (the text tower of openai/clip-vit-base-patch32), or a folder that transformers can load it from.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    vision: str = "vit_b_16"
    text: str = "clip"


class FieldConfig(BaseModel):
    """Settings of the field (RoboMD, Section 3.2 and Appendix C.4).

    The defaults hold back from overfitting: an embedding of 512 numbers is fitted to a few dozen variations. On
    robosuite Lift, a lighter Eq. 1 than the paper's equal terms estimated variations never tried better, and to choose
    the number of steps on held-out variations did harm: with two dozen of them the choice is mostly noise. `paper()`
    has the plain choices.

    Attributes:
        encoder: `pocket` (ours, ships with the package), a folder with a pocket encoder, or pretrained towers.
        dim: Length of the embedding.
        margin: How far apart dissimilar episodes must lie, m in Eq. 1.
        contrast: What makes two episodes similar in Eq. 1: the same outcome (as the text of the paper has it) or the
            same variation (as its Fig. 8 and Table 7 score it).
        loss: Binary cross-entropy alone, or with Eq. 1.
        contrastive_weight: Factor on Eq. 1.
        inputs: What an episode is embedded from.
        frames: `initial`: first frames, which a hypothesised variation has too. Nothing else may be mixed in.
        steps: Gradient steps at most.
        batch: Episodes a step; the pairs of Eq. 1 are those within a batch.
        lr: Learning rate of AdamW.
        weight_decay: Of AdamW.
        dropout: Share of inputs and of hidden units dropped while training.
        folds: Held-out groups of variations on which the number of steps is chosen; 0 trains for all `steps`.
        train_towers: Fine-tune the encoder too, as the paper does; slow, hence off.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder: str | Towers = "pocket"
    dim: Annotated[int, Bounded(ge=2)] = 512
    margin: Annotated[float, Bounded(gt=0, allow_inf_nan=False)] = 1.0
    contrast: Literal["outcome", "variation"] = "outcome"
    loss: Literal["bce", "bce+contrastive"] = "bce+contrastive"
    contrastive_weight: Annotated[float, Bounded(ge=0, allow_inf_nan=False)] = 0.1
    inputs: Annotated[tuple[Input, ...], Bounded(min_length=1)] = ("vision", "text")
    frames: Literal["initial"] = "initial"
    steps: Annotated[int, Bounded(ge=1)] = 200
    batch: Annotated[int, Bounded(ge=2)] = 64
    lr: Annotated[float, Bounded(gt=0, allow_inf_nan=False)] = 3e-4
    weight_decay: Annotated[float, Bounded(ge=0, allow_inf_nan=False)] = 0.05
    dropout: Annotated[float, Bounded(ge=0, lt=1)] = 0.2
    folds: Annotated[int, Bounded(ge=0)] = 0
    train_towers: bool = False

    @classmethod
    def paper(cls, **changes: object) -> "FieldConfig":
        """RoboMD's setting: both terms weigh alike, nothing is regularised; `changes` on top of it."""
        plain: dict[str, object] = {"contrastive_weight": 1.0, "weight_decay": 0.0, "dropout": 0.0, "folds": 0}
        return cls.model_validate(plain | changes)
