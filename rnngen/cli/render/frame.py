"""The live display of a training run: one frame, drawn to the size of the terminal, its losses plotted.

A braille character is a canvas of 2×4 dots, so that a plot of 60×8 characters has 120×32 points::

    4.17 ┤⡇
         │⠹⡀    ●
         │ ⠈⠑⠤⣀⡀      ●
    1.52 ┤      ⠉⠒⠒⠤⠤⠤⠤⣀⣀
         └──────────────────
          1            1200
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import TypeAlias

from rich.console import Console, ConsoleOptions, RenderableType
from rich.panel import Panel
from rich.text import Text

from rnngen.cli.render.progress import Point, Progress, clock, ending, mean
from rnngen.printable import printable, shown

DIM = "bright_black"
STYLES = {"train": "cyan", "val": "bold yellow", "axis": DIM, "": ""}
MARKS = {"train": "⠤ ", "val": "● "}
"""The curve's own signs, so that its legend can be read without colour."""
Piece: TypeAlias = tuple[str, str]
"""Some characters and their kind: ``train``, ``val``, ``axis`` or empty."""
SETTLING = 0.05
"""The share of the run whose losses may lie above the plot: the first steps would flatten all others."""


class Frame:
    """A rich renderable that shows how a run stands at the time that it is drawn."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        width = options.max_width
        head = [
            *self._header(width),
            *self._bar(console, width),
            *_figures(self.progress.figures(), width),
            *_figures(self.progress.losses(), width),
        ]
        yield from head
        room = console.height - len(head) - 2
        sample = self._sample(console, width, max(min(room // 2 - 1, 6), 0))
        if room >= 6:
            yield from self._curve(width, min(room - (sample.height or 0 if sample else 0), 12))
        if sample:
            yield sample
        if not self.progress.finished:  # a ^C that the terminal shows must not push the frame down a line
            yield Text()

    def _header(self, width: int) -> list[Text]:
        run = self.progress.started
        work = self.progress.preparing
        title = run.model if run else f"{work.message} …" if work else "…"
        name = Text(shown(title), style="bold", overflow="ellipsis", no_wrap=True)
        return _flow([name, *(Text(fact, style=DIM) for fact in self.progress.facts())], width, " · ")

    def _bar(self, console: Console, width: int) -> list[Text]:
        """Draw the share of the budget that is spent; at the end, print how the run ended."""
        if done := self.progress.finished:
            return list(Text(ending(done), style="bold green").wrap(console, width))
        step = self.progress.step
        share = min(max(step.progress, 0.0), 1.0) if step else 0.0
        left = f"  {clock(step.seconds_left)} left" if step and step.seconds_left is not None else ""
        tail = f" {share:4.0%}{left}"
        cells = max(width - len(tail) - 1, 1)
        full = round(share * cells)
        return [Text.assemble(("━" * full, "green"), ("─" * (cells - full), DIM), tail)]

    def _curve(self, width: int, height: int) -> Iterator[Text]:
        for row in draw_curve(self.progress.train.points, self.progress.val.points, width - 1, height):
            yield Text.assemble(*((text, STYLES[kind]) for text, kind in row), no_wrap=True)

    def _sample(self, console: Console, width: int, lines: int) -> Panel | None:
        sample = self.progress.sample
        if sample is None or lines < 1:
            return None
        text = Text(printable(sample.text[: width * lines]).strip("\n"), overflow="fold")
        title = Text(f"after {sample.step} steps", style=DIM)
        height = min(lines, len(text.wrap(console, max(width - 4, 1)))) + 2
        return Panel(text, title=title, title_align="left", border_style=DIM, height=height)


def _figures(figures: Iterable[tuple[str, str]], width: int) -> list[Text]:
    parts = [
        Text.assemble((MARKS.get(label, "") + label, STYLES.get(label, DIM)), " ", value)
        for label, value in figures
    ]
    return _flow(parts, width, "   ")


def _flow(parts: Sequence[Text], width: int, separator: str) -> list[Text]:
    """Fill lines with the parts, breaking only between them."""
    lines: list[Text] = []
    for part in parts:
        if lines and lines[-1].cell_len + len(separator) + part.cell_len < width:
            lines[-1] = Text.assemble(lines[-1], (separator, DIM), part)
        else:
            lines.append(part)
    for line in lines:
        line.truncate(max(width - 1, 1), overflow="ellipsis")
    return lines


# ── Losses over steps: the training loss as a line of braille, evaluations as dots ─────────────────────────


def draw_curve(train: Sequence[Point], val: Sequence[Point], width: int, height: int) -> list[list[Piece]]:
    """Plot training and validation losses in ``width`` × ``height`` characters → the rows, top first.

    Axes are included; there are no rows while there are too few points.
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
    cells = _cells([dot(mean(list(group))) for _, group in by_column], columns, rows)
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
