"""The memory of attempts: an append-only list of events in SQLite. What is not in here has not happened.

`service.py` and `seeding.py` append before they act or tell; after `kill -9` at any point the events say where things
stand. The file is private (0600), because snapshots hold Secrets.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from grader.model import Json
from labs.errors import DataError, MachineError

VERSION = 1
BUSY_SECONDS = 10.0
_BULKY = ("begin", "ready", "reset")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    cluster TEXT NOT NULL,
    scenario TEXT NOT NULL,
    attempt TEXT NOT NULL,
    kind TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_task ON events (cluster, scenario, id);
CREATE TRIGGER IF NOT EXISTS events_are_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events are
append-only'); END;
CREATE TRIGGER IF NOT EXISTS events_are_final BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events are
append-only'); END;
"""


def utc_now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One event.

    Attributes:
        id: Its number; later events have higher ones.
        at: When (UTC).
        cluster: Id of the cluster.
        scenario: Scenario id.
        attempt: Attempt id.
        kind: `begin`, `ready`, `check`, `hint`, `solution`, `fix`, `answer`, `seen`, `resetting`, `reset`, `stopping`,
            `stopped`.
        data: What belongs to it; empty for bulky kinds in lists, see `Store.latest`.
    """

    id: int
    at: datetime
    cluster: str
    scenario: str
    attempt: str
    kind: str
    data: Json


class Store:
    """The event file. Every call opens it, so that processes and threads may share it.

    Args:
        path: The file; it is made on first use.
        clock: Time of the events (UTC).

    Raises (all methods): `DataError` when the file is damaged or from a newer version, `MachineError` when it cannot
    be written.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self._clock = clock

    def append(self, cluster: str, scenario: str, attempt: str, kind: str, data: Json | None = None) -> Recorded:
        """Write one event; it is on disk when this returns."""
        at = self._clock()
        body = json.dumps(data or {}, separators=(",", ":"))
        with self._open() as db:
            done = db.execute(
                "INSERT INTO events (at, cluster, scenario, attempt, kind, data) VALUES (?, ?, ?, ?, ?, ?)",
                (at.isoformat(), cluster, scenario, attempt, kind, body),
            )
            return Recorded(done.lastrowid or 0, at, cluster, scenario, attempt, kind, data or {})

    def events(self, cluster: str | None = None, scenario: str | None = None) -> list[Recorded]:
        """Return events in order, of one cluster or task or of all; bulky data is left out."""
        if not self.path.exists():
            return []
        where, values = _where(cluster=cluster, scenario=scenario)
        bulky = ", ".join("?" * len(_BULKY))
        query = (
            f"SELECT id, at, cluster, scenario, attempt, kind, CASE WHEN kind IN ({bulky}) THEN '{{}}' ELSE data END "  # noqa: S608 - only placeholders are put in
            f"FROM events {where} ORDER BY id"
        )
        with self._open() as db:
            return [_recorded(row) for row in db.execute(query, (*_BULKY, *values))]

    def open_before(self, cluster: str, moment: datetime) -> list[tuple[str, str]]:
        """Return scenario and attempt of what was begun on a cluster before a moment and has not been stopped."""
        if not self.path.exists():
            return []
        query = (
            "SELECT scenario, attempt FROM events WHERE cluster = ? AND kind = 'begin' AND at < ? AND attempt NOT IN "
            "(SELECT attempt FROM events WHERE cluster = ? AND kind = 'stopped') ORDER BY id"
        )
        with self._open() as db:
            return [tuple(row) for row in db.execute(query, (cluster, moment.isoformat(), cluster))]

    def latest(self, attempt: str, kinds: Sequence[str]) -> Recorded | None:
        """Return the last event of those kinds of one attempt, with its data."""
        if not self.path.exists():
            return None
        marks = ", ".join("?" * len(kinds))
        query = (
            "SELECT id, at, cluster, scenario, attempt, kind, data FROM events "  # noqa: S608 - as above
            f"WHERE attempt = ? AND kind IN ({marks}) ORDER BY id DESC LIMIT 1"
        )
        with self._open() as db:
            row = db.execute(query, (attempt, *kinds)).fetchone()
        return _recorded(row) if row else None

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        db: sqlite3.Connection | None = None
        try:
            if not self.path.exists():
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
            db = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            self._upgrade(db)
            with db:
                yield db
        except sqlite3.OperationalError as error:
            raise self._cannot(error) from None
        except sqlite3.DatabaseError as error:
            hint = f"move it away (mv {self.path} {self.path}.damaged); the history begins anew"
            raise DataError(f"the file of attempts is damaged: {error}", where=str(self.path), hint=hint) from None
        except OSError as error:
            raise MachineError(
                f"the file of attempts cannot be written: {error.strerror or error}",
                where=str(self.path),
                hint="free some space, or name another folder with LABS_STATE",
            ) from None
        finally:
            if db is not None:
                db.close()

    def _upgrade(self, db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            message = f"the file of attempts has version {version}, this program knows {VERSION}"
            raise DataError(message, where=str(self.path), hint="use the newer version of the labs that wrote it")
        if version < VERSION:
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    def _cannot(self, error: sqlite3.OperationalError) -> MachineError:
        said = str(error)
        hint = "see that the folder exists and can be written, or name another with LABS_STATE"
        if "full" in said or "disk I/O" in said:
            hint = "free some space, or name another folder with LABS_STATE; nothing recorded before is lost"
        elif "locked" in said:
            hint = "another `labs` has been writing for long; wait for it or end it"
        return MachineError(f"the file of attempts cannot be used: {said}", where=str(self.path), hint=hint)


def _where(**wanted: str | None) -> tuple[str, list[str]]:
    given = {name: value for name, value in wanted.items() if value is not None}
    text = " AND ".join(f"{name} = ?" for name in given)
    return (f"WHERE {text}" if given else ""), list(given.values())


def _recorded(row: tuple[int, str, str, str, str, str, str]) -> Recorded:
    return Recorded(row[0], datetime.fromisoformat(row[1]), *row[2:6], json.loads(row[6]))
