"""Listings as plain text, for pipes: aligned, whole, without colour."""

import unicodedata
from collections.abc import Iterator, Sequence

from rnngen.printable import shown


def plain_table(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> Iterator[str]:
    """Columns two spaces apart, whole and without colour: for ``grep`` and ``awk``."""
    texts = [list(columns), *([cell(value) for value in row] for row in rows)]
    widths = [max(_width(row[index]) for row in texts) for index in range(len(columns))]
    right = [numeric([row[index] for row in rows]) for index in range(len(columns))]
    for row in texts:
        cells = (
            " " * (width - _width(text)) + text if pushed else text + " " * (width - _width(text))
            for text, width, pushed in zip(row, widths, right, strict=True)
        )
        yield "  ".join(cells).rstrip()


def cell(value: object) -> str:
    """A value as one line of text; ``None`` is empty."""
    return "" if value is None else shown(str(value))


def numeric(values: Sequence[object]) -> bool:
    """Whether a column holds numbers and nothing else, and so stands to the right."""
    numbers = [isinstance(value, int | float) for value in values if value is not None]
    return bool(numbers) and all(numbers)


def _width(text: str) -> int:
    """Columns that a terminal gives the text."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(bool(unicodedata.combining(char)) for char in text)
