"""A picture as SVG: one file that any browser and most editors open, with nothing outside it."""

from xml.sax.saxutils import escape, quoteattr

from rnngen.plots.sheet import PAPER, Box, Columns, Mark, Picture, Sheet, Stroke, Words, one_line
from rnngen.printable import columns_of

FAMILY = (
    "system-ui, 'Noto Sans', 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans CJK SC', 'PingFang SC', "
    "'Hiragino Sans', 'Microsoft YaHei', 'Malgun Gothic', 'WenQuanYi Micro Hei', sans-serif"
)
"""Common fonts, Chinese, Japanese and Korean ones among them."""


def draw(picture: Picture) -> str:
    """Draw a picture."""
    sheet = Sheet(estimate)
    picture.lay_out(sheet)
    size = f'width="{sheet.width:g}" height="{sheet.height:g}" viewBox="0 0 {sheet.width:g} {sheet.height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family={quoteattr(FAMILY)}>',
        f"<title>{escape(one_line(picture.title))}</title>",
        f"<desc>{escape(picture.describe())}</desc>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        *map(_mark, sheet.marks),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def estimate(text: str, size: float) -> float:
    """Estimate the width of a text in a font that is not known, rather too wide than too narrow."""
    return size * sum(map(_breadth, text))


def _breadth(char: str) -> float:
    if (columns := columns_of(char)) != 1:
        return columns / 2
    return 0.8 if char.isupper() or char in "mw%@…←∎" else 0.58


def _mark(mark: Mark) -> str:
    match mark:
        case Box():
            return _box(mark)
        case Words():
            return _words(mark)
        case Columns():
            return _columns(mark)
        case Stroke():
            return _stroke(mark)


def _columns(line: Columns) -> str:
    """Write a line whose characters have places of their own, so that columns hold in any font."""
    drawn = [(x, char) for x, char in line.places() if not char.isspace()]
    # A character outside the basic plane counts as two in SVG 1.1.
    xs = " ".join(f"{x:g}" for x, char in drawn for _ in char.encode("utf-16-le")[::2])
    text = escape("".join(char for _, char in drawn))
    place = f'x="{xs}" y="{line.y:g}" dy=".35em" font-size="{line.size:g}" fill="{line.ink}"'
    look = 'text-anchor="middle" font-family="monospace" pointer-events="none"'
    return f"<text {place} {look}>{text}</text>" if drawn else ""


def _stroke(stroke: Stroke) -> str:
    points = " ".join(f"{x:g},{y:g}" for x, y in stroke.points)
    about = f"<title>{escape(stroke.about)}</title>" if stroke.about else ""
    look = f'fill="none" stroke="{stroke.ink}" stroke-width="{stroke.width:g}" stroke-linejoin="round"'
    return f'<polyline points="{points}" {look}>{about}</polyline>'


def _box(box: Box) -> str:
    place = f'x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" fill="{box.fill}"'
    return f"<rect {place}><title>{escape(box.about)}</title></rect>" if box.about else f"<rect {place}/>"


def _words(words: Words) -> str:
    turn = f' transform="rotate(-45 {words.x:g} {words.y:g})"' if words.slanted else ""
    anchor = f' text-anchor="{words.anchor}"' if words.anchor != "start" else ""
    # Numbers lie upon cells, whose tooltips must still be reached.
    through = ' pointer-events="none"' if words.anchor == "middle" else ""
    place = f'x="{words.x:g}" y="{words.y:g}" dy=".35em" font-size="{words.size:g}" fill="{words.ink}"'
    return f"<text {place}{anchor}{turn}{through}>{escape(words.text)}</text>"
