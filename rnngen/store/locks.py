"""Locks between processes: one that trains a model, or encodes a text, has it to itself.

A lock is the system's (``flock``), on a hidden file that names its holder. It ends with the process that
holds it, however that ends, so that none is ever stale: a file that a killed process leaves behind is not
locked, and whoever comes next takes it over. Where the system or the file system has no locks, none is held.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rnngen.errors import RnngenError

_NUMBER = re.compile("[0-9]{1,10}")


class Busy(RnngenError):  # noqa: N818 - reads as the sentence that it is
    """Another process holds a lock.

    Args:
        holder: which one and what it does, as ``process 1234 is training``.
        pid: its number; 0 where that is not known, or is one of another machine.
    """

    def __init__(self, holder: str, pid: int = 0) -> None:
        self.holder, self.pid = holder, pid
        super().__init__(f"{holder} it")


@contextmanager
def hold(path: Path, doing: str = "changing", *, wait: bool = False) -> Iterator[None]:
    """Hold a lock on a file in the block, made for it and removed after it; ``doing`` is for messages.

    Raises:
        Busy: if another process holds it, unless this one is to ``wait``.
        OSError: if the folder cannot be written to; it is named.
    """
    handle = _acquire(path, wait=wait)
    try:
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()} {doing} {socket.gethostname()}\n".encode())
        yield
    finally:
        with suppress(OSError):
            path.unlink()  # while it is held: whoever waits for it looks whether it is still there
        os.close(handle)


def check(path: Path) -> None:
    """Raise ``Busy`` if a process holds a lock."""
    if path.exists():
        with hold(path):
            pass


def sweep(path: Path) -> None:
    """Remove a lock's file if no process holds the lock, as far as that can be."""
    with suppress(RnngenError, OSError):
        check(path)


def _acquire(path: Path, *, wait: bool) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:  # a person knows the folder, and not the hidden file in it
            raise OSError(error.errno, error.strerror, str(path.parent)) from error
        try:
            _lock(handle, wait=wait)
        except BlockingIOError:
            busy = _busy(handle)
            os.close(handle)
            raise busy from None
        if _is_at(handle, path):
            return handle
        os.close(handle)


def _lock(handle: int, *, wait: bool) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        return


def _is_at(handle: int, path: Path) -> bool:
    """Return whether a file is still there, and was not removed by the process that held it before."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _busy(handle: int) -> Busy:
    """Return the error that names who wrote a lock's file, which may have been written by anybody."""
    words = os.pread(handle, 300, 0).decode(errors="replace").split()
    if len(words) != 3 or not _NUMBER.fullmatch(words[0]) or not "".join(words).isprintable():
        return Busy("another process is changing")
    number, doing, host = words
    if host == socket.gethostname():
        return Busy(f"process {number} is {doing}", int(number))
    return Busy(f"process {number} on {host} is {doing}")
