"""Lines over an axis, as losses over steps; and points with names, as a map of embeddings.

Every line ends in its name, so that nobody needs to tell colours apart.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

from rnngen.plots.pages import Figure
from rnngen.plots.sheet import (
    LARGE,
    LINES,
    LONGEST,
    MUTED,
    PAD,
    SMALL,
    Box,
    Sheet,
    Stroke,
    Words,
    cut,
    label,
    one_line,
)

WIDTH, HEIGHT = 720.0, 360.0
"""Pixels of the area between the axes."""
NAME = SMALL + 2
"""The size of the name of a point."""
GROUND = "#d9dde2"
TICKS = 6
"""Numbers on an axis, about."""
LEAST = 1e-30
"""The least value that a logarithmic axis shows."""
DECADES = 60
"""Powers of ten that a logarithmic axis spans at most."""


@dataclass(frozen=True)
class Series:
    """A line."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]

    def points(self, *, log: bool = False) -> list[tuple[float, float]]:
        """Return the points that can be drawn, as they stand on the axes."""
        pairs = zip(self.xs, self.ys, strict=True)
        if log:
            return [(x, log10(y)) for x, y in pairs if isfinite(y) and y > LEAST]
        return [(x, y) for x, y in pairs if isfinite(y)]


@dataclass(frozen=True)
class Axis:
    """The range of an axis, and its numbers."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], *, log: bool = False) -> "Axis":
        """Return an axis that shows all of some values; a logarithmic one shows powers of ten."""
        low, high = min(values, default=0.0), max(values, default=1.0)
        if log:
            high = ceil(high)
            low = max(floor(low), high - DECADES)
        return cls(low, high if high > low else low + 1, log)

    def share(self, value: float) -> float:
        """Return where a value stands, from 0 to 1."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self, count: int = TICKS) -> list[tuple[float, str]]:
        """Return the places of round numbers, and their texts."""
        span = self.high - self.low
        if self.log:
            decades = max(ceil(span / count), 1)
            return [(at, f"1e{at}") for at in range(ceil(self.low), floor(self.high) + 1, decades)]
        rough = span / count
        power = 10.0 ** floor(log10(rough))
        step = next(one * power for one in (1.0, 2.0, 5.0, 10.0) if one * power >= rough)
        first = ceil(self.low / step - 1e-9)
        return [(at * step, number(at * step)) for at in range(first, floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Chart(Figure):
    """Lines over one axis."""

    title: str
    x: str
    """The meaning of the horizontal axis…"""
    y: str
    """…and of the vertical one."""
    series: tuple[Series, ...]
    log: bool = False
    """Whether the vertical axis is logarithmic."""
    notes: tuple[str, ...] = ()

    def axes(self) -> tuple[Axis, Axis]:
        """Return both axes."""
        points = [point for one in self.series for point in one.points(log=self.log)]
        return Axis.over([x for x, _ in points]), Axis.over([y for _, y in points], log=self.log)

    def lay_out(self, sheet: Sheet) -> None:
        """Lay it out."""
        sheet.line(cut(one_line(self.title), 2 * LONGEST), LARGE)
        across, up = self.axes()
        sheet.line("" if self.y.lower() == self.title.lower() else self.y, SMALL, MUTED)
        left = PAD + max((sheet.measure(text, SMALL) for _, text in up.ticks()), default=0.0) + PAD / 2
        frame = Frame(left, sheet.height, across, up)
        frame.axes(sheet)
        for series, ink in zip(self.series, _inks(), strict=False):
            if points := [frame.place(*point) for point in series.points(log=self.log)]:
                sheet.put(Stroke(tuple(points), ink, 2.0, series.name))
        _end_names(sheet, frame, self)
        sheet.put(Words(left + WIDTH / 2, sheet.height + HEIGHT + 2 * PAD, self.x, SMALL, MUTED, "middle"))
        sheet.height += HEIGHT + 3 * PAD
        for text in self.notes:
            sheet.line(one_line(text), SMALL, MUTED)
        sheet.height += PAD / 2

    def describe(self) -> str:
        """Name each line, with its last value."""
        ends = [f"{one.name} ends at {number(one.ys[-1])}" for one in self.series if one.ys]
        return "; ".join([*ends, *map(one_line, self.notes)])


@dataclass(frozen=True)
class Point:
    """A point with a name."""

    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Map(Figure):
    """Points on a plane, whose axes have no meaning of their own."""

    title: str
    points: tuple[Point, ...]
    notes: tuple[str, ...] = ()

    def axes(self) -> tuple[Axis, Axis]:
        """Return both axes."""
        return Axis.over([one.x for one in self.points]), Axis.over([one.y for one in self.points])

    def lay_out(self, sheet: Sheet) -> None:
        """Lay it out."""
        sheet.line(cut(one_line(self.title), 2 * LONGEST), LARGE)
        across, up = self.axes()
        frame = Frame(2 * PAD, sheet.height + PAD, across, up)
        taken: list[tuple[float, float, float]] = []
        for point in self.points:
            name = cut(label(point.name), LONGEST)
            x, y, half = *frame.place(point.x, point.y), sheet.measure(name, NAME) / 2
            if any(abs(x - left) < half + other and abs(y - up) < NAME for left, up, other in taken):
                sheet.put(Box(x - 1.5, y - 1.5, 3, 3, MUTED, name))
                continue
            taken.append((x, y, half))
            sheet.put(Words(x, y, name, NAME, anchor="middle"))
        sheet.put(Box(PAD, sheet.height, WIDTH + 2 * PAD, 1, GROUND))
        sheet.height += HEIGHT + 2 * PAD
        sheet.put(Box(PAD, sheet.height, WIDTH + 2 * PAD, 1, GROUND))
        sheet.height += PAD / 2
        if hidden := len(self.points) - len(taken):
            sheet.line(f"{hidden} would cover others and are dots", SMALL, MUTED)
        for text in self.notes:
            sheet.line(one_line(text), SMALL, MUTED)
        sheet.height += PAD / 2

    def describe(self) -> str:
        """Name the points."""
        return ", ".join(label(one.name) for one in self.points)


@dataclass(frozen=True)
class Frame:
    """The area between the axes of a sheet."""

    left: float
    top: float
    across: Axis
    up: Axis

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point stands on the sheet."""
        return self.left + WIDTH * self.across.share(x), self.top + HEIGHT * (1 - self.up.share(y))

    def axes(self, sheet: Sheet) -> None:
        """Draw the numbers, and a line for each of the vertical axis."""
        for value, text in self.up.ticks():
            _, y = self.place(0, value)
            sheet.put(Box(self.left, y - 0.5, WIDTH, 1, GROUND))
            sheet.put(Words(self.left - PAD / 3, y, text, SMALL, MUTED, "end"))
        for value, text in self.across.ticks():
            x, _ = self.place(value, 0)
            sheet.put(Box(x - 0.5, self.top + HEIGHT, 1, 5, MUTED))
            sheet.put(Words(x, self.top + HEIGHT + PAD * 0.7, text, SMALL, MUTED, "middle"))


def _inks() -> Iterator[str]:
    while True:
        yield from LINES


def _end_names(sheet: Sheet, frame: Frame, chart: Chart) -> None:
    """Write the name of each line behind its end, below one another where they would overlap."""
    ends = []
    for series, ink in zip(chart.series, _inks(), strict=False):
        if points := series.points(log=chart.log):
            x, y = frame.place(*points[-1])
            ends.append((y, x, series.name, ink))
    ends.sort()
    step, bottom = SMALL + 3, frame.top + HEIGHT
    lowest = frame.top - SMALL
    for place, (y, x, name, ink) in enumerate(ends, 1):
        # Room is left for the names below: at the bottom stand the numbers of the axis.
        lowest = max(min(y, bottom - step * (len(ends) - place)), lowest + step)
        sheet.put(Words(x + PAD / 3, lowest, cut(name, LONGEST), SMALL + 1, ink))


def number(value: float) -> str:
    """Format a number with four figures at most."""
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def table(rows: Sequence[Sequence[object]], columns: Sequence[str]) -> str:
    """Write a table for a page."""
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape('' if cell is None else str(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
