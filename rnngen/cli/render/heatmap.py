"""Draws an alignment with characters: the source across, the target down, a cell as bright as its weight.

A column is as wide as its word, so that the heading is the source itself; columns that do not fit go on in
panels below, like a line of text. Without colour, shades of characters stand for the weights::

            How  are  you   ?    ∎
         你  ·   ▒38▒ ▓62▓  ·    ·
         好 ▓72▓ ░22░ ░6░░  ·    ·
         吗  ·   ░12░ ░5░░ █80█  ·

Widths are in terminal cells, of which a Chinese character takes two.
"""

from collections.abc import Callable, Iterator
from itertools import accumulate, pairwise
from typing import TypeAlias

from rich.cells import cell_len

from rnngen.plots.sheet import Grid, blend, label, legend

Piece: TypeAlias = tuple[str, str]
"""Some characters and their style, as rich names it."""
Line: TypeAlias = list[Piece]
Paint: TypeAlias = Callable[[float], Piece]
"""Weight → the character that fills its cell, and its style."""

STEPS = (0.05, 0.25, 0.5, 0.75)
"""The weights at which the shade gets darker; below the first, no number is written."""
SHADES = " ░▒▓█"
TRACE = "·"
"""Stands in an empty cell where there is no colour, to mark its column."""
SIXTEEN = (
    "white on black",
    "white on blue",
    "black on cyan",
    "black on bright_cyan",
    "black on bright_yellow",
)
GRADIENT = ((13, 17, 45), (38, 70, 140), (33, 145, 140), (122, 209, 81), (253, 231, 37))
"""From dark to bright, whatever the ground of the terminal."""
DIM = "bright_black"

SHARE = 3
"""The part of the width, one in so many, that the names of targets take at most."""
LONGEST = 24
"""The cells that a name takes at most."""


def paint(colours: str | None) -> Paint:
    """Choose how to show weights: in ``truecolor``, ``256``, ``standard`` for sixteen, or None for none."""
    if colours is None:
        return lambda weight: (SHADES[_level(weight)], "")
    if colours == "truecolor":
        return lambda weight: (" ", _style(weight))
    if colours == "256":  # its darkest blue is far from black: a tiny weight would catch the eye
        return lambda weight: (" ", _style(weight if _level(weight) else 0.0))
    return lambda weight: (" ", SIXTEEN[_level(weight)])


def draw(
    alignment: Grid, width: int, paint: Paint, *, scale: str = "weight in %", peaks: bool = True
) -> list[Line]:
    """Draw an alignment in lines of at most ``width`` cells; below several panels, list the ``peaks``."""
    if not alignment.source or not alignment.target:
        return []
    grid = _Grid(alignment, width - 1, paint, scale)
    lines: list[Line] = []
    for number, columns in enumerate(grid.panels, 1):
        rows = (grid.row(row, columns) for row in range(len(grid.targets)))
        lines += [grid.heading(columns, number), *rows, []]
    if peaks and (len(grid.panels) > 1 or not grid.gap):
        lines += [*grid.peaks(alignment), []]
    return [_stripped(line) for line in [*lines, *grid.legend()]]


class _Grid:
    """Names cut to size, and the places of the columns, in lines of ``width`` cells."""

    def __init__(self, alignment: Grid, width: int, paint: Paint, scale: str) -> None:
        self.paint, self.scale = paint, scale
        limit = max(min(LONGEST, width // SHARE), 2)
        self.weights: list[list[float]] = alignment.weights.tolist()
        self.sources = [clip(label(text), limit) for text in alignment.source]
        self.targets = [clip(label(text), limit) for text in alignment.target]
        self.margin = max(map(cell_len, [*self.targets, "1/9"]))
        self.room = max(width - self.margin - 1, limit + 1)
        sizes = [max(cell_len(name), 1) for name in self.sources]
        self.widths, self.gap = _widths(sizes, self.room, shaded=not paint(0.0)[1])
        starts, used = [0], 0
        for column, size in enumerate(self.widths):
            if used + size + self.gap > self.room:
                starts, used = [*starts, column], 0
            used += size + self.gap
        self.panels = [range(a, b) for a, b in pairwise([*starts, len(sizes)])]
        """The columns of each panel."""

    def heading(self, columns: range, number: int) -> Line:
        count = len(self.panels)
        corner = f"{number}/{count}" if count > 1 else ""
        names = (_centred(self.sources[at], self.widths[at]) + " " * self.gap for at in columns)
        return [(f"{corner[: self.margin]:>{self.margin}} ", DIM), ("".join(names).rstrip(), "bold")]

    def row(self, row: int, columns: range) -> Line:
        name = self.targets[row]
        cells = (self._cell(self.weights[row][at], self.widths[at], self.gap) for at in columns)
        return [(" " * (self.margin - cell_len(name)) + name + " ", "bold"), *cells]

    def peaks(self, alignment: Grid) -> list[Line]:
        """List for every target its strongest source, with its place where several have that name."""
        texts = []
        for row, name in enumerate(self.targets):
            best = alignment.best(row)
            place = f"#{best + 1}" if self.sources.count(self.sources[best]) > 1 else ""
            head, tail = f"{name} ← ", f"{place} ({self.weights[row][best]:.2f})"
            free = self.margin + 1 + self.room - cell_len(head + tail)
            texts.append(head + clip(self.sources[best], max(free, 2)) + tail)
        size = max(map(cell_len, texts)) + 3
        count = max((self.margin + self.room) // size, 1)
        padded = [text + " " * (size - cell_len(text)) for text in texts]
        return [[("".join(padded[at : at + count]).rstrip(), "")] for at in range(0, len(padded), count)]

    def legend(self) -> Iterator[Line]:
        """Explain the shades and the signs."""
        room, title = self.margin + 1 + self.room, f"{self.scale} "
        scale = [self._cell(weight, 4, gap=1) for weight in (*STEPS, 1.0)]
        if len(title) + 5 * len(scale) <= room:
            yield [(title, DIM), *scale]
        else:
            count = max(room // 5, 1)
            yield [(clip(title, room), DIM)]
            yield from (scale[at : at + count] for at in range(0, len(scale), count))
        signs = legend([*self.sources, *self.targets])
        line = "   ".join(signs)
        for text in signs if cell_len(line) > room else [line] * bool(signs):
            yield [(clip(text, room), DIM)]

    def _cell(self, weight: float, size: int, gap: int) -> Piece:
        """Draw a cell and the gap behind it, which has the cell's colour but not its shade."""
        fill, style = self.paint(weight)
        number = f"{100 * weight:.0f}" if gap and weight >= STEPS[0] else ""
        if style:
            return f"{number:^{size + gap}}", style
        inside = TRACE if gap and fill == " " else number if size >= 4 else ""
        return f"{inside:{fill}^{size}}" + " " * gap, ""


def _widths(sizes: list[int], room: int, *, shaded: bool) -> tuple[list[int], int]:
    """Choose the widths of columns and of the gaps between them, from the sizes of their names.

    Each column has room for a number if all fit so, else for its name at least; but single characters that do
    not all fit stand as close as in a text.
    """
    for least in (4, 2) if shaded else (2,):
        widths = [max(size, least) for size in sizes]
        if sum(widths) + len(widths) <= room:
            return widths, 1
    return (widths, 1) if max(sizes) > 2 else (sizes, 0)


def _stripped(line: Line) -> Line:
    """Remove the invisible blanks at the end of a line."""
    if not line or line[-1][1]:
        return line
    rest = line[-1][0].rstrip()
    return [*line[:-1], (rest, "")] if rest else _stripped(line[:-1])


def _level(weight: float) -> int:
    return sum(weight >= step for step in STEPS)


def _style(weight: float) -> str:
    """Return the colour of a weight, under an ink that stands out from it."""
    red, green, blue = blend(GRADIENT, weight)
    return f"{'#000000' if green > 120 else '#ffffff'} on #{red:02x}{green:02x}{blue:02x}"


def clip(text: str, limit: int) -> str:
    """Return the text, or its beginning and ``…``."""
    if cell_len(text) <= limit:
        return text
    ends = accumulate(map(cell_len, text))
    return text[: sum(end < limit for end in ends)] + "…"


def _centred(text: str, size: int) -> str:
    free = size - cell_len(text)
    return " " * (free // 2) + text + " " * (free - free // 2)
