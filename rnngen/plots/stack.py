"""Pictures below one another, as one."""

from dataclasses import dataclass
from html import escape
from typing import Protocol

from rnngen.plots.pages import plain_page
from rnngen.plots.sheet import PAD, Picture, Sheet, one_line


class Part(Picture, Protocol):
    """A picture that can stand on a page with others."""

    def body(self) -> str:
        """Write its part of a page."""


@dataclass(frozen=True)
class Stack:
    """Pictures below one another."""

    title: str
    parts: tuple[Part, ...]

    def lay_out(self, sheet: Sheet) -> None:
        """Lay them out from top to bottom."""
        for part in self.parts:
            part.lay_out(sheet)
            sheet.height += PAD

    def describe(self) -> str:
        """Describe all of them."""
        return "; ".join(part.describe() for part in self.parts)

    def page(self) -> str:
        """Write a page with a heading for each."""
        bodies = (
            f'<h2 class="title">{escape(one_line(part.title))}</h2>\n{part.body()}' for part in self.parts
        )
        return plain_page(self.title, "\n".join(bodies))
