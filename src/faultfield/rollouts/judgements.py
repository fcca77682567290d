"""Verdicts on the episodes of a ledger: a table beside theirs, made when the first verdict comes."""

import hashlib
import io
import json
import math
import sqlite3
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faultfield import files
from faultfield.errors import LedgerError
from faultfield.rollouts.database import Database
from faultfield.rollouts.episode import Key
from faultfield.rollouts.verdict import Round, Verdict

COLUMNS = (
    "detector", "failure_probability", "reason", "detection_entropy", "reason_entropy", "rounds", "history",
)  # fmt: skip
"""Of the table `verdicts` those that are exported; `history` is JSON, a list for each round in the order of `Round`."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS verdicts (
    id INTEGER PRIMARY KEY,
    episode INTEGER NOT NULL REFERENCES episodes (id), detector TEXT NOT NULL,
    failure_probability REAL, reason TEXT NOT NULL, detection_entropy REAL, reason_entropy REAL,
    rounds INTEGER NOT NULL, history TEXT NOT NULL, shown TEXT, created TEXT NOT NULL,
    UNIQUE (episode, detector)
)
"""
_NEWEST = "SELECT * FROM verdicts WHERE id IN (SELECT MAX(id) FROM verdicts GROUP BY episode)"
_QUALITY = 85
"""Of the pictures that were judged, as JPEG: they are for people."""


@dataclass(frozen=True)
class Judgement:
    """A verdict, and where it came from.

    Attributes:
        verdict: What was said.
        detector: Fingerprint of the detector that said it.
        shown: File of the picture that was judged, where one was kept.
    """

    verdict: Verdict
    detector: str
    shown: Path | None = None


class Judgements:
    """The verdicts of a ledger, several detectors' side by side; none is ever changed.

    Args:
        database: Of the ledger.
        directory: Of the ledger.
    """

    def __init__(self, database: Database, directory: Path) -> None:
        self._database, self._directory = database, directory

    def add(
        self, detector: str, verdicts: Mapping[Key, Verdict], shown: Mapping[Key, NDArray[np.uint8]] | None = None
    ) -> None:
        """Add verdicts, all or none of them; an episode that this detector has judged before keeps its verdict.

        Args:
            detector: Fingerprint of the detector and its settings.
            verdicts: By episode.
            shown: The picture that was judged, by episode, uint8 (height, width, 3); episodes may be missing.

        Raises:
            LedgerError: An episode is not in the ledger, or another process has been writing for too long.
        """
        rows = []
        for key, verdict in verdicts.items():
            picture = None if shown is None else shown.get(key)
            file = None if picture is None else _file_name(key, detector)
            if picture is not None and file is not None:
                # Before the row, so that no row names a file that is not there.
                files.write_bytes(self._directory / file, _jpeg(picture))
            rows.append((self._episode(key), detector, *_columns(verdict), file))
        created = datetime.now(UTC).isoformat(timespec="seconds")
        with self._database.transaction():
            self._database.rows(_SCHEMA)
            for row in rows:
                self._database.rows(
                    f"INSERT INTO verdicts (episode, {', '.join(COLUMNS)}, shown, created) "
                    f"VALUES ({', '.join('?' * (len(COLUMNS) + 3))}) ON CONFLICT DO NOTHING",
                    (*row, created),
                )

    def read(self, detector: str | None = None) -> dict[Key, Judgement]:
        """Judgements by episode, in the order of the episodes.

        Args:
            detector: Only of the detector with this fingerprint; by default an episode's newest.

        Raises:
            LedgerError: The ledger is damaged.
        """
        if not self._exists():
            return {}
        chosen = _NEWEST if detector is None else "SELECT * FROM verdicts WHERE detector = :detector"
        rows = self._database.rows(
            f"SELECT v.*, e.policy, e.environment, e.variation_key, e.seed FROM ({chosen}) v "
            "JOIN episodes e ON e.id = v.episode ORDER BY e.id",
            {} if detector is None else {"detector": detector},
        )
        return {(row["policy"], row["environment"], row["variation_key"], row["seed"]): self._read(row) for row in rows}

    def newest(self) -> dict[int, sqlite3.Row]:
        """The newest row on each episode, by the id of the episode's row."""
        return {row["episode"]: row for row in self._database.rows(_NEWEST)} if self._exists() else {}

    def _exists(self) -> bool:
        return bool(self._database.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'verdicts'"))

    def _episode(self, key: Key) -> int:
        rows = self._database.rows(
            "SELECT id FROM episodes WHERE policy = ? AND environment = ? AND variation_key = ? AND seed = ?", key
        )
        if not rows:
            raise LedgerError(
                f"The ledger in '{self._directory}' has no episode {'-'.join(map(str, key))}, so no verdict on it."
            )
        return int(rows[0][0])

    def _read(self, row: sqlite3.Row) -> Judgement:
        try:
            history = tuple(
                Round(_number(chance), str(reason), _number(doubt), _number(surprise))
                for chance, reason, doubt, surprise in json.loads(row["history"])
            )
        except (ValueError, TypeError) as error:
            raise LedgerError(
                f"Verdict {row['id']} of the ledger in '{self._directory}' is damaged; restore it."
            ) from error
        verdict = Verdict(
            _number(row["failure_probability"]),
            row["reason"],
            _number(row["detection_entropy"]),
            _number(row["reason_entropy"]),
            history,
        )
        return Judgement(verdict, row["detector"], None if row["shown"] is None else self._directory / row["shown"])


def _columns(verdict: Verdict) -> tuple[object, ...]:
    history = [[_or_null(value) for value in astuple(each)] for each in verdict.rounds]
    return (
        _or_null(verdict.failure_probability),
        verdict.reason,
        _or_null(verdict.detection_entropy),
        _or_null(verdict.reason_entropy),
        len(verdict.rounds),
        json.dumps(history, ensure_ascii=False),
    )


def _or_null(value: float | str) -> float | str | None:
    """A baseline whose answer could not be read has no probability, which neither JSON nor SQLite can write as NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(stream, format="JPEG", quality=_QUALITY)
    return stream.getvalue()


def _file_name(key: Key, detector: str) -> str:
    name = hashlib.sha256("\0".join((*map(str, key), detector)).encode()).hexdigest()[:24]
    return f"verdicts/{name[:2]}/{name}.jpg"
