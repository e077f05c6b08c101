"""Draws lines and maps of points with characters: each line has a sign of its own beside its colour."""

from rnngen.cli.render.coloured import folded
from rnngen.cli.render.heatmap import DIM, Line, clip
from rnngen.plots.chart import Axis, Chart, Map
from rnngen.plots.sheet import LINES, label, one_line
from rnngen.printable import columns_of

SIGNS = "ox+*#@%&=~$^abcdefghijklmn"
"""More than there are colours: without these, only its sign distinguishes a line from others."""
ROWS = 16
STYLES = ("#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#0072b2", "#f0e442", "#999999")
"""Colours that are different with all kinds of colour blindness, on dark and on light ground."""
Canvas = list[list[tuple[str, str]]]
EMPTY = (" ", "")
assert len(STYLES) == len(LINES)


def draw(chart: Chart, width: int, colours: str | None) -> list[Line]:
    """Draw lines in ``width`` cells at most, with the axes around and the names below."""
    across, up = chart.axes()
    ticks = {_row(up, value): text for value, text in up.ticks()}
    margin = min(max(map(len, ticks.values()), default=0), 7)
    room = max(width - margin - 3, 4)
    canvas: Canvas = [[EMPTY] * room for _ in range(ROWS)]
    for place, series in enumerate(chart.series):
        sign = SIGNS[place % len(SIGNS)], _style(place, colours)
        _trace(canvas, series.points(log=chart.log), across, up, sign)
    lines: list[Line] = [[(clip(one_line(chart.title), width - 1), "bold" if colours else "")]]
    if chart.y.lower() != chart.title.lower():
        lines.append([(clip(chart.y, width - 1), DIM)])
    for row, cells in enumerate(canvas):
        text = ticks.get(row, "")[:margin]
        lines.append([(f"{text:>{margin}} │", DIM), *cells])
    lines.append([(f"{'':>{margin}} └{'─' * room}", DIM)])
    lines.append([(_bottom(across, margin + 2, room), DIM)])
    lines.append([(clip(f"{'':>{margin + 2}}{chart.x}", width - 1), DIM)])
    for place, series in enumerate(chart.series):
        name = clip(f" {series.name}", width - 2)
        lines.append([(SIGNS[place % len(SIGNS)], _style(place, colours)), (name, "")])
    return [*lines, *_notes(chart.notes, width)]


def draw_map(picture: Map, width: int, colours: str | None) -> list[Line]:
    """Draw points by their names; one that would cover another is left out, and counted."""
    across, up = picture.axes()
    room = max(width - 1, 4)
    rows: list[list[str]] = [[" "] * room for _ in range(ROWS + 4)]
    hidden = 0
    for point in picture.points:
        name = clip(label(point.name), room // 2)
        size = columns_of(name)
        row = round((1 - up.share(point.y)) * (len(rows) - 1))
        left = min(round(across.share(point.x) * (room - 1)), room - size)
        around = rows[row][max(left - 1, 0) : left + size + 1]
        if any(cell != " " for cell in around):
            hidden += 1
            continue
        at = left
        for char in name:
            cells = columns_of(char)
            if not cells:
                rows[row][at - 1] += char
                continue
            rows[row][at : at + cells] = [char, *[""] * (cells - 1)]
            at += cells
    title = clip(one_line(picture.title), width - 1)
    drawn: list[Line] = [[(title, "bold" if colours else "")]]
    drawn += [[("".join(cells), "")] for cells in rows]
    notes = picture.notes
    if hidden:
        notes = (
            f"{hidden} would cover others and are not drawn; a wider terminal or -o FILE shows more",
            *notes,
        )
    return [*drawn, *_notes(notes, width)]


def _notes(notes: tuple[str, ...], width: int) -> list[Line]:
    return [[(part, DIM)] for note in notes for part in folded(one_line(note), width - 1)]


def _style(place: int, colours: str | None) -> str:
    return f"bold {STYLES[place % len(STYLES)]}" if colours else ""


def _row(up: Axis, value: float) -> int:
    return round((1 - up.share(value)) * (ROWS - 1))


def _trace(
    canvas: Canvas, points: list[tuple[float, float]], across: Axis, up: Axis, sign: tuple[str, str]
) -> None:
    """Put a sign into every column between the first point and the last."""
    room = len(canvas[0])
    places = [(across.share(x) * (room - 1), y) for x, y in points]
    for (left, before), (right, after) in zip(places, places[1:] or places, strict=False):
        for column in range(round(left), round(right) + 1):
            share = (column - left) / (right - left) if right > left else 0.0
            canvas[_row(up, before + min(max(share, 0.0), 1.0) * (after - before))][column] = sign


def _bottom(across: Axis, margin: int, room: int) -> str:
    """Write the numbers of the horizontal axis, those that fit."""
    line = [" "] * (margin + room)
    end = 0
    for value, text in across.ticks(max(room // 12, 1)):
        start = margin + round(across.share(value) * (room - 1)) - len(text) // 2
        start = min(max(start, margin), margin + room - len(text))
        if start >= end:
            line[start : start + len(text)] = text
            end = start + len(text) + 1
    return "".join(line).rstrip()
