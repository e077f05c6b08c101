"""The text to train on: decompressed, read and cut into examples, always as a stream.

A corpus may be larger than memory. Whatever must be known ahead (how long it is, where it splits) is learnt
in a pass of its own, and the text is read again.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple

from rnngen.contracts import Chunk, Task
from rnngen.data.sources import decompressed, opened, suffix_of
from rnngen.errors import CorpusError

# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────


class _Line(NamedTuple):
    text: str
    place: str
    """The file and the number of the line, for messages."""


@dataclass(frozen=True)
class Corpus:
    """Files, how each is read, and what an example is."""

    paths: Sequence[Path]
    """The files, in order."""
    task: Task
    """Cuts what is read into examples."""
    reader_for: Callable[[str], Callable[[BinaryIO, str], Iterator[Chunk]]]
    """From a file ending (``suffix_of``) to its reader, options already bound."""
    sources: Sequence[Path] = ()
    """Files with the sources of the examples in ``paths``, line by line; none where there are no sources, or
    where they are in the same files."""

    def chunks(self) -> Iterator[Chunk]:
        """The examples of all files in order, each file beginning a new document.

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
        r"""Every line of some files, empty ones too; a file's last one with or without its ``\n``."""
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
        """The digest of the files' digests: it knows bytes, order and file borders, but not names.

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
    """Line k of the sources with line k of the texts; what is blank in both is nothing.

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


# ── Measuring and splitting ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Survey:
    """What one pass over the text tells."""

    chars: int
    """Characters; where examples end by themselves, each end counts as one more."""
    examples: int
    """Documents, or whatever the task takes for an example."""
    newline: bool
    r"""Whether there is a ``\n`` within an example."""
    has_eos: bool = False
    """Whether examples end by themselves."""
    last: int = 0
    """The position, in ``chars``, at which the last example opens."""


def survey(chunks: Iterable[Chunk], has_eos: bool = False, name: str = "the corpus") -> Survey:
    """Measure a text in one pass, keeping nothing of it.

    Args:
        chunks: the examples.
        has_eos: whether they end by themselves.
        name: what the text is called, for messages.

    Raises:
        CorpusError: if there is not one character.
    """
    chars = examples = last = 0
    newline = False
    for chunk in chunks:
        if chunk.starts_document:
            examples, last, chars = examples + 1, chars, chars + has_eos
        chars += len(chunk.text)
        newline = newline or "\n" in chunk.text
    if chars == examples * has_eos:
        raise CorpusError(f"{name} is empty: not one character was read; check that this is the text")
    return Survey(chars, examples, newline, has_eos, last)


def split_at(survey: Survey, fraction: float) -> int:
    """Where the held-out part begins, in the survey's characters.

    Where examples end by themselves and there are two or more, each part gets one at least.

    Args:
        survey: of the whole text.
        fraction: how much of its end to hold out, from 0 to 1.
    """
    cut = int(survey.chars * (1 - fraction))
    if not survey.has_eos:
        return cut
    # an example goes where it opens: one opens at 0, the last at ``last``
    return max(1, min(cut, survey.last) if fraction > 0 and survey.examples > 1 else cut)


def head(chunks: Iterable[Chunk], cut: int, has_eos: bool) -> Iterator[Chunk]:
    """The text before ``cut``; where examples end by themselves, whole ones, all that open before it."""
    for position, chunk in _placed(chunks, has_eos):
        if position >= cut:
            return
        yield chunk if has_eos else Chunk(chunk.text[: cut - position], chunk.starts_document)


def tail(chunks: Iterable[Chunk], cut: int, has_eos: bool) -> Iterator[Chunk]:
    """The rest of what ``head`` gives; where it begins, a document opens."""
    first = True
    for position, chunk in _placed(chunks, has_eos):
        text = chunk.text if has_eos else chunk.text[max(0, cut - position) :]
        if text and (position >= cut or not has_eos):
            yield Chunk(text, chunk.starts_document or first)
            first = False


def held_out(source: str, fraction: float) -> bool:
    """Whether a pair is held out: its source alone decides, so that none is on both sides."""
    digest = hashlib.blake2b(source.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < fraction * 2**64


def _placed(chunks: Iterable[Chunk], has_eos: bool) -> Iterator[tuple[int, Chunk]]:
    """Chunks with the position that decides for them: their own or, with ``has_eos``, their example's."""
    position = opened = 0
    for chunk in chunks:
        if chunk.starts_document:
            opened, position = position, position + has_eos
        yield opened if has_eos else position, chunk
        position += len(chunk.text)
