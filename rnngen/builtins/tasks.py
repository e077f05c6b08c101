"""The tasks that come with rnngen: free text, which never ends, and lines, pairs and labelled texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

from rnngen.builtins.headers import LOOKED_AT, is_header
from rnngen.builtins.line_ends import LineEnds, whole_lines
from rnngen.contracts import Chunk, note
from rnngen.options import NoOptions


class _Task:
    has_eos = True
    separator = "\n"

    def __init__(self, options: NoOptions) -> None: ...


class Continue(_Task):
    """Free text: every document is one example, passed on as it comes."""

    has_eos = False

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Pass the chunks on, without the empty ones."""
        starts_document = True
        for chunk in chunks:
            starts_document = starts_document or chunk.starts_document
            if chunk.text:
                yield Chunk(chunk.text, starts_document)
                starts_document = False


class Lines(_Task):
    r"""Every line that is not blank is one example, without its ``\n`` or ``\r\n``.

    No other character cuts a line, and no line goes on in the next document.
    """

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        r"""Cut documents into lines; a line longer than a chunk comes in several, as it was read.

        A note is made of records that hold several lines.

        Raises:
            ValueError: at the end of a file whose lines end in ``\r`` alone.
        """
        line, ends, inner = _Line(), LineEnds(), _InnerLines()
        for chunk in chunks:
            if chunk.starts_document:
                yield from line.close()
            ends.see(chunk)
            inner.see(chunk)
            first, *others = chunk.text.split("\n")
            line.held += first
            if others:
                yield from line.end()
                for text in others[:-1]:
                    whole = text.removesuffix("\r")
                    if whole and not whole.isspace():
                        yield Chunk(whole, starts_document=True)
                line.held = others[-1]
            yield from line.release()
        yield from line.close()
        ends.check()
        inner.report()


class Pairs(_Task):
    """Texts with their sources: a line ``source TAB text``, or what comes with its source already."""

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Cut lines in two; blank ones and a header are nothing. No line goes on in the next document.

        Raises:
            ValueError: at a line that is not two texts with a tab between, with its number.
        """
        for number, line in _below_header(_numbered(chunks)):
            if isinstance(line, Chunk):
                yield line
            elif line.strip():
                yield _pair(line.removesuffix("\r"), number)


class Labelled(_Task):
    """Texts under a label, each the example ``label TAB text``: from such a line, or from a record.

    The first tab of a line divides; others belong to the text.
    """

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Join labels and texts; blank lines and a header are nothing. No line goes on in the next document.

        Raises:
            ValueError: at a line without a label or without a text, with its number; at a label that holds a
                tab or a line end.
        """
        for number, line in _below_header(_numbered(chunks)):
            if isinstance(line, Chunk):
                yield Chunk(f"{_label(line.source)}\t{line.text}", starts_document=True)
            elif line.strip():
                yield Chunk(_labelled(line.removesuffix("\r"), number), starts_document=True)


Line: TypeAlias = tuple[int, str | Chunk]
"""The number of a line and its text, or a record that has a source."""


def _numbered(chunks: Iterable[Chunk]) -> Iterator[Line]:
    """Yield every line of text with its number, and the records."""
    number = 0
    for line in whole_lines(chunks, lambda chunk: bool(chunk.source)):
        number += isinstance(line, str)
        yield number, line


def _below_header(lines: Iterator[Line]) -> Iterator[Line]:
    """Yield the lines without the first one, if it names columns of those below it."""
    first = [*islice(lines, LOOKED_AT)]
    rows = [
        line.removesuffix("\r").split("\t") for _, line in first if isinstance(line, str) and line.strip()
    ]
    if rows and len(rows[0]) == 2 and is_header(rows[0], [row for row in rows[1:] if len(row) == 2]):
        header = next(place for place, (_, line) in enumerate(first) if str(line).strip())
        note(
            f"the line {' TAB '.join(rows[0])!r} is a header, and no example; name the file .tsv and pass "
            "--no-header if it is one"
        )
        del first[: header + 1]
    yield from first
    yield from lines


def _pair(line: str, number: int) -> Chunk:
    source, *texts = line.split("\t")
    if len(texts) != 1:
        columns = f"{len(texts) + 1} columns" if texts else "one column"
        raise ValueError(
            f"line {number} has {columns}, and a pair has two: a source, a tab, a text; "
            + (_ODD_TABLE if texts else _NO_TABLE)
        )
    _require_both(source, texts[0], "source", number)
    return Chunk(texts[0], True, source)


_ODD_TABLE = (
    "mend the line, choose columns of a file that is named .tsv with `source_field=1` and `field=2`, or give "
    "two files with `source` and `target`"
)
_NO_TABLE = (
    "choose columns of CSV and keys of JSON with `source_field` and `field`, or give two files with `source` "
    "and `target`"
)


def _labelled(line: str, number: int) -> str:
    label, tab, text = line.partition("\t")
    if not tab:
        raise ValueError(
            f"line {number} has no label: a label, a tab, a text are expected; choose columns of CSV and "
            "keys of JSON with `label_field` and `field`"
        )
    _require_both(label, text, "label", number)
    return line


def _require_both(first: str, text: str, kind: str, number: int) -> None:
    if not first.strip() or not text.strip():
        side = "text after" if first.strip() else f"{kind} before"
        raise ValueError(f"line {number} has no {side} its tab; fill it in, or remove the line")


def _label(label: str) -> str:
    if "\t" in label or "\n" in label:
        raise ValueError(f"the label {label!r} holds a tab or a line end; a label is one line without a tab")
    return label


class _InnerLines:
    """Counts the lines of records that hold more than one."""

    def __init__(self) -> None:
        self.records = self.lines = 0

    def see(self, chunk: Chunk) -> None:
        if not chunk.is_record:
            return
        lines = sum(not line.isspace() for line in chunk.text.split("\n") if line)
        if lines > 1:
            self.records, self.lines = self.records + 1, self.lines + lines

    def report(self) -> None:
        if self.records:
            note(
                "records that hold line breaks: {records:,}; each of their {lines:,} lines is an example, "
                "and --task documents keeps a record whole",
                records=self.records,
                lines=self.lines,
            )


@dataclass
class _Line:
    """The line that is being read.

    Two things have to wait for the next chunk: white space at its beginning (the line may be blank) and a
    carriage return at its end (it may be half of the line end).
    """

    held: str = ""
    """Text that is read but not yet given."""
    begun: bool = False
    """True once some of the line has been given."""

    def end(self) -> Iterator[Chunk]:
        r"""Give the rest: ``\n`` has been read."""
        self.held = self.held.removesuffix("\r")
        yield from self.close()

    def close(self) -> Iterator[Chunk]:
        """Give the rest: the line is over, with or without its line end."""
        yield from self._give(self.held)
        self.held, self.begun = "", False

    def release(self) -> Iterator[Chunk]:
        """Give what need not wait."""
        text = self.held.removesuffix("\r")
        if self.begun or not text.isspace():
            yield from self._give(text)
            self.held = self.held[len(text) :]

    def _give(self, text: str) -> Iterator[Chunk]:
        if text and (self.begun or not text.isspace()):
            yield Chunk(text, starts_document=not self.begun)
            self.begun = True
