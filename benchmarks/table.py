"""A cached truth table: variations, each rolled out many times once, so that any strategy can be replayed on them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import StudyError
from faultfield.field.probe import FEATURES
from faultfield.files import replacing
from faultfield.variations import Variation, VariationSpace

FORMAT = "faultfield-truth-1"


@dataclass(frozen=True)
class Row:
    """One variation.

    Attributes:
        variation: What was changed.
        failed: Of every episode, in the order of their seeds.
        features: The probe's, float64 (len(FEATURES),).
    """

    variation: Variation
    failed: tuple[bool, ...]
    features: NDArray[np.float64]

    @property
    def rate(self) -> float:
        """Share of episodes that failed."""
        return sum(self.failed) / len(self.failed)


@dataclass(frozen=True)
class TruthTable:
    """Rows of one policy in one environment.

    Attributes:
        policy, environment: Fingerprints.
        nominal: Failures and episodes under nominal conditions.
        rows: Each variation once, none of them nominal.
        facts: Whatever else is worth keeping: the command, seeds, dates.
    """

    policy: str
    environment: str
    nominal: tuple[int, int]
    rows: tuple[Row, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variations(self) -> list[Variation]:
        """The rows' variations."""
        return [row.variation for row in self.rows]

    @property
    def least(self) -> int:
        """Episodes of the row that has fewest."""
        return min(len(row.failed) for row in self.rows)

    def at(self, rows: Sequence[int]) -> "TruthTable":
        """The table of some rows."""
        return TruthTable(self.policy, self.environment, self.nominal, tuple(self.rows[i] for i in rows), self.facts)

    def belongs_to(self, identity: Mapping[str, str], path: Path) -> Self:
        """The table itself, once it is known to be of this policy and environment.

        Raises:
            StudyError: It is of another.
        """
        for what, own in (("policy", self.policy), ("environment", self.environment)):
            if identity[what] != own:
                raise StudyError(
                    f"The truth table {path} is of another {what} ({own}, the study's is {identity[what]})."
                )
        return self

    def write(self, path: Path) -> None:
        """One parquet file, whole or not at all."""
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.table(
            {
                "variation": [json.dumps(row.variation.to_json(), sort_keys=True) for row in self.rows],
                "text": [row.variation.text for row in self.rows],
                "failed": ["".join("01"[f] for f in row.failed) for row in self.rows],
                **{name: [float(row.features[i]) for row in self.rows] for i, name in enumerate(FEATURES)},
            }
        )
        about = {
            "format": FORMAT, "policy": self.policy, "environment": self.environment, "nominal": list(self.nominal),
            "facts": dict(self.facts),
        }  # fmt: skip
        table = table.replace_schema_metadata({"faultfield": json.dumps(about, sort_keys=True)})
        with replacing(path) as draft:
            pyarrow.parquet.write_table(table, draft, compression="zstd")

    @classmethod
    def read(cls, path: Path, space: VariationSpace) -> Self:
        """Read what `write` wrote.

        Raises:
            StudyError: It is missing, damaged, or no truth table.
            VariationError: It holds a variation outside the space.
        """
        import pyarrow
        import pyarrow.parquet

        if not Path(path).is_file():
            raise StudyError(f"There is no truth table '{path}'.")
        try:
            table = pyarrow.parquet.read_table(path)
            about = json.loads((table.schema.metadata or {})[b"faultfield"])
            if about["format"] != FORMAT:
                raise ValueError(f"its format is {about['format']}")
            rows = table.to_pylist()
            read = tuple(
                Row(
                    space.variation(json.loads(row["variation"])), tuple(mark == "1" for mark in row["failed"]),
                    np.array([row[name] for name in FEATURES]),
                )
                for row in rows
            )  # fmt: skip
            failures, episodes = about["nominal"]
            return cls(about["policy"], about["environment"], (int(failures), int(episodes)), read, about["facts"])
        except (OSError, ValueError, KeyError, TypeError, pyarrow.ArrowException) as error:
            raise StudyError(f"{path} is not a truth table: {' '.join(str(error).split()).rstrip('.')}.") from error
