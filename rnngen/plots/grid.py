"""Maps of colours, as of attention weights: a row a target, a column a source.

::

    title
              It  's very easy          the source, slanted where its words are long
         听   ▓▓  ░░
         起       ▓▓                    the target
    weight in %  0 25 50 75 100
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

from rnngen.plots.pages import Figure
from rnngen.plots.sheet import (
    CELL,
    LARGE,
    LONGEST,
    MUTED,
    PAD,
    PAPER,
    SIZE,
    SMALL,
    Box,
    Grid,
    Sheet,
    Words,
    colour,
    cut,
    ink,
    label,
    legend_of,
    one_line,
)

WRITTEN = 0.05
"""The smallest weight that is written into its cell."""
DRAWN = 0.0005
"""The smallest weight that is drawn as a cell upon the ground."""
WEIGHT = "weight in %"


@dataclass(frozen=True)
class Grids(Figure):
    """Several maps below one another."""

    alignments: Sequence[Grid]
    title: str
    scale: str = WEIGHT
    """The meaning of the colours."""
    notes: tuple[str, ...] = ()

    def lay_out(self, sheet: Sheet) -> None:
        """Lay them out from top to bottom."""
        sheet.line(cut(one_line(self.title), 2 * LONGEST), LARGE)
        for number, alignment in enumerate(self.alignments, 1):
            sheet.line(f"{number}" if len(self.alignments) > 1 else "", SIZE, MUTED)
            _grid(sheet, alignment)
        _scale(sheet, self.scale)
        sheet.line("   ".join(legend_of(self.alignments)), SMALL, MUTED)
        sheet.height += PAD / 2
        for text in self.notes:
            sheet.line(one_line(text), SMALL, MUTED)

    def describe(self) -> str:
        """Name the strongest source of each target."""
        return "; ".join(
            f"{label(target)} ← {label(one.source[best])} ({one.weights[row, best]:.2f})"
            for one in self.alignments
            for row, target in enumerate(one.target)
            if one.source and one.weights[row, best := one.best(row)]
        )


@dataclass(frozen=True)
class Alignments(Grids):
    """Maps of attention weights."""

    def page(self) -> str:
        """Write a page on which pointing at a word shows its weights."""
        from rnngen.plots.html import draw

        return draw(self.alignments, self.title)


def _grid(sheet: Sheet, alignment: Grid) -> None:
    sources = [cut(label(text), LONGEST) for text in alignment.source]
    targets = [cut(label(text), LONGEST) for text in alignment.target]
    left = PAD + max((sheet.measure(name, SIZE) for name in targets), default=0.0) + PAD / 2
    _heading(sheet, sources, left)
    top = sheet.height
    for row, name in enumerate(targets):
        sheet.put(Words(left - PAD / 2, top + (row + 0.5) * CELL, name, anchor="end"))
    width, height = len(sources) * CELL, len(targets) * CELL
    sheet.put(Box(left, top, width, height, colour(0.0)))
    for row, (target, weights) in enumerate(zip(targets, alignment.weights.tolist(), strict=True)):
        for column, (source, weight) in enumerate(zip(sources, weights, strict=True)):
            about = f"{target} ← {source}: {weight:.3f}"
            _cell(sheet, left + column * CELL, top + row * CELL, weight, about)
    for column in range(1, len(sources)):
        sheet.put(Box(left + column * CELL - 0.5, top, 1, height, PAPER))
    for row in range(1, len(targets)):
        sheet.put(Box(left, top + row * CELL - 0.5, width, 1, PAPER))
    sheet.height = top + height + PAD


def _heading(sheet: Sheet, names: Sequence[str], left: float) -> None:
    """Write the source above its columns."""
    longest = max((sheet.measure(name, SIZE) for name in names), default=0.0)
    slanted = longest > CELL - 4
    sheet.height += longest / sqrt(2) + SIZE if slanted else SIZE + PAD / 2
    anchor: Literal["start", "middle"] = "start" if slanted else "middle"
    y = sheet.height - (PAD / 4 if slanted else SIZE)
    for column, name in enumerate(names):
        sheet.put(Words(left + (column + 0.5) * CELL, y, name, anchor=anchor, slanted=slanted))


def _cell(sheet: Sheet, x: float, y: float, weight: float, about: str) -> None:
    if weight >= DRAWN:
        sheet.put(Box(x, y, CELL, CELL, colour(weight), about))
    if weight >= WRITTEN:
        sheet.put(Words(x + CELL / 2, y + CELL / 2, f"{100 * weight:.0f}", SMALL, ink(weight), "middle"))


def _scale(sheet: Sheet, text: str) -> None:
    """Explain the colours."""
    sheet.put(Words(PAD, sheet.height + CELL / 4, text, SMALL, MUTED))
    left = PAD + sheet.measure(text, SMALL) + PAD / 2
    for step in range(5):
        weight, x = step / 4, left + step * CELL
        sheet.put(Box(x, sheet.height, CELL, CELL / 2, colour(weight)))
        number = f"{100 * weight:.0f}"
        sheet.put(Words(x + CELL / 2, sheet.height + CELL / 4, number, SMALL, ink(weight), "middle"))
    sheet.height += CELL / 2 + PAD / 2
