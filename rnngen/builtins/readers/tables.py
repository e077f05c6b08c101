"""Tables: CSV and TSV, a document a row.

A file is read twice, so that nothing has to be guessed from its beginning: once for its shape, the number of
columns and whether quotes quote, and once for its cells. Both times it streams.
"""

import csv
import shutil
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import dropwhile, islice
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO

from rnngen import encodings
from rnngen.builtins.line_ends import LineEnds, ended, lines
from rnngen.builtins.options import TableOptions
from rnngen.builtins.readers.columns import Columns, Shape, is_blank
from rnngen.contracts import Chunk, note, whole_text
from rnngen.errors import CorpusError

SIGNS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
"""Signs between columns, the surest first: a comma stands in many texts, a tab in few."""
SAMPLE = 1_000
"""Lines by which the sign is recognised."""
MOST_ROWS = 0.9
"""The share of rows that have as many columns as one another where a table is read rightly."""
LONGEST = 1 << 24
"""Characters of a cell at most."""

Row = tuple[int, list[str]]
"""The number of a row's first line, and its cells."""


def read_csv(stream: BinaryIO, name: str, options: TableOptions) -> Iterator[Chunk]:
    """Read a document a row, its columns separated by commas, semicolons, tabs or bars.

    Raises:
        CorpusError: at a row that is not as wide as the others, has a quote that is not closed, or has no
            text for its source; if no column is named and there are several; also as ``read_text`` does.
        UsageError: if there is no such encoding.
    """
    yield from _read(stream, name, options, SIGNS)


def read_tsv(stream: BinaryIO, name: str, options: TableOptions) -> Iterator[Chunk]:
    """Read the same, its columns separated by tabs."""
    yield from _read(stream, name, options, ["\t"])


def _read(stream: BinaryIO, name: str, options: TableOptions, signs: Iterable[str]) -> Iterator[Chunk]:
    with _rewindable(stream) as kept:
        sign = _recognised([*islice(_lines(kept, name, options), SAMPLE)], signs)
        scan = _Scan(_lines(kept, name, options), sign, name)
        if not scan.shape.rows:
            return
        columns = Columns.of(scan.shape, options, name)
        _report(scan, columns, name)
        text = ended(_lines(kept, name, options))
        rows = _quoted(text, sign) if scan.quotes else _plain(text, sign)
        width = columns.width if whole_text().by_line else 0  # there, blank cells are a row
        rows = (row for row in rows if not is_blank(row[1]) or max(1, len(row[1])) == width)
        if columns.header is not None:
            rows = islice(dropwhile(lambda row: is_blank(row[1]), rows), 1, None)
        yield from columns.chunks(rows)


@contextmanager
def _rewindable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give the stream, or a copy on disk of one that cannot be read again."""
    if stream.seekable():
        yield stream
        return
    with SpooledTemporaryFile(LONGEST) as kept:
        shutil.copyfileobj(stream, kept)
        copy: Any = kept
        yield copy


def _lines(stream: BinaryIO, name: str, options: TableOptions) -> Iterator[str]:
    stream.seek(0)
    return lines(encodings.read(stream, name, options.encoding))


def _recognised(sample: Sequence[str], signs: Iterable[str]) -> str:
    """Return the sign at which most rows of a sample have as many columns, two or more; else the last."""
    *others, last = signs

    def evenness(sign: str) -> float:
        widths = Counter(len(row) for _, row in _sampled(sample, sign) if not is_blank(row))
        width, count = widths.most_common(1)[0] if widths else (1, 0)
        return count / widths.total() if width > 1 else 0

    best = max([*others, last], key=evenness)
    return best if evenness(best) else last


def _sampled(sample: Sequence[str], sign: str) -> list[Row]:
    try:
        return [*_quoted(sample, sign, strict=False)]
    except csv.Error:
        return [(number, line.split(sign)) for number, line in enumerate(sample)]


def _quoted(text: Iterable[str], sign: str, *, strict: bool = True) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), min(LONGEST, sys.maxsize)))
    reader, number = csv.reader((f"{line}\n" for line in text), delimiter=sign, strict=strict), 1
    for row in reader:
        yield number, row
        number = reader.line_num + 1


def _plain(text: Iterable[str], sign: str) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        yield number, line.removesuffix("\r").split(sign)


# ── The shape ──────────────────────────────────────────────────────────────────────────────────────────────


class _Scan:
    """The shape of a table, with quotes and without, and which of the two holds.

    Quotes hold if every quoted cell is closed before a sign or a line end: ``"Hello," he said`` is none. Else
    they are text, if the lines are a table without them.
    """

    def __init__(self, text: Iterator[str], sign: str, name: str) -> None:
        self.sign, self.ends, self.plain, self.opened = sign, LineEnds(), Shape(), 0
        quoted, self.several, self.fault = Shape(), False, 1
        passing = self._counted(text)
        try:
            for number, row in _quoted(passing, sign):
                self.several = self.several or number > self.fault
                self.fault = number + 1
                quoted.see(number, row)
            self.fault = 0
        except csv.Error:
            deque(passing, maxlen=0)
        self._check(name)
        by_chance = self.plain.even == 1 and self.plain.width > 1 and quoted.rows < self.plain.rows
        self.quotes = self.opened > 0 and not self.fault and not by_chance
        self.shape = quoted if self.quotes else self.plain

    def _counted(self, text: Iterator[str]) -> Iterator[str]:
        """Pass lines on, after counting what is in them."""
        inner = f'{self.sign}"'
        for number, line in enumerate(text, start=1):
            self.ends.returns += line.count("\r")
            self.ends.feeds += 1
            self.opened += line.startswith('"') + line.count(inner)
            self.plain.see(number, line.removesuffix("\r").split(self.sign))
            yield line

    def _check(self, name: str) -> None:
        """Refuse lines that end in carriage returns, and quotes that neither quote nor are text."""
        self.ends.feeds -= 1  # the last line is what follows the last line feed
        try:
            self.ends.check()
        except ValueError as error:
            raise CorpusError(f"{name}: {error}") from error
        as_lines = self.plain.even >= MOST_ROWS and (self.plain.width > 1 or not self.several)
        if self.fault and self.opened and not as_lines:
            raise CorpusError(
                f"{name}: line {self.fault}: a quoted cell that begins here or below is not closed, or text "
                'follows its closing quote; a quote within a quoted cell is written twice, ""'
            )


def _report(scan: _Scan, columns: Columns, name: str) -> None:
    """Note what was recognised, where it is more than columns that are separated by tabs."""
    found = []
    if scan.shape.width > 1 and scan.sign != "\t":
        found.append(f"{scan.shape.width} columns, separated by {SIGNS[scan.sign]}")
    if columns.header is not None:
        names = ", ".join(repr(cell) for cell in columns.header)
        found.append(f"the first row is a header ({names}), and no example; --no-header makes one of it")
    if scan.shape.width > 1 and (found or columns.named):
        found.append(columns.chosen)
    if scan.fault and scan.opened:
        found.append(f"quotes are text, as not all of them close a cell (from line {scan.fault} on)")
    elif scan.quotes:
        found.append(f"cells in quotes, which are no part of the text: {scan.opened:,}")
    if odd := scan.shape.odd:
        others = scan.shape.rows - scan.shape.widths[scan.shape.width]
        found.append(
            f"rows that have not {scan.shape.width} columns: {others:,} (line {odd[0]:,} has {odd[1]})"
        )
    if found:
        note("; ".join(found), name)
