"""The parts of a diagnosis that show the field: its quality, the similarity of variations, the map."""

from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from faultfield.diagnosis.entries import Entry


class FieldQuality(Entry):
    """How well the field separates variations (RoboMD, Table 7 and Fig. 15)."""

    mse: float = Field(ge=0)
    """Mean squared difference between the similarity matrix and the identity."""
    frobenius: float = Field(ge=0)
    """Frobenius norm of that difference."""
    knn: dict[int, float] = Field(default_factory=dict)
    """Number of neighbours to accuracy of telling variations apart, 0–1."""


class Similarity(Entry):
    """Cosine similarity of the known variations in the field (RoboMD, Fig. 8)."""

    labels: list[str]
    """One short label a row."""
    values: list[list[float]]
    """Rows of the square matrix, −1–1."""

    @model_validator(mode="after")
    def _square(self) -> Self:
        if any(len(row) != len(self.labels) for row in self.values) or len(self.values) != len(self.labels):
            raise ValueError(f"the similarity matrix must have {len(self.labels)} rows and columns, as it has labels")
        return self


class FieldInfo(Entry):
    """The learned embedding."""

    settings: dict[str, JsonValue] = Field(default_factory=dict)
    """Encoder, inputs, dimension, losses."""
    quality: FieldQuality | None = None
    """Separation of variations."""
    similarity: Similarity | None = None
    """Of the known variations, each against each."""


class MapPoint(Entry):
    """One variation on the map."""

    key: str
    """Of the variation; empty for the nominal condition."""
    text: str
    """The variation in English."""
    kind: Literal["nominal", "known", "ranked"]
    """Which list it stands in."""
    x: float
    """First coordinate."""
    y: float
    """Second coordinate."""
    failure: float | None = Field(default=None, ge=0, le=1)
    """Failure rate where known, failure probability where ranked."""


class MapGrid(Entry):
    """The field's potential over the map, on a regular grid."""

    x: list[float]
    """Coordinates of the columns, ascending."""
    y: list[float]
    """Coordinates of the rows, ascending."""
    potential: list[list[float]]
    """Failure logit, one row for each y: above 0 failure is likelier than success."""

    @model_validator(mode="after")
    def _shape(self) -> Self:
        if len(self.potential) != len(self.y) or any(len(row) != len(self.x) for row in self.potential):
            raise ValueError(f"the potential must have {len(self.y)} rows of {len(self.x)} numbers, as its axes say")
        return self


class FieldMap(Entry):
    """The field in two dimensions."""

    method: str = ""
    """How it was projected, in words."""
    points: list[MapPoint] = Field(default_factory=list)
    """Known and ranked variations."""
    grid: MapGrid | None = None
    """The potential between them."""
