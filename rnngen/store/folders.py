"""Folders that take one another's place, and what processes that were killed leave beside them.

::

    NAME/               whole, at every instant
    .NAME.lock          held by the process that trains, copies, renames or removes it
    .NAME.new-PID/      a run before its first save; then, for an instant, what it replaced
    .NAME.copy-PID/     a copy that is not complete
    .NAME.removed-PID/  a model that is being deleted
    .NAME.old/          what is being replaced, where two folders cannot be exchanged in one step
    .FILE.PID.tmp       a file that is being written

Whoever holds the lock of a name may remove all of these: the process that made them is dead.
"""

import ctypes
import errno
import glob
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from rnngen.errors import ModelError, RnngenError
from rnngen.store import locks
from rnngen.store.checkpoint import sync_folder

Read = TypeVar("Read")

ASIDE = ".old"
"""End of the hidden name of a folder that is being replaced by another."""
TRIES = 20
"""Times that a folder is read which is exchanged for another while it is read."""
_HERE, _EXCHANGE = -100, 2
"""``AT_FDCWD`` and ``RENAME_EXCHANGE`` of Linux."""
_FOLDER = re.compile(r"\.(?P<name>.+)\.(?:new|copy|removed)-(?P<pid>\d+)")
_FILE = re.compile(r"\..+\.(?P<pid>\d+)\.tmp")


# ── Claiming ───────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def claimed(target: Path, doing: str) -> Iterator[None]:
    """Have a model's name to oneself in the block; leftovers of dead processes are swept first.

    Args:
        target: the model's folder; it need not be there.
        doing: what for, in the messages of others: ``training``.

    Raises:
        RnngenError: if another process has it.
        OSError: if the folder of models cannot be written to.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(locks.hold(_lock(target), doing))
        except locks.Busy as busy:
            raise _taken(target, busy) from None
        recover(target)
        sweep(target.parent, held=target.name)
        yield


def check_free(target: Path) -> None:
    """Raise ``RnngenError`` if another process has a model's name to itself."""
    try:
        locks.check(_lock(target))
    except locks.Busy as busy:
        raise _taken(target, busy) from None


def _lock(target: Path) -> Path:
    return target.with_name(f".{target.name}.lock")


def _taken(target: Path, busy: locks.Busy) -> RnngenError:
    end = f", or end it: kill {busy.pid}" if busy.pid else " to end"
    return RnngenError(f"{busy.holder} the model {target.name!r} right now; wait for it{end}")


# ── Replacing ──────────────────────────────────────────────────────────────────────────────────────────────


def replace_folder(new: Path, target: Path) -> None:
    """Let a folder take another's place, in one step where the system can.

    Elsewhere ``recover`` mends what a crash between two renames leaves.
    """
    recover(target)
    if not os.path.lexists(target):
        new.rename(target)
    elif exchange(new, target):
        discard(new)
    else:
        target.rename(_set_aside(target))
        try:
            new.rename(target)
        finally:
            recover(target)
    sync_folder(target.parent)


def exchange(one: Path, other: Path) -> bool:
    """Let two folders take one another's place in one step → whether the system can.

    Raises:
        OSError: if it can, and fails.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if os.name == "posix" else None
    if rename is None:
        return False
    if not rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):  # this kernel, or this file system, cannot
        return False
    raise OSError(code, os.strerror(code), str(other))


def recover(target: Path) -> None:
    """Bring back what ``replace_folder`` had set aside if nothing took its place, or else remove it."""
    old = _set_aside(target)
    with suppress(OSError):
        if target.exists():
            discard(old)
        elif old.exists():
            old.rename(target)


def set_aside(root: Path) -> list[Path]:
    """Return the targets in a folder for which something is set aside."""
    return [old.with_name(old.name[1 : -len(ASIDE)]) for old in root.glob(f".*{ASIDE}")]


def mend(target: Path) -> None:
    """Recover a folder, unless a process has its name to itself, which may be replacing it right now."""
    if os.path.lexists(_set_aside(target)):
        with suppress(locks.Busy, OSError), locks.hold(_lock(target)):
            recover(target)


def _set_aside(target: Path) -> Path:
    return target.with_name(f".{target.name}{ASIDE}")


def settled(path: Path, read: Callable[[], Read]) -> Read:
    """Return what ``read`` makes of a folder that may be exchanged for another meanwhile: all of one.

    Raises:
        ModelError: if it is exchanged each time.
    """
    for _ in range(TRIES):
        before = _state(path)
        try:
            found = read()
        except (ModelError, OSError):
            if _state(path) == before:
                raise
        else:
            if before is None or identity(path) == before[:2]:  # its files may have been saved anew
                return found
    raise ModelError(f"{path} is replaced again and again while it is read; try again later")


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with everything that happens in a folder, and with every exchange.

    Its number alone would not do: a new folder may get that of one which was removed.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_ctime_ns


def identity(path: Path) -> tuple[int, int] | None:
    """Return what distinguishes a folder from another that takes its place; None where there is none."""
    state = _state(path)
    return state and state[:2]


# ── Leftovers ──────────────────────────────────────────────────────────────────────────────────────────────


def discard(path: Path) -> None:
    """Remove a folder, or the link to one and not what it leads to; what cannot be removed stays."""
    if path.is_symlink():
        with suppress(OSError):
            path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def sweep(root: Path, held: str = "") -> None:
    """Remove what dead processes have left of models; the name that this process has ``held`` is its own."""
    for path in root.glob(".*"):
        if (found := _FOLDER.fullmatch(path.name)) and not _alive(int(found["pid"])):
            _sweep_one(path, root / found["name"], held)
        elif path.name.endswith(".lock"):
            locks.sweep(path)
    for pattern in (".*.tmp", "[!.]*/.*.tmp", "[!.]*/last/.*.tmp"):
        for path in root.glob(pattern):
            if (found := _FILE.fullmatch(path.name)) and not _alive(int(found["pid"])):
                _sweep_one(path, root / path.relative_to(root).parts[0], held)


def sweep_files(folder: Path, name: str = "*") -> None:
    """Remove the files that dead processes were writing into a folder: all, or those for one file."""
    for path in folder.glob(f".{name if name == '*' else glob.escape(name)}.*.tmp"):
        if (found := _FILE.fullmatch(path.name)) and not _alive(int(found["pid"])):
            path.unlink(missing_ok=True)


def _sweep_one(path: Path, target: Path, held: str) -> None:
    if target.name == held:
        _remove(path)
        return
    with suppress(locks.Busy, OSError), locks.hold(_lock(target)):
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        discard(path)
    else:
        path.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    """Return whether another process on this machine has a number; earlier versions held no locks."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True
