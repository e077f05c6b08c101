"""Commands whose process is stopped, or refused, at one of the calls that change the disk.

::

    count(command)                        how many such calls it makes
    stopped(command, at=7)                it ends before its 7th, as by kill -9: nothing is cleaned up
    stopped(command, at=7, power=False)   and what was not yet synced is lost in part, as by a power cut
    refused(command, at=7, ENOSPC)        its 7th fails, as on a full disk; then all is well again

A command is a list of arguments of ``rnngen``. Each runs in a fork of this process, so that torch is loaded
once, and ends in ``os._exit``: the system alone closes its files and releases its locks. Calls are counted
where Python makes them: files opened for writing and what is written to them, which is stopped half-way;
folders made; files and folders renamed, exchanged, removed, synced, cut.
"""

import builtins
import io
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

KILLED = 137
"""The status of a process that was stopped, as a shell reports that of ``kill -9``."""
CALLS = ("mkdir", "rename", "replace", "link", "symlink", "unlink", "remove", "rmdir", "fsync", "ftruncate")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass(frozen=True)
class Ran:
    """What a command left."""

    status: int
    out: str
    err: str


# ── Running ────────────────────────────────────────────────────────────────────────────────────────────────


def ran(command: Sequence[Any], before: Callable[[], None] = lambda: None) -> Ran:
    """Run a command in a fork, after a function of its own."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        pid = begun(command, before, out.fileno(), err.fileno())
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    return Ran(status, *texts)


def begun(
    command: Sequence[Any], before: Callable[[], None] = lambda: None, out: int = -1, err: int = -1
) -> int:
    """Begin a command in a fork → its process; without descriptors its output goes nowhere."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    status = 70
    try:
        status = _run(command, before, out, err)
    finally:
        os._exit(status)


def _run(command: Sequence[Any], before: Callable[[], None], out: int, err: int) -> int:
    from rnngen.__main__ import main

    nowhere = os.open(os.devnull, os.O_RDWR)
    for number, descriptor in enumerate((nowhere, out, err)):
        os.dup2(descriptor if descriptor >= 0 else nowhere, number)
    sys.stdin, sys.stdout, sys.stderr = (
        io.TextIOWrapper(open(number, mode, closefd=False))  # noqa: SIM115
        for number, mode in ((0, "rb"), (1, "wb"), (2, "wb"))
    )
    before()
    status = main([str(argument) for argument in command])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status


def count(command: Sequence[Any]) -> int:
    """Run a command → the calls that it makes."""
    with tempfile.TemporaryFile() as shared:
        disk = Disk()
        disk.report = shared.fileno()
        done = ran(command, disk.install)
        assert done.status == 0, done.err
        return os.fstat(shared.fileno()).st_size


def stopped(command: Sequence[Any], at: int, *, power: bool = True) -> Ran:
    """Run a command that ends before a call; without ``power`` what is not synced is lost in part."""
    return ran(command, Disk(at, Stop(power)).install)


def refused(command: Sequence[Any], at: int, code: int) -> Ran:
    """Run a command one of whose calls fails with an ``errno``."""
    return ran(command, Disk(at, Refuse(code)).install)


# ── Faults ─────────────────────────────────────────────────────────────────────────────────────────────────


class Stop:
    """Ends the process."""

    def __init__(self, power: bool) -> None:
        self.power = power

    def __call__(self, disk: "Disk") -> None:
        if not self.power:
            disk.lose()
        os._exit(KILLED)


class Refuse:
    """Raises an error of the system, once."""

    def __init__(self, code: int) -> None:
        self.code = code

    def __call__(self, disk: "Disk") -> None:
        raise OSError(self.code, os.strerror(self.code), "the disk")


class Disk:
    """Counts the calls of this process that change the disk, and does something before one of them."""

    def __init__(self, at: int = -1, fault: Callable[["Disk"], None] = lambda disk: None) -> None:
        self.at, self.fault, self.calls, self.report = at, fault, 0, -1
        self.dirty: dict[int, int] = {}
        """Descriptors of files that were written to since they were synced, by their inodes."""
        self.write = os.write

    def install(self) -> None:
        """Count from here on, to the end of the process."""
        from rnngen.store import folders

        for name in CALLS:
            setattr(os, name, self.counted(getattr(os, name)))
        real = os.open

        def open_descriptor(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if flags & WRITING:
                self.call()
            return real(path, flags, *rest, **named)

        os.open = open_descriptor
        folders.exchange = self.counted(folders.exchange)
        io.open = builtins.open = self.opening(io.open)

    def call(self) -> None:
        """Take note of a call that is about to be made."""
        self.calls += 1
        if self.report >= 0:
            self.write(self.report, b".")
        if self.calls == self.at:
            self.fault(self)

    def counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call that is counted."""

        def call(*args: Any, **named: Any) -> Any:
            self.call()
            made = real(*args, **named)
            if real.__name__ == "fsync":
                self.dirty.pop(os.fstat(args[0]).st_ino, None)
            return made

        return call

    def opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return an ``open`` whose files count what is written to them."""

        def opened(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+"):
                return real(file, mode, *args, **named)
            self.call()
            return File(real(file, mode, *args, **named), self)

        return opened

    def lose(self) -> None:
        """Cut every file that was not synced in half, wherever it is by now."""
        for descriptor in self.dirty.values():
            os.truncate(descriptor, os.fstat(descriptor).st_size // 2)


class File:
    """A file whose writes are counted, and done half before a fault."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def __enter__(self) -> "File":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, content: Any) -> Any:
        descriptor = self.file.fileno()
        inode = os.fstat(descriptor).st_ino
        if inode not in self.disk.dirty:
            self.disk.dirty[inode] = os.dup(descriptor)
        if self.disk.calls + 1 == self.disk.at:
            self.file.write(content[: len(content) // 2])
            self.file.flush()
        self.disk.call()
        return self.file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)
