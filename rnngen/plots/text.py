r"""A text whose characters have colours, as of surprisal or of a unit's activation.

::

    runs     "The" 0.8 │ " cat" 0.1 │ "\n" 0.0        a number from 0 to 1, or from -1 to 1, a colour
    lines    The cat⏎                                 wrapped at a width, in columns of one width
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

from rnngen.plots.pages import Figure
from rnngen.plots.sheet import (
    INK,
    LARGE,
    LONGEST,
    MUTED,
    PAD,
    PAPER,
    SIGNS,
    SIZE,
    SMALL,
    Box,
    Columns,
    Sheet,
    Words,
    colour,
    cut,
    ink,
    one_line,
    two_sided,
)
from rnngen.printable import columns_of

Kind: TypeAlias = Literal["heat", "two-sided"]
COLUMN, ROW = 9.0, 24.0
"""Pixels of a column and of a line."""
WIDE = 100
"""Columns of a line in a file."""


@dataclass(frozen=True)
class Run:
    """A piece of the text."""

    text: str
    value: float | None
    """From 0 to 1 for ``heat``, from -1 to 1 for ``two-sided``; None for what stands beside the text, without
    colour, its line ends as they are."""
    about: str = ""
    """Its meaning in words, for pictures with tooltips."""


@dataclass(frozen=True)
class ColouredText(Figure):
    """A text in colours, with the scale that explains them, and notes below."""

    title: str
    runs: tuple[Run, ...]
    kind: Kind = "heat"
    scale: tuple[tuple[float, str], ...] = ()
    """Values, and what each stands for."""
    meaning: str = ""
    """The heading of the scale."""
    notes: tuple[str, ...] = ()
    signs: bool = True
    """Whether signs stand for the colours where there are none; False where the text says it all."""

    def lay_out(self, sheet: Sheet) -> None:
        """Lay it out in columns, line below line."""
        sheet.line(cut(one_line(self.title), 2 * LONGEST), LARGE)
        self._scale(sheet)
        for line in wrapped(self.runs, WIDE):
            self._line(sheet, line)
        sheet.height += PAD / 2
        for text in self.notes:
            sheet.line(one_line(text), SMALL, MUTED)
        sheet.height += PAD / 2

    def _scale(self, sheet: Sheet) -> None:
        left, middle = PAD, sheet.height + ROW / 2
        if self.meaning:
            sheet.put(Words(left, middle, self.meaning, SMALL, MUTED))
            left += sheet.measure(self.meaning, SMALL) + PAD / 2
        for value, text in self.scale:
            size = sheet.measure(text, SMALL) + PAD / 2
            sheet.put(Box(left, sheet.height + 2, size, ROW - 4, self.fill(value)))
            sheet.put(Words(left + size / 2, middle, text, SMALL, self.ink(value), "middle"))
            left += size
        sheet.height += (ROW + PAD / 2) * bool(self.scale)

    def _line(self, sheet: Sheet, line: Sequence[Run]) -> None:
        at = PAD
        for run in line:
            width = COLUMN * columns_of(run.text)
            fill = PAPER if run.value is None else self.fill(run.value)
            if fill != PAPER or run.about:
                sheet.put(Box(at, sheet.height, width, ROW, fill, run.about))
            pen = INK if run.value is None else self.ink(run.value)
            sheet.put(Columns(at, sheet.height + ROW / 2, run.text, COLUMN, SIZE, pen))
            at += width
        sheet.height += ROW

    def fill(self, value: float) -> str:
        """Return the colour of a value."""
        return two_sided(value) if self.kind == "two-sided" else colour(value)

    def ink(self, value: float) -> str:
        """Return the ink that stands out from it."""
        if self.kind == "two-sided":
            return PAPER if abs(value) > 0.92 else INK
        return ink(value)

    def describe(self) -> str:
        """Return the notes."""
        return "; ".join(map(one_line, self.notes))

    def body(self) -> str:
        """Write the text in HTML: pointing at a piece of it shows what its colour stands for."""
        scale = "".join(
            f'<span style="{self._style(value)};padding:.1em .5em">{escape(text)}</span>'
            for value, text in self.scale
        )
        text = "".join(map(self._span, self.runs))
        notes = "".join(f"<li>{escape(one_line(note))}</li>" for note in self.notes)
        # A tree is drawn from left to right, whatever the direction of its tokens.
        way = "ltr" if any(run.value is None for run in self.runs) else "auto"
        return (
            f'<p class="scale">{escape(self.meaning)} {scale}</p><p class="text" dir="{way}">{text}</p>'
            + (f"<ul>{notes}</ul>" if notes else "")
        )

    def _span(self, run: Run) -> str:
        if run.value is None:
            return escape(run.text)
        shown = escape(visible(run.text)).replace("⏎", "⏎<br>")
        about = f' title="{escape(run.about)}"' if run.about else ""
        return f'<span style="{self._style(run.value)}"{about}>{shown}</span>'

    def _style(self, value: float) -> str:
        return f"background:{self.fill(value)};color:{self.ink(value)}"


def visible(text: str) -> str:
    """Return a text with signs for the ends of lines and for tabs, on one line."""
    return one_line(text.translate(SIGNS))


def wrapped(runs: Sequence[Run], width: int) -> Iterator[list[Run]]:
    """Split runs into lines: after the end of a line of the text, and where ``width`` columns are full."""
    line: list[Run] = []
    used = 0
    for run in runs:
        text = ""
        for char in run.text if run.value is None else visible(run.text):
            if char == "\n":  # of what is no part of the text
                yield [*line, Run(text, None)] if text else line
                line, text, used = [], "", 0
                continue
            size = columns_of(char)
            if used + size > width:
                head, rest = _broken(text, char) if run.value is None else (text, "")
                yield [*line, Run(head, run.value, run.about)] if head else line
                line, text, used = [], rest, columns_of(rest)
                if run.value is None and char == " ":
                    continue
            text += char
            used += size
            if char == "⏎":
                yield [*line, Run(text, run.value, run.about)]
                line, text, used = [], "", 0
        if text:
            line.append(Run(text, run.value, run.about))
    if line:
        yield line


def _broken(text: str, then: str) -> tuple[str, str]:
    """Split words where a line is full: what stays, and the beginning of the word that goes on."""
    if then == " " or " " not in text.strip():
        return text, ""
    head, _, rest = text.rpartition(" ")
    return head, rest
