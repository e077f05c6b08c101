"""What can be made again: encoded corpora, states after prompts, what plugins bring; and piped text.

::

    corpora/KEY/          an encoded corpus; verified by digests when opened, made anew where they differ
    corpora/.KEY.lock     held by the process that makes it; others wait for that
    prefixes/*            states after long prompts
    stdin/stdin-SHA.txt   text that came through a pipe, which its model needs to be resumed
    plugins-*/*.json      what each plugin brings

Corpora and texts that no model needs are removed, those not used for the longest time first, when all of it
takes more than ``LIMIT``; but nothing that was used in the last hour.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rnngen import paths
from rnngen.errors import RnngenError
from rnngen.events import report
from rnngen.store import folders, locks
from rnngen.store.checkpoint import read_json
from rnngen.store.model_folder import PLACES

LIMIT = 10 * 10**9
"""Bytes that the cache may take before some of it goes."""
RECENT = 3600
"""Seconds within which something that was used is kept, whatever its size."""
KINDS = ("corpora", "prefixes", "stdin", "plugins")
"""The kinds of what is kept."""
_MADE = "survey.json"
"""The file of an encoded corpus that is written last, and whose time is that of its last use."""


@dataclass(frozen=True)
class Entry:
    """One thing in the cache."""

    kind: str
    path: Path
    size: int
    """Bytes."""
    used: float
    """When it was used last, in seconds since the epoch."""

    @property
    def place(self) -> Path:
        """Its path without links, as models record those of their texts."""
        return self.path.resolve()

    def remove(self) -> None:
        """Remove it, unless a process makes it right now."""
        if self.path.is_dir():
            with suppress(locks.Busy, OSError), locks.hold(_lock(self.path)):
                folders.discard(self.path)
        else:
            with suppress(OSError):
                self.path.unlink()


def entries() -> list[Entry]:
    """Return everything in the cache, what was not used for the longest time first."""
    found = [
        *(_folder(path) for path in paths.corpora().glob("[!.]*") if path.is_dir()),
        *_files("prefixes", paths.prefixes().glob("[!.]*")),
        *_files("stdin", paths.spooled().glob("[!.]*")),
        *_files("plugins", paths.cache().glob("plugins-*/*.json")),
    ]
    return sorted(found, key=lambda entry: entry.used)


def _folder(path: Path) -> Entry:
    files = [*_files("corpora", path.rglob("*"))]
    made = [entry.used for entry in files if entry.path == path / _MADE]
    return Entry("corpora", path, sum(entry.size for entry in files), max(made, default=0.0))


def _files(kind: str, found: Iterable[Path]) -> Iterator[Entry]:
    for path in found:
        with suppress(OSError):
            if path.is_file():
                stat = path.stat()
                yield Entry(kind, path, stat.st_size, stat.st_mtime)


# ── Making and using ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def making(folder: Path) -> Iterator[None]:
    """Have an entry to oneself in the block, after a process that makes it already is done."""
    lock = _lock(folder)
    try:
        locks.check(lock)
    except locks.Busy as busy:
        report(f"waiting: {busy.holder} the same text")
    with locks.hold(lock, "encoding", wait=True):
        yield


def touch(folder: Path) -> None:
    """Take note that an entry is used."""
    with suppress(OSError):
        os.utime(folder / _MADE)


def _lock(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.lock")


# ── Removing ───────────────────────────────────────────────────────────────────────────────────────────────


def trim(limit: int = LIMIT) -> None:
    """Remove what was not used for the longest time until no more than ``limit`` bytes are left."""
    there = entries()
    room = limit - sum(entry.size for entry in there)
    if room >= 0:
        return
    needed, now = needed_texts(), time.time()
    for entry in there:
        recent = abs(now - entry.used) < RECENT
        if room < 0 and not recent and entry.place not in needed:
            entry.remove()
            room += entry.size


def clear(wanted: Callable[[Entry], bool]) -> list[Entry]:
    """Remove entries, and what dead processes have left → those that are gone."""
    chosen = [entry for entry in entries() if wanted(entry)]
    for entry in chosen:
        entry.remove()
    sweep()
    return [entry for entry in chosen if not entry.path.exists()]


def needed_texts() -> set[Path]:
    """Return the places of texts that models on this machine need to be resumed."""
    needed: set[Path] = set()
    for record in (paths.home() / "models").glob(f"*/{PLACES}"):
        with suppress(RnngenError, OSError, TypeError, ValueError):
            needed |= {Path(path).resolve() for kind in read_json(record).values() for path in kind}
    return needed


def sweep() -> None:
    """Remove what dead processes have left, here and beside models."""
    folders.sweep(paths.home() / "models")
    for lock in paths.corpora().glob(".*.lock"):
        locks.sweep(lock)
    for scratch in paths.spooled().glob(".stdin-*"):
        with suppress(locks.Busy, OSError), locks.hold(scratch / "lock"):
            folders.discard(scratch)
    for folder in (paths.cache(), paths.prefixes()):
        folders.sweep_files(folder)
