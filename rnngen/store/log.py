"""The log of what was generated: one SQLite file of the user's, which only they can read.

::

    number  when  version  models  fingerprint  options  input  text

A record holds all that is needed to generate its text again, to the byte.
"""

import json
import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnngen.errors import NotFoundError, RnngenError

SCHEMA = """
CREATE TABLE IF NOT EXISTS generations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,
    version TEXT NOT NULL,
    models TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    options TEXT NOT NULL,
    input TEXT,
    text TEXT NOT NULL
)
"""
COLUMNS = "number, time, version, models, fingerprint, options, input, text"
PATIENCE = 30.0
"""Seconds that a process waits for another one that writes."""
MENDS = {
    sqlite3.SQLITE_BUSY: "another program has it open for long; try again when that is done",
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "check its permissions",
    sqlite3.SQLITE_CANTOPEN: "check its permissions",
}
"""Ways out of errors that are not of the file's content."""


@dataclass(frozen=True)
class Record:
    """One run of ``rnngen sample``."""

    number: int
    time: float
    """Seconds since the epoch."""
    version: str
    """Of rnngen."""
    models: tuple[str, ...]
    """Paths of the models' folders or files."""
    fingerprint: str
    """Of the weights and all that the text depends on besides."""
    options: dict[str, Any]
    """By the names of flags, the seed among them."""
    input: str | None
    """What was read from standard input or from a file; None where nothing was."""
    text: str
    """What was written on standard output."""

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Record":
        """Read a row."""
        number, when, version, models, fingerprint, options, read, text = row
        given = {key: _tupled(value) for key, value in json.loads(options).items()}
        return cls(number, when, version, tuple(json.loads(models)), fingerprint, given, read, text)


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Log:
    """The log in a file, which is made with the first record."""

    path: Path

    def add(
        self,
        *,
        version: str,
        models: Sequence[str],
        fingerprint: str,
        options: dict[str, Any],
        read: str | None,
        text: str,
    ) -> int:
        """Add a record, and return its number."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))
        row = (time.time(), version, json.dumps(list(models)), fingerprint, json.dumps(options), read, text)
        with self._open() as database, database:
            database.execute(SCHEMA)
            found = database.execute(
                "INSERT INTO generations (time, version, models, fingerprint, options, input, text) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            return int(found.lastrowid or 0)

    def latest(self, count: int | None = None) -> list[Record]:
        """Return records, the latest first."""
        limit = -1 if count is None else count
        return self._select("ORDER BY number DESC LIMIT ?", limit)

    def find(self, text: str, count: int) -> list[Record]:
        """Return the records whose text, input or prompt hold a text, the latest first; case is ignored."""
        folded = text.casefold()
        found = [
            one
            for one in self.latest()
            if any(folded in part.casefold() for part in (one.text, one.input or "", _prompt(one)))
        ]
        return found[:count]

    def get(self, number: int) -> Record:
        """Return a record; ``NotFoundError`` if there is none of this number."""
        if found := self._select("WHERE number = ?", number):
            return found[0]
        raise NotFoundError(f"the log has no record {number} (see rnngen log list)")

    def remove(self, numbers: Sequence[int]) -> None:
        """Delete records, all or none; ``NotFoundError`` for a number that is not there."""
        for number in numbers:
            self.get(number)
        with self._open() as database, database:
            database.executemany("DELETE FROM generations WHERE number = ?", [(one,) for one in numbers])

    def _select(self, clause: str, value: int) -> list[Record]:
        if not self.path.exists():
            return []
        with self._open() as database:
            try:
                rows = database.execute(f"SELECT {COLUMNS} FROM generations {clause}", (value,)).fetchall()
                return [Record.of(row) for row in rows]
            except (sqlite3.OperationalError, ValueError, TypeError) as error:
                raise self._damaged(error) from error

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=PATIENCE)) as database:
                database.execute("PRAGMA secure_delete = ON")
                yield database
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> RnngenError:
        mend = MENDS.get(getattr(error, "sqlite_errorcode", -1), "move it away to begin a new one")
        return RnngenError(f"{self.path} cannot be used as a log ({error}); {mend}")


def _prompt(record: Record) -> str:
    return str(record.options.get("prompt") or "")
