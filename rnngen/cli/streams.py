"""Standard input and output, and files in place of the former.

A process can be started with either closed; a file can be a pipe, as the shell's ``<(…)`` is.
"""

import codecs
import json
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, BinaryIO, Final, Self, TextIO

import click

from rnngen import encodings
from rnngen.errors import NotFoundError, RnngenError, UsageError
from rnngen.printable import shown, symbols

LONGEST: Final = 1 << 26
"""Bytes of a text that is read as a whole, at most."""
FLUSH_SECONDS = 0.02
"""Seconds that text may wait in the buffer; a system call for every character would cost more."""


def stdin_is_terminal() -> bool:
    """Return whether standard input is a terminal, whatever TERM is."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirm(question: str, asks: str) -> None:
    """Ask before something is lost; ``asks`` says so where there is no terminal to ask on.

    Raises:
        UsageError: if there is none.
        click.Abort: if the answer is no.
    """
    if not stdin_is_terminal():
        raise UsageError(f"{asks}, and there is no terminal to ask on; give -y")
    click.confirm(shown(question), abort=True, err=True)


@contextmanager
def source(file: str) -> Iterator[tuple[BinaryIO, str]]:
    """Open a file, a pipe or, for ``-``, standard input → its bytes, and its name for messages.

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


def require_new(file: Path, *, force: bool) -> None:
    """Raise ``UsageError`` at a folder, and at a file that is there unless ``force`` replaces it."""
    if file.is_dir():
        raise UsageError(f"{file} is a folder; give the name of a file")
    if file.exists() and not force:
        raise UsageError(f"{file} exists already; --force replaces it")


def whole(stream: BinaryIO, name: str) -> bytes:
    """Return all bytes of a stream; ``UsageError`` if they are more than ``LONGEST``."""
    found = stream.read(LONGEST + 1)
    if len(found) > LONGEST:
        raise UsageError(
            f"{name} has more than {LONGEST:,} bytes, which no model reads at once; give its end"
        )
    return found


class _BySize(Queue["str | Exception | None"]):
    """A queue whose limit is in characters, each line counted as ``LINE`` more than it has."""

    LINE = 100

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.size = 0

    def _qsize(self) -> int:
        return self.size

    def _put(self, item: "str | Exception | None") -> None:
        self.size += self._weight(item)
        super()._put(item)

    def _get(self) -> "str | Exception | None":
        item: str | Exception | None = super()._get()
        self.size -= self._weight(item)
        return item

    def _weight(self, item: "str | Exception | None") -> int:
        return self.LINE + (len(item) if isinstance(item, str) else 0)


class Lines:
    """The lines of a file, or for ``-`` of standard input, as they arrive: typed, or many at a time."""

    AHEAD = 1 << 20
    """Characters that are read ahead, and that are taken at a time, at most; but one line at least."""

    def __init__(self, file: str, encoding: str = "utf-8") -> None:
        self.encoding = encoding
        self.queue = _BySize(self.AHEAD)
        self.ended = False
        self.error: Exception | None = None
        Thread(target=self._read, args=(file,), daemon=True).start()

    def _read(self, file: str) -> None:
        try:
            with source(file) as (stream, name), _own(stream) as lines:
                for line in encodings.lines(lines, name, self.encoding):
                    self.queue.put(line)
            self.queue.put(None)
        except Exception as error:  # raised by ``take``
            self.queue.put(error)

    def take(self, most: int) -> list[str]:
        """Return the next lines: one at least, then as many as have arrived; none at the end.

        Raises:
            RnngenError: as ``source`` does, or at a line that is not UTF-8, after those before it were taken.
        """
        lines: list[str] = []
        left = self.AHEAD
        while not self.ended and len(lines) < most and left > 0 and not (lines and self.queue.empty()):
            item = self.queue.get()
            if isinstance(item, str):
                lines.append(item)
                left -= len(item)
            else:
                self.ended, self.error = True, item
        if self.error and not lines:
            raise self.error
        return lines


@contextmanager
def _own(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Open the same file through another buffer.

    A thread that waits in a buffer holds its lock; if that were the one of ``sys.stdin``, which Python closes
    at exit, the program would abort there, as after Ctrl-C.
    """
    try:
        own = os.fdopen(os.dup(stream.fileno()), "rb")
    except OSError:  # a stand-in of the tests, without a file behind it
        yield stream
        return
    with own:
        yield own


def require_utf8(argument: str, what: str) -> str:
    """Return an argument, without a byte order mark, as ``$(cat FILE)`` may begin with.

    Raises:
        UsageError: if its bytes were not UTF-8: Python decodes each of them as half of a surrogate pair.
    """
    try:
        argument.encode()
    except UnicodeEncodeError:
        with usage_errors():
            return encodings.decode(argument.encode(errors="surrogateescape"), what)
    return argument.removeprefix("\ufeff")


def given(argument: str, what: str, encoding: str) -> str:
    """Return an argument as a model reads it: a text in UTF-8, or bytes, each as one character.

    Raises:
        UsageError: as ``require_utf8`` does.
    """
    if encoding == encodings.BYTES:
        return encodings.decode(os.fsencode(argument), what, encoding)
    return require_utf8(argument, what)


@contextmanager
def usage_errors() -> Iterator[None]:
    """Take an error of decoding for one of usage: the text is a part of what was asked for."""
    try:
        yield
    except encodings.EncodingError as error:
        raise UsageError(str(error)) from error


def one_line(text: str) -> str:
    r"""Escape the line ends in a text, as ``\n`` and ``\r\n``, so that it takes one line.

    Nothing else ends a line: form feeds, U+0085, U+2028 and the like pass unchanged, and a ``\r`` too unless
    it comes last, where it would become part of the line's end.
    """
    return re.sub(r"\r?\n|\r\Z", lambda found: found[0].replace("\r", "\\r").replace("\n", "\\n"), text)


def output() -> TextIO:
    """Return standard output.

    Raises:
        RnngenError: if it is closed.
    """
    if sys.stdout is None:
        raise RnngenError("standard output is closed; redirect it to a file, a pipe or /dev/null")
    return sys.stdout


class ForTerminal(str):
    """Text that only a terminal gets, and a file or a pipe does not."""

    __slots__ = ()


class Dimmed(str):
    """A text that a terminal shows dimmed, beside what is generated."""

    __slots__ = ()


class Output:
    """Standard output, flushed often enough for the eye and seldom enough for speed.

    An interrupt waits for a write that is under way, so that the output is not torn; a second one does not
    wait. A terminal shows control characters as symbols and obeys none of them; a file or a pipe gets them.

    Args:
        encoding: UTF-8, or ``bytes`` for texts of which each character is one.
        raw: whether a terminal gets them too.
        copy: takes what is written, but not what is there for a terminal only.
    """

    def __init__(self, encoding: str = "utf-8", *, raw: bool = False, copy: list[str] | None = None) -> None:
        self.copy = copy
        self.stream, self.bytes = output(), encoding == encodings.BYTES
        self.shown = Symbols() if self.stream.isatty() and not raw else None
        self.last = 0.0
        self.writing = self.interrupted = False

    def __enter__(self) -> Self:
        self.before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self.before)

    def _interrupt(self, *_: object) -> None:
        if self.interrupted or not self.writing:
            raise KeyboardInterrupt
        self.interrupted = True

    def write(self, text: str, *, flush: bool = False) -> None:
        """Write, and flush if the last flush is a while ago."""
        shown: str = text
        if self.copy is not None and not isinstance(text, ForTerminal):
            self.copy.append(str(text))
        if self.bytes:  # what standard output writes as the bytes that they are: see ``__main__``
            shown = encodings.to_bytes(text).decode("ascii", "surrogateescape")
        if self.shown:
            shown = self.shown.take(shown, final=flush)
        self.writing = True
        self.stream.write(click.style(shown, dim=True) if isinstance(text, Dimmed) else shown)
        now = time.monotonic()
        if flush or now - self.last > FLUSH_SECONDS:
            self.stream.flush()
            self.last = now
        self.writing = False
        if self.interrupted:
            raise KeyboardInterrupt


class Symbols:
    """Control characters of a text that comes in pieces, as symbols (``rnngen.printable.symbols``)."""

    def __init__(self) -> None:
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.held = ""

    def take(self, text: str, *, final: bool) -> str:
        """Return what can be shown once this is there; all of it, if it is ``final``.

        What could be half of a character or of a line end waits: bytes of which none commands a terminal may
        do so together.
        """
        text = self.held + self.decoder.decode(text.encode(errors="surrogateescape"), final)
        self.held = "\r" if text.endswith("\r") and not final else ""
        return symbols(text[: len(text) - len(self.held)])


# ── JSON ───────────────────────────────────────────────────────────────────────────────────────────────────


def json_document(value: Any, *, indent: int | None = None) -> str:
    """Format a result as a JSON document; floats that are not finite become ``null``."""
    text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    text = text.encode("utf-8", "replace").decode()  # halves of surrogate pairs, as in a path, have no UTF-8
    return _escaped(text)


def json_line(record: dict[str, Any]) -> str:
    """Format a record of a stream as one line of JSON; floats that are not finite become ``null``."""
    return json_document(record)


def _escaped(text: str) -> str:
    """Escape the control characters that JSON allows, and that a terminal obeys."""
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value
