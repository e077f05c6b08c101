"""A corpus: files decompressed, read and cut into examples, as a stream: they may exceed memory."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rnngen.contracts import Chunk, Task
from rnngen.data.sources import decompressed, opened, suffix_of
from rnngen.errors import CorpusError


class _Line(NamedTuple):
    text: str
    place: str
    """The file and the number of the line, for messages."""


@dataclass(frozen=True)
class Corpus:
    """Files, the reader of each, and the task that cuts them into examples."""

    paths: Sequence[Path]
    """The files, in order."""
    task: Task
    """Cuts what is read into examples."""
    reader_for: Callable[[str], Callable[[BinaryIO, str], Iterator[Chunk]]]
    """Returns the reader for a file ending (``suffix_of``), options already bound."""
    sources: Sequence[Path] = ()
    """Files with the sources of ``paths``, line by line; none where examples have no sources, or where these
    are in the same files."""

    def chunks(self) -> Iterator[Chunk]:
        """Yield the examples of all files in order, each file beginning a new document.

        Raises:
            CorpusError: if a file cannot be read, decompressed or decoded, or is not as the task needs it.
        """
        if self.sources:
            both = _side_by_side(self._lines(self.sources), self._lines(self.paths))
            yield from self.task.examples(both)
            return
        for path in self.paths:
            try:
                yield from self.task.examples(self._document(path))
            except ValueError as error:
                raise CorpusError(f"{path}: {error}") from error

    def _lines(self, paths: Sequence[Path]) -> Iterator[_Line]:
        r"""Yield every line of some files, empty ones too; a file's last one with or without its ``\n``."""
        for path in paths:
            pieces = (chunk.text for chunk in self._document(path))
            for number, text in enumerate(_cut(pieces), start=1):
                yield _Line(text.removesuffix("\r"), f"{path}: line {number}")

    def _document(self, path: Path) -> Iterator[Chunk]:
        read, starts_document = self.reader_for(suffix_of(path)), True
        with opened(path) as raw:
            for chunk in read(decompressed(raw), str(path)):
                yield Chunk(chunk.text, starts_document or chunk.starts_document, chunk.source)
                starts_document = False

    def sha256(self) -> str:
        """Return the digest of the files' digests: of bytes, order and file borders, but not of names.

        Raises:
            CorpusError: if a file cannot be read.
        """
        whole = hashlib.sha256()
        for path in (*self.sources, *self.paths):
            with opened(path) as raw:
                whole.update(hashlib.file_digest(raw, "sha256").digest())
        return whole.hexdigest()


def _cut(pieces: Iterable[str]) -> Iterator[str]:
    r"""Join pieces and cut them at ``\n``."""
    held = ""
    for piece in pieces:
        *lines, held = (held + piece).split("\n")
        yield from lines
    if held:
        yield held


def _side_by_side(sources: Iterator[_Line], texts: Iterator[_Line]) -> Iterator[Chunk]:
    """Join line k of the sources with line k of the targets; lines blank in both are skipped.

    Raises:
        CorpusError: at the first line that has no partner.
    """
    for source, text in zip_longest(sources, texts):
        if source is None or text is None:
            raise CorpusError(_without_partner(source, text))
        blank = not source.text.strip(), not text.text.strip()
        if blank == (True, True):
            continue
        if any(blank):
            empty, other = (source, text) if blank[0] else (text, source)
            raise CorpusError(f"{empty.place} is empty, but {other.place} is not; remove both or fill it in")
        yield Chunk(text.text, True, source.text)


def _without_partner(source: _Line | None, text: _Line | None) -> str:
    line, other = (source, "texts") if source else (text, "sources")
    assert line is not None
    return f"{line.place} has no line beside it: the {other} end before; make both as long"
