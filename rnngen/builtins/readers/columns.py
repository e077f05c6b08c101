"""The columns of a table: its header, and which columns hold the text and what belongs to it."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from rnngen.builtins.headers import LOOKED_AT, is_header
from rnngen.builtins.options import TableOptions
from rnngen.contracts import Chunk, note, whole_text
from rnngen.errors import CorpusError

SHOWN = 200
"""Characters of a cell that are kept to recognise a header by."""
LABEL_RECURS = 4
"""Times that a label recurs on average at least, by which a second column of labels is recognised."""
LISTED = 30
"""Characters of a cell that a message shows."""


def is_blank(row: Sequence[str]) -> bool:
    """Return whether there is nothing but white space in a row."""
    joined = "".join(row)
    return not joined or joined.isspace()


@dataclass
class Shape:
    """The rows of a table, counted by their number of columns."""

    widths: Counter[int] = field(default_factory=Counter)
    first: dict[int, int] = field(default_factory=dict)
    """The line of the first row of each width."""
    head: list[list[str]] = field(default_factory=list)
    """The first rows, their cells cut short."""

    def see(self, number: int, row: list[str]) -> None:
        """Count a row, unless it is blank."""
        if is_blank(row):
            return
        self.widths[len(row)] += 1
        self.first.setdefault(len(row), number)
        if len(self.head) <= LOOKED_AT:
            self.head.append([cell[:SHOWN] for cell in row])

    @property
    def rows(self) -> int:
        """Number of rows."""
        return self.widths.total()

    @property
    def width(self) -> int:
        """Columns of most rows."""
        return self.widths.most_common(1)[0][0] if self.widths else 0

    @property
    def even(self) -> float:
        """The share of rows that are so wide."""
        return self.widths[self.width] / self.rows if self.rows else 1.0

    @property
    def odd(self) -> tuple[int, int] | None:
        """The line and the width of the first row of another width."""
        others = sorted((line, width) for width, line in self.first.items() if width != self.width)
        return others[0] if others else None

    @property
    def columns(self) -> list[list[str]]:
        """The first rows that are as wide as most."""
        return [row for row in self.head if len(row) == self.width]


@dataclass(frozen=True)
class Columns:
    """The columns to read.

    Without names in the options, a column ``text`` is the text, and ``source`` or ``label`` belongs to it.
    Else an only column is the text; of two, the second is, where it has a source or a label, the first,
    unless the second alone holds a few values that recur: these are labels. What was chosen for the first
    table of a text holds for the others, and its header is one there.
    """

    header: list[str] | None
    """The cells of the first row, if it is no example."""
    text: int
    """The column of the text, from 0."""
    beside: int | None
    """The column of its source or label, where it has one."""
    kind: str
    """The word for what that holds."""
    width: int
    named: bool
    """True if the options name a column."""
    name: str
    """The file, for messages."""

    @classmethod
    def of(cls, shape: Shape, options: TableOptions, name: str) -> "Columns":
        """Choose the columns, or raise ``CorpusError`` with the columns that there are."""
        given = [one for one in (options.field, options.source_field) if one is not None]
        named = bool(given)
        if shape.odd and not (named and shape.columns):
            raise CorpusError(f"{name}: {_ragged(shape, options.beside)}")
        header = _header(shape, options.header, given)
        chooser = _Chooser(name, header, shape, options)
        text, beside = chooser.choose()
        return cls(header, text, beside, options.beside or "", shape.width, named, name)

    @property
    def chosen(self) -> str:
        """The columns that were chosen, in words."""
        beside = f", the {self.kind} from {self._called(self.beside)}" if self.beside is not None else ""
        return f"the text is from {self._called(self.text)}{beside}"

    def _called(self, column: int) -> str:
        names = self.header or []
        return f"column {names[column]!r}" if column < len(names) else f"column {column + 1}"

    def chunks(self, rows: Iterable[tuple[int, list[str]]]) -> Iterator[Chunk]:
        """Yield a record for each row; one without a text is left out, where that is all it would hold.

        But where records go with the lines of another file, all of them are given.
        """
        empty, by_line = 0, whole_text().by_line
        for number, row in rows:
            text = "" if by_line and is_blank(row) else self._cell(number, row, self.text)
            if self.beside is None:
                if by_line or (text and not text.isspace()):
                    yield Chunk(text, True, is_record=True)
                else:
                    empty += 1
                continue
            source = self._cell(number, row, self.beside)
            for column, cell in ((self.beside, source), (self.text, text)):
                if not cell.strip():
                    where = f"{self.name}: line {number}: {self._called(column)}"
                    raise CorpusError(f"{where} is empty; fill it in, or remove the row")
            yield Chunk(text, True, source, is_record=True, line=number)
        if empty:
            note("rows left out, as their text is empty: {rows:,}", self.name, rows=empty)

    def _cell(self, number: int, row: Sequence[str], column: int) -> str:
        if column < len(row):
            return row[column]
        raise CorpusError(
            f"{self.name}: line {number} has {_columns(len(row))}, and others {self.width}: "
            f"{self._called(column)} is missing; mend the line"
        )


def _header(shape: Shape, wanted: bool | None, given: Sequence[str]) -> list[str] | None:
    """Return the first row, if it is asked for, or holds a name that is given, or looks like a header.

    One that is the same as that of the first table of a text is a header, too.
    """
    first, *rows = shape.columns
    cells = [cell.strip() for cell in shape.head[0]]
    table = whole_text().labels
    if wanted is None and shape.head[0] == first:
        known = (*cells,) == table.header or any(name in cells for name in given)
        wanted = known or is_header(first, rows)
    if table.header is None:
        table.header = (*cells,) if wanted else ()
    return cells if wanted else None


@dataclass(frozen=True)
class _Chooser:
    """The choice of columns."""

    name: str
    header: list[str] | None
    shape: Shape
    options: TableOptions

    def choose(self) -> tuple[int, int | None]:
        """Return the columns of the text and of what is beside it."""
        kind, width = self.options.beside, self.shape.width
        text = self._found(self.options.field, "text")
        if kind is None:
            if text is None and width > 1:
                which = "that of the text with `field`"
                if width == 2:
                    which = f"the task if both are to be learnt (`task=pairs` or `task=labelled`), or {which}"
                raise self._unnamed(which)
            return text or 0, None
        beside = self._found(self.options.source_field, kind)
        if width == 2:
            text, beside = self._of_two(text, beside)
        if width < 2 or text is None or beside is None:
            raise self._unnamed(f"those of the {kind} and of the text with `{kind}_field` and `field`")
        if text == beside:
            raise CorpusError(f"{self.name}: `field` and `{kind}_field` name the same column; name two")
        return text, beside

    def _of_two(self, text: int | None, beside: int | None) -> tuple[int, int]:
        if beside is None:
            beside = 1 - text if text is not None else int(self._label_is_last())
        labels, names = whole_text().labels, self.header or []
        if labels.last is None:
            labels.last, labels.place = bool(beside), self.name
            labels.name = names[beside] if beside < len(names) else None
        return 1 - beside if text is None else text, beside

    def _label_is_last(self) -> bool:
        """Return whether the second column holds the labels: as in the tables before, or as it looks.

        Raises:
            CorpusError: if it is not as in the tables before.
        """
        if self.options.beside != "label":
            return False
        labels, header = whole_text().labels, self.header or []
        if labels.name in header:
            return header.index(labels.name) == 1
        last = self._shows_labels_last(labels.known)
        if labels.last is None or last is None:
            return bool(last if labels.last is None else labels.last)
        if last != labels.last:
            raise CorpusError(
                f"{self.name}: the labels seem to be in column {last + 1}, and in {labels.place} they are in "
                f"column {labels.last + 1}; name those of the label and of the text with `label_field` and "
                "`field`"
            )
        return last

    def _shows_labels_last(self, known: Collection[str]) -> bool | None:
        """Return whether the second column looks more like labels than the first; None if neither does."""
        rows = self.shape.columns[self.header is not None :]
        columns = [[row[column] for row in rows] for column in (0, 1)]
        met = [sum(cell in known for cell in cells) for cells in columns]
        recurs = [LABEL_RECURS * len(set(cells)) < len(cells) for cells in columns]
        return next((last > first for first, last in (met, recurs) if first != last), None)

    def _found(self, given: str | None, usual: str) -> int | None:
        """Return the column of a name or a number or, where none is given, that of the usual name."""
        names = self.header or []
        if given is None:
            return next((at for at, name in enumerate(names) if name.casefold() == usual), None)
        if given in names:
            return names.index(given)
        if given.isdecimal() and 1 <= int(given) <= self.shape.width:
            return int(given) - 1
        near = get_close_matches(given, names, n=1, cutoff=0.5)
        mend = f"did you mean {near[0]!r}?" if near else f"there is {self._listed()}"
        raise CorpusError(f"{self.name}: no column {given!r}; {mend}")

    def _unnamed(self, which: str) -> CorpusError:
        width = self.shape.width
        found = _columns(width) + (f" ({self._listed()})" if width > 1 else f", as {self._listed()}")
        return CorpusError(f"{self.name} has {found}; name {which}, by name or number")

    def _listed(self) -> str:
        cells = [cell if len(cell) <= LISTED else f"{cell[:LISTED]}…" for cell in self.shape.columns[0]]
        return ", ".join(f"{number} {cell!r}" for number, cell in enumerate(cells, start=1))


def _ragged(shape: Shape, kind: str | None) -> str:
    """Name the first row of another width, how many are as wide as most, and the ways out."""
    line, width = shape.odd or (0, 0)
    others = shape.widths[shape.width]
    beside = f" and `{kind}_field`" if kind else ""
    ways = f"mend the line, choose columns by name or number with `field`{beside}"
    if kind == "source":
        ways += ", or give two files with `source` and `target`"
    return f"line {line:,} has {_columns(width)}, {others:,} others have {shape.width}; {ways}"


def _columns(width: int) -> str:
    return "one column" if width == 1 else f"{width} columns"
