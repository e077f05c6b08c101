"""Standard input, standard output, and the files that may stand in for the former.

A process can be started with either closed; a file can be a pipe, as the shell's ``<(…)`` is.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import BinaryIO, Self, TextIO

from rnngen.errors import CorpusError, NotFoundError, RnngenError, UsageError

FLUSH_SECONDS = 0.02
"""How long a reader may wait for text that is there; a system call for every character would cost more."""


def answered() -> bool:
    """Whether a person is at standard input; what TERM says of the screen does not matter here."""
    return sys.stdin is not None and sys.stdin.isatty()


@contextmanager
def source(file: str) -> Iterator[tuple[BinaryIO, str]]:
    """The bytes of a file, a pipe or, for ``-``, of standard input, and their name for messages.

    Raises:
        NotFoundError: if there is no such file.
        UsageError: if standard input is closed.
    """
    if file == "-":
        if sys.stdin is None:
            raise UsageError("standard input is closed; redirect a file or a pipe to it")
        yield sys.stdin.buffer, "standard input"
        return
    if not Path(file).exists():
        raise NotFoundError(f"{file}: no such file")
    with Path(file).open("rb") as stream:
        yield stream, file


class Lines:
    """The lines of a file or of standard input as they come, so that one who types is answered at once and a
    long file is answered many lines at a time.

    Args:
        file: its path; ``-`` is standard input.
    """

    AHEAD = 4096
    """Lines that are read ahead at most."""

    def __init__(self, file: str) -> None:
        self.queue: Queue[str | Exception | None] = Queue(self.AHEAD)
        self.ended = False
        Thread(target=self._read, args=(file,), daemon=True).start()

    def _read(self, file: str) -> None:
        try:
            with source(file) as (stream, name), _own(stream) as lines:
                for number, line in enumerate(lines, start=1):
                    self.queue.put(decoded(line, f"{name}: line {number}"))
            self.queue.put(None)
        except Exception as error:  # it is raised where the lines are wanted
            self.queue.put(error)

    def take(self, most: int) -> list[str]:
        """The next lines: one at least, then as many as are there; none at the end.

        Raises:
            RnngenError: as ``source`` does, or at a line that is not UTF-8, after those before it were taken.
        """
        lines: list[str] = []
        while not self.ended and len(lines) < most and not (lines and self.queue.empty()):
            line = self.queue.get()
            self.ended = not isinstance(line, str)
            if isinstance(line, str):
                lines.append(line)
            elif line is not None and lines:
                self.ended = False
                self.queue.put(line)  # the next call raises it
                return lines
            elif line is not None:
                raise line
        return lines


@contextmanager
def _own(stream: BinaryIO) -> Iterator[BinaryIO]:
    """The same bytes through a buffer of its own.

    A thread that waits in a buffer holds its lock; if that is the one of ``sys.stdin``, which Python closes
    at its end, the program aborts there, as after Ctrl-C.
    """
    try:
        own = os.fdopen(os.dup(stream.fileno()), "rb")
    except OSError:  # a stand-in of the tests, without a file behind it
        yield stream
        return
    with own:
        yield own


def checked(argument: str, what: str) -> str:
    """An argument as it is.

    Raises:
        UsageError: if its bytes were not UTF-8: Python gives a half of a surrogate pair for each of them.
    """
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{what}: what stands at character {error.start} is not UTF-8; convert it with iconv"
        ) from None
    return argument


def decoded(line: bytes, place: str) -> str:
    """A line as text, without its end.

    Raises:
        CorpusError: if it is not UTF-8; the place is named.
    """
    try:
        return line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{place}: {error.reason} in UTF-8; convert it with iconv") from None


def output() -> TextIO:
    """Standard output.

    Raises:
        RnngenError: if it is closed.
    """
    if sys.stdout is None:
        raise RnngenError("standard output is closed; redirect it to a file, a pipe or /dev/null")
    return sys.stdout


class Output:
    """Standard output, flushed often enough for the eye and seldom enough for speed.

    An interrupt waits for a write that is under way, or what is there already might be torn; a second one
    does not wait.
    """

    def __init__(self) -> None:
        self.stream = output()
        self.last = 0.0
        self.writing = self.asked = False

    def __enter__(self) -> Self:
        self.before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def _interrupt(self, *_: object) -> None:
        if self.asked or not self.writing:
            raise KeyboardInterrupt
        self.asked = True

    def write(self, text: str, *, flush: bool = False) -> None:
        """Write, and flush if the last time is a while ago."""
        self.writing = True
        self.stream.write(text)
        now = time.monotonic()
        if flush or now - self.last > FLUSH_SECONDS:
            self.stream.flush()
            self.last = now
        self.writing = False
        if self.asked:
            raise KeyboardInterrupt
