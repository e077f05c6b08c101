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
    points = [*train, *val]
    if len(points) < 2 or height < 4 or width < 16:
        return []
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    settled = left + SETTLING * (right - left)
    low, high = min(y for _, y in points), max(y for x, y in points if x >= settled)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    labels = f"{high:.2f}", f"{low:.2f}"
    margin = max(map(len, labels))
    columns, rows = width - margin - 2, height - 2

    def dot(point: Point) -> tuple[int, int]:
        """Return the place of a point on the canvas of dots; losses above the plot lie on its edge."""
        across, down = (point[0] - left) / ((right - left) or 1), (high - point[1]) / (high - low)
        return round(across * (2 * columns - 1)), round(max(down, 0) * (4 * rows - 1))

    by_column = groupby(train, lambda point: dot(point)[0])
    cells = _cells([dot(_mean(list(group))) for _, group in by_column], columns, rows)
    for x, y in map(dot, val):
        cells[y // 4][x // 2] = ("●", "val")
    axis = [f"{labels[0]:>{margin}} ┤", *[" " * margin + " │"] * (rows - 2), f"{labels[1]:>{margin}} ┤"]
    plot = [[(tick, "axis"), *_pieces(row)] for tick, row in zip(axis, cells, strict=True)]
    first, last, indent = f"{left:.0f}", f"{right:.0f}", " " * (margin + 1)
    below = f"{indent} {first}{last:>{columns - len(first)}}"
    return [*plot, [(f"{indent}└{'─' * columns}", "axis")], [(below, "axis")]]


def _cells(line: Sequence[tuple[int, int]], columns: int, rows: int) -> list[list[Piece]]:
    """Draw a line of dots without gaps, in characters of braille."""
    cells: list[list[Piece]] = [[(" ", "")] * columns for _ in range(rows)]
    lit = [[0] * columns for _ in range(rows)]
    for x, y in _joined(line):
        lit[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
        cells[y // 4][x // 2] = (chr(0x2800 + lit[y // 4][x // 2]), "train")
    return cells


_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""The bit of each dot of a braille character, by column and row."""


def _joined(line: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    yield from line[:1]
    for (x0, y0), (x1, y1) in pairwise(line):
        length = max(abs(x1 - x0), abs(y1 - y0), 1)
        for part in range(1, length + 1):
            yield x0 + round((x1 - x0) * part / length), y0 + round((y1 - y0) * part / length)


def _pieces(cells: Sequence[Piece]) -> list[Piece]:
    """Join neighbours of one kind."""
    return [
        ("".join(text for text, _ in group), kind) for kind, group in groupby(cells, lambda cell: cell[1])
    ]


def _mean(points: Sequence[Point]) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
