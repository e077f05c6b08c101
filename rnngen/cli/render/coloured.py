"""Draws a text whose characters have colours; without colour, signs below each line stand for them.

::

    The quick brown fox⏎
    !   # :   :     #          signs of surprisal, where a terminal has no colour

Widths are in terminal cells, of which a Chinese character takes two, and a sign below it too.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import TypeAlias

from rnngen.cli.render.heatmap import DIM, STEPS, Line, Piece, clip
from rnngen.cli.render.heatmap import paint as heat_paint
from rnngen.plots.sheet import blend, one_line
from rnngen.plots.text import ColouredText, Kind, Run, wrapped
from rnngen.printable import columns_of

Paint: TypeAlias = Callable[[float], Piece]
HEAT_SIGNS = " .:!#"
"""Signs of values from 0 to 1, by ``STEPS``."""
TWO_SIDED = ((230, 97, 1), (120, 70, 30), (28, 28, 28), (30, 80, 130), (94, 160, 225))
"""From orange over black to blue, whatever the ground of the terminal."""
TWO_SIDED_SIXTEEN = ("black on yellow", "yellow on black", "white on black", "cyan on black", "black on cyan")


def draw(picture: ColouredText, width: int, colours: str | None) -> list[Line]:
    """Draw a text in lines of at most ``width`` cells, with its scale above and its notes below."""
    explained = colours is not None or picture.signs
    lines: list[Line] = [*_scale(picture, width, colours), []] if explained else []
    paint = painter(picture.kind, colours)
    for line in wrapped(picture.runs, max(width - 1, 2)):
        lines.append(_joined(line, paint) if colours else [("".join(run.text for run in line), "")])
        if picture.signs and not colours and (signs := _signs(line, paint).rstrip()):
            lines.append([(signs, "")])
    lines.append([])
    for note in picture.notes:
        lines += [[(part, DIM)] for part in folded(one_line(note), width - 1)]
    return lines


def painter(kind: Kind, colours: str | None) -> Paint:
    """Choose how to show values: in ``truecolor``, ``256``, ``standard`` for sixteen, or None for none."""
    if kind == "heat":
        if colours:
            return heat_paint(colours)
        return lambda value: (HEAT_SIGNS[sum(value >= step for step in STEPS)], "")
    if colours in ("truecolor", "256"):
        return lambda value: (" ", _two_sided(value if abs(value) >= 0.1 else 0.0))
    return lambda value: (_sign(value), TWO_SIDED_SIXTEEN[_level(value)] if colours else "")


def _level(value: float) -> int:
    """Return the level of a value from -1 to 1: 0 and 1 below 0, 2 about it, 3 and 4 above."""
    return 2 + sum(value >= step for step in (0.2, 0.6)) - sum(value <= -step for step in (0.2, 0.6))


def _sign(value: float) -> str:
    return "=- +#"[_level(value)]


def _two_sided(value: float) -> str:
    red, green, blue = blend(TWO_SIDED, (value + 1) / 2)
    return f"{'#000000' if red + 2 * green + blue > 400 else '#ffffff'} on #{red:02x}{green:02x}{blue:02x}"


def _joined(line: Sequence[Run], paint: Paint) -> Line:
    """Return the pieces of a line, those of one style in one."""
    styled = [(run.text, "" if run.value is None else paint(run.value)[1]) for run in line]
    return [
        ("".join(text for text, _ in same), style) for style, same in groupby(styled, key=lambda one: one[1])
    ]


def _signs(line: Sequence[Run], paint: Paint) -> str:
    return "".join((" " if run.value is None else paint(run.value)[0]) * columns_of(run.text) for run in line)


def _scale(picture: ColouredText, width: int, colours: str | None) -> Iterator[Line]:
    """Explain the colours, or the signs."""
    if not picture.scale:
        return
    paint = painter(picture.kind, colours)
    cells: Line = []
    for value, text in picture.scale:
        sign, style = paint(value)
        cells.append((f" {text} ", style) if colours else (f"{sign} {text}   ", ""))
    head = f"{picture.meaning} "
    if len(head) + sum(len(text) for text, _ in cells) < width:
        yield [(head, DIM), *cells]
        return
    yield [(clip(head, width - 1), DIM)]
    for cell, style in cells:
        yield [(clip(cell.rstrip() if not style else cell, width - 1), style)]


def folded(text: str, width: int) -> Iterator[str]:
    """Split a text into lines of at most ``width`` cells, at spaces where it has some."""
    line, used = "", 0
    for word in text.split(" "):
        size = columns_of(word)
        if line and used + 1 + size > width:
            yield line
            line, used = "", 0
        line, used = (f"{line} {word}", used + 1 + size) if line else (word, size)
        while used > width:
            cut = clip(line, width)
            rest = line[max(len(cut) - 1, 1) :]
            yield line[: len(line) - len(rest)]
            line, used = rest, columns_of(rest)
    yield line
