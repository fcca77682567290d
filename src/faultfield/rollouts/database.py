"""The SQLite file of a ledger: opening it, its schema, its troubles in one sentence."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faultfield.errors import LedgerError

FORMAT = 1
COLUMNS = (
    "policy", "environment", "stage", "variation_key", "variation", "text", "seed", "success", "steps", "wall_time",
    "versions", "created", "trajectory", "video", "file", "digest",
)  # fmt: skip
"""Of the table `episodes`, all but its `id`, which counts the rows in the order in which they came."""

_APPLICATION = 0x46464C44  # "FFLD" in the file's header marks it as ours.
_SCHEMA = """
CREATE TABLE episodes (
    id INTEGER PRIMARY KEY,
    policy TEXT NOT NULL, environment TEXT NOT NULL, stage TEXT NOT NULL,
    variation_key TEXT NOT NULL, variation TEXT NOT NULL, text TEXT NOT NULL,
    seed INTEGER NOT NULL, success INTEGER NOT NULL, steps INTEGER NOT NULL,
    wall_time REAL NOT NULL, versions TEXT NOT NULL, created TEXT NOT NULL,
    trajectory INTEGER NOT NULL, video INTEGER NOT NULL, file TEXT NOT NULL, digest TEXT NOT NULL,
    UNIQUE (policy, environment, variation_key, seed)
)
"""


class Database:
    """A ledger's rows; several processes may read while one writes.

    Every statement is a transaction of its own, but those in a block of `transaction`.

    Args:
        path: Of the file.
        create: Make it if it is not there.
        timeout: Seconds to wait for another process that is writing.

    Raises:
        LedgerError: The file is missing (and `create` is off), empty, damaged, or another program's.
    """

    def __init__(self, path: Path, *, create: bool, timeout: float) -> None:
        self.path = path
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise LedgerError(f"'{path.parent}' holds no ledger; roll out episodes into it first.")
        with self._telling():
            # Transactions are begun by hand: Python's own would not cover the schema.
            self._connection = sqlite3.connect(path, timeout=timeout, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
        try:
            self._prepare(create)
        except BaseException:
            self.close()
            raise

    def rows(self, query: str, values: Any = ()) -> list[sqlite3.Row]:
        """The rows that a query gives.

        Raises:
            LedgerError: The file is damaged, or another process has been writing for too long.
        """
        with self._telling():
            return self._connection.execute(query, values).fetchall()

    def insert(self, values: tuple[Any, ...]) -> None:
        """Add a row of `COLUMNS`; one with the same key, put there meanwhile by another process, stays."""
        places = ", ".join("?" * len(COLUMNS))
        self.rows(f"INSERT INTO episodes ({', '.join(COLUMNS)}) VALUES ({places}) ON CONFLICT DO NOTHING", values)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block together, or none of them.

        Raises:
            LedgerError: Another process has been writing for too long.
        """
        self.rows("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            # SQLite may have rolled back by itself, for instance when the disk is full.
            if self._connection.in_transaction:
                self.rows("ROLLBACK")
            raise
        self.rows("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _prepare(self, create: bool) -> None:
        if not self._tables():
            if not create:
                raise LedgerError(f"The ledger in '{self.path.parent}' is empty; roll out episodes into it first.")
            self._make()
        if self.rows("PRAGMA application_id")[0][0] != _APPLICATION:
            raise LedgerError(f"'{self.path}' is a database of another program, not a ledger.")
        version = self.rows("PRAGMA user_version")[0][0]
        if version != FORMAT:
            raise LedgerError(
                f"The ledger '{self.path}' has format {version}, but this version of Faultfield reads {FORMAT}; "
                "use the version that wrote it."
            )

    def _make(self) -> None:
        self.rows("PRAGMA journal_mode = WAL")
        with self.transaction():
            # Another process may have made it while this one waited.
            if not self._tables():
                self.rows(_SCHEMA)
                self.rows(f"PRAGMA application_id = {_APPLICATION}")
                self.rows(f"PRAGMA user_version = {FORMAT}")

    def _tables(self) -> list[sqlite3.Row]:
        return self.rows("SELECT name FROM sqlite_master")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise LedgerError(
                    f"Another process is writing to the ledger '{self.path}'; wait until it is done."
                ) from error
            raise LedgerError(f"The ledger '{self.path}' cannot be used: {error}.") from error
        except sqlite3.DatabaseError as error:
            raise LedgerError(f"The ledger '{self.path}' is damaged ({error}); restore it, or start anew.") from error
