"""The text that a file is a part of, so far as a reader of records has to know its other files.

A reader takes the bytes of one file, and asks ``whole_text`` about the others. Who reads all of them passes
its chunks through ``WholeText.read``.
"""

from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field

from rnngen.contracts.text import Chunk


@dataclass
class LabelColumn:
    """The column of the labels in tables of two columns: what holds for the first table holds for all."""

    known: frozenset[str] = frozenset()
    """Labels by which it is recognised, as those of a model."""
    last: bool | None = None
    """True if it is the second; None before the first table."""
    name: str | None = None
    """Its name in the header of that table, if there is one."""
    place: str = ""
    """The file of that table."""
    header: tuple[str, ...] | None = None
    """The cells of that table's header, empty where it has none; None before it. It is one in others."""


@dataclass(frozen=True)
class WholeText:
    """Facts that hold for all files of a text."""

    labels: LabelColumn = field(default_factory=LabelColumn)
    by_line: bool = False
    """True where record k of a file goes with line k of another one, so that empty ones count."""

    def read(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Pass on the chunks of a reader, which may ask for ``whole_text`` before the first."""
        token = _READ.set(self)
        try:
            first = next(chunks, None)
        finally:
            _READ.reset(token)
        if first is not None:
            yield first
            yield from chunks


_READ: ContextVar[WholeText | None] = ContextVar("read", default=None)


def whole_text() -> WholeText:
    """Return what holds for the text whose file is being opened."""
    return _READ.get() or WholeText()
