"""Pictures below one another, as one."""

from dataclasses import dataclass
from html import escape

from rnngen.plots.pages import Figure
from rnngen.plots.sheet import PAD, Sheet, one_line


@dataclass(frozen=True)
class Stack(Figure):
    """Pictures below one another."""

    title: str
    parts: tuple[Figure, ...]

    def lay_out(self, sheet: Sheet) -> None:
        """Lay them out from top to bottom."""
        for part in self.parts:
            part.lay_out(sheet)
            sheet.height += PAD

    def describe(self) -> str:
        """Describe all of them."""
        return "; ".join(part.describe() for part in self.parts)

    def body(self) -> str:
        """Write all of them, each under its heading."""
        return "\n".join(
            f'<h2 class="title">{escape(one_line(part.title))}</h2>\n{part.body()}' for part in self.parts
        )
