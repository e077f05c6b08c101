"""The journal of a study: Optuna's file of lines, to which nothing is added behind a line that was cut short.

A disk that is full, or a kill, may leave the half of a line at its end. Optuna reads what is before it, and
would never read again what was written behind it.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.storages.journal import BaseJournalBackend, JournalFileBackend, JournalFileSymlinkLock

from rnngen.errors import ModelError


class WholeLines(BaseJournalBackend):
    """A journal in a file, made if need be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = JournalFileSymlinkLock(str(path))
        self._file = JournalFileBackend(str(path), self._lock)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Yield the entries from a number on; ``ModelError`` at one that is damaged."""
        try:
            yield from self._file.read_logs(log_number_from)
        except (ValueError, RecursionError) as error:
            raise damaged(self.path, error) from error

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, whole or not at all; ``OSError`` names the file."""
        self._cut()
        try:
            self._file.append_logs(logs)
        except OSError as error:
            with suppress(OSError):
                self._cut()
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def _cut(self) -> None:
        """Cut off the beginning of a line at the end of the file."""
        self._lock.acquire()
        try:
            with self.path.open("r+b") as file:
                end = file.seek(0, os.SEEK_END)
                while end and (block := _before(file, end)):
                    if newline := block.rfind(b"\n") + 1:
                        end -= len(block) - newline
                        break
                    end -= len(block)
                if end < file.seek(0, os.SEEK_END):
                    file.truncate(end)
        finally:
            self._lock.release()


def damaged(place: object, error: Exception) -> ModelError:
    """Return the error of a storage that cannot be read."""
    reason = f"{type(error).__name__}: {error}"
    return ModelError(f"{place}: the storage of the study is damaged ({reason}); restore it, or take another")


def _before(file: Any, end: int, most: int = 1 << 16) -> bytes:
    start = max(0, end - most)
    file.seek(start)
    block: bytes = file.read(end - start)
    return block
