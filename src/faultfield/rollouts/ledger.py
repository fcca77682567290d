"""The durable, append-only store of episodes: a row each in SQLite, the arrays in one file each."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import NDArray

from faultfield.errors import LedgerError
from faultfield.rollouts.arrays import arrays_of, digest_of, read_arrays, with_arrays, write_arrays
from faultfield.rollouts.database import COLUMNS, Database
from faultfield.rollouts.episode import Episode, Key
from faultfield.rollouts.export import arrow_table
from faultfield.rollouts.judgements import Judgement, Judgements
from faultfield.rollouts.verdict import Verdict
from faultfield.variations import Variation

if TYPE_CHECKING:
    import pandas
    import pyarrow

Load = Literal["none", "initial", "all"]
"""Which arrays to read: none; first pictures and first snapshot; trajectory and video too."""

_NOT_CONTENT = {"wall_time", "versions", "created"}


class Ledger:
    """Episodes on disk, in the order in which they were appended.

    `<directory>/ledger.sqlite` (write-ahead log) holds the rows, `<directory>/episodes/` the arrays. A file is written
    before its row, both whole or not at all: a process killed at any moment loses at most the episode in flight, and
    no row is ever without its file.

    Args:
        directory: Of the ledger.
        create: Make the ledger if there is none.
        timeout: Seconds to wait for another process that is writing.

    Raises:
        LedgerError: There is no ledger (and `create` is off), or the file is damaged or another program's.

    Example:
        >>> import tempfile
        >>> from faultfield.variations import NOMINAL
        >>> with Ledger(tempfile.mkdtemp(), create=True) as ledger:
        ...     ledger.append(Episode(NOMINAL, 0, True, 31, "policy", "environment", "known"))
        ...     [episode.steps for episode in ledger.episodes(stage="known")]
        [31]
    """

    def __init__(self, directory: str | Path, *, create: bool = False, timeout: float = 30.0) -> None:
        self.directory = Path(directory)
        self._database = Database(self.directory / "ledger.sqlite", create=create, timeout=timeout)
        self._judgements = Judgements(self._database, self.directory)

    def append(self, episode: Episode) -> None:
        """Add an episode.

        One that is there already stays as it is; where the new one kept a trajectory or a video that the old one did
        not, the old one is given it.

        Raises:
            LedgerError: The ledger has the same policy, environment, variation and seed with another outcome; or an
                array cannot be stored; or another process has been writing for too long.
        """
        arrays = arrays_of(episode)
        trajectory, video = episode.trajectory is not None, episode.video is not None
        known = self._known(episode)
        if known is not None:
            if known["trajectory"] >= trajectory and known["video"] >= video:
                return
            arrays = read_arrays(self.directory / known["file"], everything=True) | arrays
            trajectory, video = trajectory or bool(known["trajectory"]), video or bool(known["video"])
        file = _file_name(episode.key, trajectory, video)
        write_arrays(self.directory / file, arrays)
        if known is not None:
            # The old file stays: another process may be reading it.
            self._database.rows(
                "UPDATE episodes SET trajectory = ?, video = ?, file = ?, digest = ? WHERE id = ?",
                (trajectory, video, file, digest_of(arrays), known["id"]),
            )
            return
        row = {
            "policy": episode.policy,
            "environment": episode.environment,
            "stage": episode.stage,
            "variation_key": episode.variation.key,
            "variation": json.dumps(episode.variation.to_json()),
            "text": episode.variation.text,
            "seed": episode.seed,
            "success": episode.success,
            "steps": episode.steps,
            "wall_time": episode.wall_time,
            "versions": json.dumps(dict(episode.versions), sort_keys=True),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "trajectory": trajectory,
            "video": video,
            "file": file,
            "digest": digest_of(arrays),
        }
        self._database.insert(tuple(row[name] for name in COLUMNS))

    def episodes(
        self,
        stage: str | None = None,
        policy: str | None = None,
        environment: str | None = None,
        *,
        load: Load = "initial",
        required: bool = False,
    ) -> list[Episode]:
        """Episodes in the order in which they were appended.

        Args:
            stage: Only of this stage.
            policy: Only of the policy with this fingerprint.
            environment: Only of the environment with this fingerprint.
            load: Which arrays to read. What is not read is empty or None.
            required: Refuse to give an empty list.

        Raises:
            LedgerError: A damaged ledger; or nothing found though `required`.
        """
        return list(self.iterate(stage, policy, environment, load=load, required=required))

    def iterate(
        self,
        stage: str | None = None,
        policy: str | None = None,
        environment: str | None = None,
        *,
        load: Load = "initial",
        required: bool = False,
    ) -> Iterator[Episode]:
        """The same as `episodes`, one at a time: for videos and trajectories that do not fit in memory together."""
        wanted = {"stage": stage, "policy": policy, "environment": environment}
        given = {name: value for name, value in wanted.items() if value is not None}
        where = " AND ".join(f"{name} = :{name}" for name in given) or "1"
        rows = self._database.rows(f"SELECT * FROM episodes WHERE {where} ORDER BY id", given)
        if required and not rows:
            told = " and ".join(f"{name} '{value}'" for name, value in given.items())
            which = f"no episodes of {told}" if told else "no episodes"
            raise LedgerError(f"The ledger in '{self.directory}' holds {which}; roll them out first.")
        for row in rows:
            yield self._loaded(row, load)

    def episode(self, key: Key, *, load: Load = "initial") -> Episode | None:
        """One episode, or None where it is not there.

        Raises:
            LedgerError: A damaged ledger.
        """
        row = self._find(key)
        return None if row is None else self._loaded(row, load)

    def has(self, key: Key, *, trajectory: bool = False, video: bool = False) -> bool:
        """Whether an episode is there, with its trajectory and video where these are asked for."""
        row = self._find(key)
        return row is not None and row["trajectory"] >= trajectory and row["video"] >= video

    def __contains__(self, key: object) -> bool:
        if isinstance(key, Episode):
            key = key.key
        return isinstance(key, tuple) and len(key) == 4 and self.has(key)

    def __len__(self) -> int:
        return int(self._database.rows("SELECT COUNT(*) FROM episodes")[0][0])

    def stages(self) -> list[str]:
        """The stages that have episodes, in order of first appearance."""
        rows = self._database.rows("SELECT stage FROM episodes GROUP BY stage ORDER BY MIN(id)")
        return [row["stage"] for row in rows]

    def add_verdicts(
        self, detector: str, verdicts: Mapping[Key, Verdict], shown: Mapping[Key, NDArray[np.uint8]] | None = None
    ) -> None:
        """Add a detector's verdicts on episodes, all or none of them; one that is there already stays as it is.

        Args:
            detector: Fingerprint of the detector and its settings; verdicts of others stand beside.
            verdicts: By `Episode.key`.
            shown: The picture that was judged, by `Episode.key`, uint8 (height, width, 3); episodes may be missing.

        Raises:
            LedgerError: An episode is not in the ledger, or another process has been writing for too long.
        """
        self._judgements.add(detector, verdicts, shown)

    def verdicts(self, detector: str | None = None) -> dict[Key, Verdict]:
        """Verdicts by `Episode.key`, in the order of the episodes; episodes without one are missing.

        Args:
            detector: Only of the detector with this fingerprint; by default an episode's newest.

        Raises:
            LedgerError: A damaged ledger.
        """
        return {key: each.verdict for key, each in self.judgements(detector).items()}

    def judgements(self, detector: str | None = None) -> dict[Key, Judgement]:
        """The same as `verdicts`, each with its detector and the file of what was shown."""
        return self._judgements.read(detector)

    def to_arrow(self) -> "pyarrow.Table":
        """All rows as an Arrow table; `variation` and `versions` are JSON, `file` is relative to the directory.

        The newest verdict on each episode stands in `detector`, `failure_probability`, `reason`, `detection_entropy`,
        `reason_entropy`, `rounds` and `history` (JSON); these are null where there is none.
        """
        return arrow_table(self._all_rows(), self._judgements.newest())

    def to_pandas(self) -> "pandas.DataFrame":
        """All rows as a data frame, columns as in `to_arrow`."""
        frame: pandas.DataFrame = self.to_arrow().to_pandas()
        return frame

    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits of all episodes and their arrays in order, without times and versions.

        Two ledgers with the same fingerprint hold the same episodes, bit for bit.
        """
        digest = hashlib.sha256()
        for row in self._all_rows():
            digest.update(json.dumps([row[name] for name in COLUMNS if name not in _NOT_CONTENT]).encode())
        return digest.hexdigest()[:16]

    def check(self) -> None:
        """Read every file and compare it with its row.

        Raises:
            LedgerError: One is missing, damaged, or not the one that was written.
        """
        for row in self._all_rows():
            path = self.directory / row["file"]
            if digest_of(read_arrays(path, everything=True)) != row["digest"]:
                raise LedgerError(f"The ledger's file '{path}' is not the one that was written; restore it.")

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all_rows(self) -> list[sqlite3.Row]:
        return self._database.rows("SELECT * FROM episodes ORDER BY id")

    def _find(self, key: Key) -> sqlite3.Row | None:
        rows = self._database.rows(
            "SELECT * FROM episodes WHERE policy = ? AND environment = ? AND variation_key = ? AND seed = ?", key
        )
        return rows[0] if rows else None

    def _known(self, episode: Episode) -> sqlite3.Row | None:
        row = self._find(episode.key)
        if row is not None and (bool(row["success"]), row["steps"]) != (episode.success, episode.steps):
            raise LedgerError(
                f"The ledger in '{self.directory}' has seed {episode.seed} under {episode.variation.to_json()} with "
                "another outcome: the environment or the policy does not repeat itself, or has changed."
            )
        return row

    def _loaded(self, row: sqlite3.Row, load: Load) -> Episode:
        episode = self._episode(row)
        if load == "none":
            return episode
        return with_arrays(episode, read_arrays(self.directory / row["file"], everything=load == "all"))

    def _episode(self, row: sqlite3.Row) -> Episode:
        try:
            values = {name: tuple(v) if isinstance(v, list) else v for name, v in json.loads(row["variation"]).items()}
            variation = Variation(values, row["text"])
            versions = json.loads(row["versions"])
        except (ValueError, AttributeError) as error:
            raise LedgerError(f"Row {row['id']} of the ledger in '{self.directory}' is damaged; restore it.") from error
        return Episode(
            variation=variation,
            seed=row["seed"],
            success=bool(row["success"]),
            steps=row["steps"],
            policy=row["policy"],
            environment=row["environment"],
            stage=row["stage"],
            wall_time=row["wall_time"],
            versions=versions,
        )


def _file_name(key: Key, trajectory: bool, video: bool) -> str:
    """Where the arrays of an episode lie; what they hold is in the name: a richer file overwrites no poorer one."""
    name = hashlib.sha256("\0".join(map(str, key)).encode()).hexdigest()[:24]
    return f"episodes/{name[:2]}/{name}{'t' * trajectory}{'v' * video}.npz"
