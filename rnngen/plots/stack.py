"""Pictures below one another, as one."""

from dataclasses import dataclass, replace
from html import escape
from typing import Protocol

from rnngen.plots.pages import plain_page
from rnngen.plots.sheet import Box, Columns, Mark, Measure, Picture, Sheet, Stroke, Words, one_line


class Part(Picture, Protocol):
    """A picture that can stand on a page with others."""

    def body(self) -> str:
        """Write its part of a page."""


@dataclass(frozen=True)
class Stack:
    """Pictures below one another."""

    title: str
    parts: tuple[Part, ...]

    def compose(self, measure: Measure) -> Sheet:
        """Lay them out from top to bottom."""
        sheet = Sheet(measure, height=0.0)
        for part in self.parts:
            below = part.compose(measure)
            for mark in below.marks:
                sheet.put(moved(mark, sheet.height))
            sheet.height += below.height
        return sheet

    def describe(self) -> str:
        """Describe all of them."""
        return "; ".join(part.describe() for part in self.parts)

    def page(self) -> str:
        """Write a page with a heading for each."""
        bodies = (f"<h2>{escape(one_line(part.title))}</h2>\n{part.body()}" for part in self.parts)
        return plain_page(self.title, "\n".join(bodies))


def moved(mark: Mark, down: float) -> Mark:
    """Return a mark further down."""
    match mark:
        case Stroke():
            return replace(mark, points=tuple((x, y + down) for x, y in mark.points))
        case Box() | Words() | Columns():
            return replace(mark, y=mark.y + down)
