"""Standard input, standard output, and the files that may stand in for the former.

A process can be started with either closed; a file can be a pipe, as the shell's ``<(…)`` is.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

from rnngen.errors import NotFoundError, RnngenError, UsageError


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


def output() -> TextIO:
    """Standard output.

    Raises:
        RnngenError: if it is closed.
    """
    if sys.stdout is None:
        raise RnngenError("standard output is closed; redirect it to a file, a pipe or /dev/null")
    return sys.stdout
