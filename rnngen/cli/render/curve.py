"""Plots losses over steps with characters: the training loss as a line of braille, evaluations as dots.

A braille character is a canvas of 2×4 dots, so that a plot of 60×8 characters has 120×32 points::

    4.17 ┤⡇
         │⠹⡀    ●
         │ ⠈⠑⠤⣀⡀      ●
    1.52 ┤      ⠉⠒⠒⠤⠤⠤⠤⣀⣀
         └──────────────────
          1            1200
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from math import isfinite
from typing import TypeAlias

Point: TypeAlias = tuple[float, float]
"""A step and a loss."""
Piece: TypeAlias = tuple[str, str]
"""Some characters and their kind: ``train``, ``val``, ``axis`` or empty."""

SETTLING = 0.05
"""The share of the run whose losses may lie above the plot: the first steps would flatten all others."""


@dataclass
class Series:
    """Losses of a run of any length, in bounded memory: when it is full, neighbours are averaged."""

    limit: int = 512
    points: list[Point] = field(default_factory=list)
    _stride: int = 1
    _pending: list[Point] = field(default_factory=list)

    def add(self, step: float, loss: float) -> None:
        """Add a loss; what is not a finite number is left out."""
        if not isfinite(loss):
            return
        self._pending.append((step, loss))
        if len(self._pending) >= self._stride:
            self.points.append(_mean(self._pending))
            self._pending = []
        if len(self.points) >= self.limit:
            self.points = [_mean(self.points[at : at + 2]) for at in range(0, len(self.points), 2)]
            self._stride *= 2


def draw(train: Sequence[Point], val: Sequence[Point], width: int, height: int) -> list[list[Piece]]:
    """Plot both in ``width`` × ``height`` characters, axes included; nothing while there are too few points.

    Returns:
        The rows, top first, each as pieces whose lengths sum to at most ``width``.
    """
    if len(train) + len(val) < 2 or height < 4 or width < 16:
        return []
    left, right = min(x for x, _ in [*train, *val]), max(x for x, _ in [*train, *val])
    low, high = _range([*train, *val], left + SETTLING * (right - left))
    labels = f"{high:.2f}", f"{low:.2f}"
    margin = max(map(len, labels))
    scale = _Scale(left, right, low, high, columns=width - margin - 2, rows=height - 2)
    rows = _rows(scale, train, val)
    plot = [[(_margin(labels, row, len(rows)), "axis"), *_pieces(cells)] for row, cells in enumerate(rows)]
    ends = f"{left:.0f}", f"{right:.0f}"
    below = ends[0] + ends[1].rjust(scale.columns - len(ends[0]))
    indent = " " * (margin + 1)
    return [*plot, [(f"{indent}└{'─' * scale.columns}", "axis")], [(f"{indent} {below}", "axis")]]


@dataclass(frozen=True)
class _Scale:
    """Positions of steps and losses on the canvas of dots."""

    left: float
    right: float
    low: float
    high: float
    columns: int
    rows: int

    def x(self, step: float) -> int:
        share = (step - self.left) / ((self.right - self.left) or 1)
        return round(share * (2 * self.columns - 1))

    def y(self, loss: float) -> int:
        """Return the row, 0 at the top; losses above the plot lie on its edge."""
        share = (self.high - loss) / (self.high - self.low)
        return round(max(share, 0) * (4 * self.rows - 1))


def _rows(scale: _Scale, train: Sequence[Point], val: Sequence[Point]) -> list[list[Piece]]:
    cells: list[list[Piece]] = [[(" ", "")] * scale.columns for _ in range(scale.rows)]
    lit = [[0] * scale.columns for _ in range(scale.rows)]
    for x, y in _line(scale, train):
        lit[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
        cells[y // 4][x // 2] = (chr(0x2800 + lit[y // 4][x // 2]), "train")
    for step, loss in val:
        cells[scale.y(loss) // 4][scale.x(step) // 2] = ("●", "val")
    return cells


_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a braille character, by column and row."""


def _line(scale: _Scale, points: Sequence[Point]) -> Iterator[tuple[int, int]]:
    """Return the dots of a line without gaps, through the mean of the points in each column of dots."""
    means = [
        (x, scale.y(_mean(list(group))[1])) for x, group in groupby(points, lambda point: scale.x(point[0]))
    ]
    yield from means[:1]
    for (x0, y0), (x1, y1) in pairwise(means):
        length = max(abs(x1 - x0), abs(y1 - y0), 1)
        for part in range(1, length + 1):
            yield x0 + round((x1 - x0) * part / length), y0 + round((y1 - y0) * part / length)


def _range(points: Sequence[Point], settled: float) -> tuple[float, float]:
    later = [loss for step, loss in points if step >= settled]
    low, high = min(loss for _, loss in points), max(later)
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _margin(labels: tuple[str, str], row: int, rows: int) -> str:
    """Return the axis left of a row: the highest loss at the top row, the lowest at the bottom one."""
    label = {0: labels[0], rows - 1: labels[1]}.get(row, "")
    return label.rjust(max(map(len, labels))) + (" ┤" if label else " │")


def _pieces(cells: Sequence[Piece]) -> list[Piece]:
    """Join neighbours of one kind."""
    return [
        ("".join(text for text, _ in group), kind) for kind, group in groupby(cells, lambda cell: cell[1])
    ]


def _mean(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
