"""A ledger's rows as an Arrow table."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from faultfield.rollouts.database import COLUMNS
from faultfield.rollouts.judgements import COLUMNS as VERDICT_COLUMNS

if TYPE_CHECKING:
    import pyarrow


def arrow_table(rows: Sequence[sqlite3.Row], verdicts: Mapping[int, sqlite3.Row]) -> "pyarrow.Table":
    """Episodes with a verdict on each.

    Args:
        rows: Of the table of episodes.
        verdicts: Of the table of verdicts, by the id of the episode's row; null where there is none.
    """
    import pyarrow

    kinds = {
        "seed": pyarrow.int64(),
        "steps": pyarrow.int64(),
        "wall_time": pyarrow.float64(),
        "success": pyarrow.bool_(),
        "trajectory": pyarrow.bool_(),
        "video": pyarrow.bool_(),
        "failure_probability": pyarrow.float64(),
        "detection_entropy": pyarrow.float64(),
        "reason_entropy": pyarrow.float64(),
        "rounds": pyarrow.int64(),
    }
    columns = {}
    for name in COLUMNS:
        kind = kinds.get(name, pyarrow.string())
        values = [bool(row[name]) if kind == pyarrow.bool_() else row[name] for row in rows]
        columns[name] = pyarrow.array(values, type=kind)
    for name in VERDICT_COLUMNS:
        said = [verdicts[row["id"]][name] if row["id"] in verdicts else None for row in rows]
        columns[name] = pyarrow.array(said, type=kinds.get(name, pyarrow.string()))
    return pyarrow.table(columns)
