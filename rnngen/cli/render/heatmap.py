"""Draws an alignment with characters: the source across, the target down, each cell as bright as its weight.

A column is as wide as its word, so that the heading is the source itself; what does not fit goes on in panels
below, as a line of text would. Without colour, shades of characters stand for it::

            How  are  you   ?    ∎
         你  ·   ▒38▒ ▓62▓  ·    ·
         好 ▓72▓ ░22░ ░6░░  ·    ·
         吗  ·   ░12░ ░5░░ █80█  ·

Widths are in terminal cells, of which a Chinese character takes two.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

from rnngen.plots.labels import label, legend

if TYPE_CHECKING:
    from rnngen.generation.alignment import Alignment

Piece: TypeAlias = tuple[str, str]
"""Some characters and their style, in rich's words."""
Paint: TypeAlias = Callable[[float], Piece]
"""What fills the cell of a weight, one character, and its style."""
Measure: TypeAlias = Callable[[str], int]
"""How many cells a text takes."""

STEPS = (0.05, 0.25, 0.5, 0.75)
"""The weights from which a shade is the next darker one; below the first, no number is written either."""
SHADES = " ░▒▓█"
TRACE = "·"
"""Stands in an empty cell where there is no colour, for the eye to find its column."""
SIXTEEN = (
    "white on black",
    "white on blue",
    "black on cyan",
    "black on bright_cyan",
    "black on bright_yellow",
)
GRADIENT = ((13, 17, 45), (38, 70, 140), (33, 145, 140), (122, 209, 81), (253, 231, 37))
"""Brighter with every step, on a ground of its own, so that it reads the same on any terminal."""

SHARE = 3
"""The targets' names take one part in this many of the width at most."""
LONGEST = 24
"""The cells that a name takes at most."""


def paint(colours: str | None) -> Paint:
    """How weights look on a terminal.

    Args:
        colours: ``truecolor``, ``256``, ``standard`` for sixteen, or None for no colour at all.
    """
    if colours is None:
        return lambda weight: (SHADES[_level(weight)], "")
    if colours == "truecolor":
        return lambda weight: (" ", _blend(weight))
    if colours == "256":  # whose darkest blue stands out from black: next to nothing would catch the eye
        return lambda weight: (" ", _blend(weight if _level(weight) else 0.0))
    return lambda weight: (" ", SIXTEEN[_level(weight)])


def draw(alignment: "Alignment", width: int, measure: Measure, paint: Paint) -> list[list[Piece]]:
    """Draw an alignment in lines of ``width`` cells at most; if it takes several panels, its peaks below."""
    if not alignment.source or not alignment.target:
        return []
    grid = _Grid.fit(alignment, width - 1, measure, paint)
    lines: list[list[Piece]] = []
    for number, columns in enumerate(grid.panels, 1):
        lines += [
            grid.heading(columns, number),
            *(grid.row(row, columns) for row in range(len(grid.targets))),
        ]
        lines.append([])
    if len(grid.panels) > 1 or not grid.gap:
        lines += [*grid.peaks(alignment), []]
    return [_stripped(line) for line in [*lines, *grid.legend()]]


@dataclass(frozen=True)
class _Grid:
    """Names cut to size, and where the columns lie."""

    weights: list[list[float]]
    sources: list[str]
    targets: list[str]
    widths: list[int]
    gap: int
    margin: int
    room: int
    measure: Measure
    paint: Paint

    @classmethod
    def fit(cls, alignment: "Alignment", width: int, measure: Measure, paint: Paint) -> "_Grid":
        """Cut the names to size, and lay the columns out."""
        limit = max(min(LONGEST, width // SHARE), 2)
        sources = [_clip(label(text), limit, measure) for text in alignment.source]
        targets = [_clip(label(text), limit, measure) for text in alignment.target]
        margin = max(map(measure, [*targets, "1/9"]))
        room = max(width - margin - 1, limit + 1)
        widths, gap = _widths([max(measure(name), 1) for name in sources], room, shaded=not paint(0.0)[1])
        weights = alignment.weights.tolist()
        return cls(weights, sources, targets, widths, gap, margin, room, measure, paint)

    @property
    def panels(self) -> list[range]:
        """The columns of each panel: as many as fit."""
        starts, used = [0], 0
        for column, size in enumerate(self.widths):
            if used + size + self.gap > self.room:
                starts, used = [*starts, column], 0
            used += size + self.gap
        return [range(a, b) for a, b in zip(starts, [*starts[1:], len(self.widths)], strict=True)]

    def heading(self, columns: range, number: int) -> list[Piece]:
        count = len(self.panels)
        corner = f"{number}/{count}" if count > 1 else ""
        names = (self._centred(self.sources[at], self.widths[at]) + " " * self.gap for at in columns)
        return [
            (f"{corner[: self.margin]:>{self.margin}} ", "bright_black"),
            ("".join(names).rstrip(), "bold"),
        ]

    def row(self, row: int, columns: range) -> list[Piece]:
        name = self.targets[row]
        left = " " * (self.margin - self.measure(name)) + name + " "
        cells = (self._cell(self.weights[row][at], self.widths[at]) for at in columns)
        return [(left, "bold"), *(piece for cell in cells for piece in cell)]

    def peaks(self, alignment: "Alignment") -> list[list[Piece]]:
        """For every target the source that it looked at most, with its place where two have its name."""
        told = []
        for row, name in enumerate(self.targets):
            best = alignment.best(row)
            place = f"#{best + 1}" if self.sources.count(self.sources[best]) > 1 else ""
            told.append(f"{name} ← {self.sources[best]}{place} ({self.weights[row][best]:.2f})")
        size = max(map(self.measure, told)) + 3
        count = max((self.margin + self.room) // size, 1)
        padded = [text + " " * (size - self.measure(text)) for text in told]
        return [[("".join(padded[at : at + count]).rstrip(), "")] for at in range(0, len(padded), count)]

    def legend(self) -> Iterator[list[Piece]]:
        """What the shades and the signs mean."""
        room, title = self.margin + 1 + self.room, "weight in % "
        scale = [piece for weight in (*STEPS, 1.0) for piece in self._cell(weight, 4, gap=1)]
        if len(title) + 5 * len(scale) <= room:
            yield [(title, "bright_black"), *scale]
        else:
            yield from ([(title, "bright_black")], scale)
        yield from ([(_clip(sign, room, self.measure), "bright_black")] for sign in self._signs(room))

    def _signs(self, room: int) -> list[str]:
        """What signs mean, on one line if they fit."""
        signs = legend([*self.sources, *self.targets])
        line = "   ".join(signs)
        return signs if self.measure(line) > room else [line] * bool(signs)

    def _cell(self, weight: float, size: int, *, gap: int | None = None) -> list[Piece]:
        """A cell and the gap behind it, which has the cell's colour but not its shade."""
        fill, style = self.paint(weight)
        gap = self.gap if gap is None else gap
        number = f"{100 * weight:.0f}" if gap and weight >= STEPS[0] else ""
        if style:
            return [(f"{number:^{size + gap}}", style)]
        inside = TRACE if gap and fill == " " else number if size >= 4 else ""
        return [(f"{inside:{fill}^{size}}" + " " * gap, "")]

    def _centred(self, text: str, size: int) -> str:
        free = size - self.measure(text)
        return " " * (free // 2) + text + " " * (free - free // 2)


def _widths(sizes: list[int], room: int, *, shaded: bool) -> tuple[list[int], int]:
    """The widths of columns, and of the gaps between them, from the sizes of their names.

    Each column has room for a number if they all fit, and else for its name at least; but single characters
    that do not all fit stand as close as in a text.
    """
    for least in (4, 2) if shaded else (2,):
        widths = [max(size, least) for size in sizes]
        if sum(widths) + len(widths) <= room:
            return widths, 1
    return (widths, 1) if max(sizes) > 2 else (sizes, 0)


def _stripped(line: list[Piece]) -> list[Piece]:
    """The line without the blanks at its end that nobody sees."""
    if not line or line[-1][1]:
        return line
    rest = line[-1][0].rstrip()
    return [*line[:-1], (rest, "")] if rest else _stripped(line[:-1])


def _level(weight: float) -> int:
    return sum(weight >= step for step in STEPS)


def _blend(weight: float) -> str:
    """The colour between its two neighbours on the gradient, and ink that stands out from it."""
    place = min(max(weight, 0.0), 1.0) * (len(GRADIENT) - 1)
    below = min(int(place), len(GRADIENT) - 2)
    mixed = [
        round(a + (b - a) * (place - below))
        for a, b in zip(GRADIENT[below], GRADIENT[below + 1], strict=True)
    ]
    ink = "#000000" if mixed[1] > 120 else "#ffffff"
    return f"{ink} on #{mixed[0]:02x}{mixed[1]:02x}{mixed[2]:02x}"


def _clip(text: str, limit: int, measure: Measure) -> str:
    """The text, or as much of its beginning as leaves a cell for ``…``."""
    if measure(text) <= limit:
        return text
    ends = accumulate(measure(char) for char in text)
    return text[: sum(end < limit for end in ends)] + "…"
