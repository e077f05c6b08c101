"""An alignment as SVG: one file that any browser and most editors open, with nothing outside it."""

from collections.abc import Sequence
from unicodedata import combining, east_asian_width
from xml.sax.saxutils import escape, quoteattr

from rnngen.generation.alignment import Alignment
from rnngen.plots.sheet import PAPER, Box, Words, compose, label, one_line

FAMILY = (
    "system-ui, 'Noto Sans', 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans CJK SC', 'PingFang SC', "
    "'Hiragino Sans', 'Microsoft YaHei', 'Malgun Gothic', 'WenQuanYi Micro Hei', sans-serif"
)
"""Common fonts, Chinese, Japanese and Korean ones among them."""


def draw(alignments: Sequence[Alignment], title: str) -> str:
    """Draw alignments below one another. Weights under 0.0005 are left to the ground of the grid."""
    sheet = compose(alignments, title, estimate)
    size = f'width="{sheet.width:g}" height="{sheet.height:g}" viewBox="0 0 {sheet.width:g} {sheet.height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family={quoteattr(FAMILY)}>',
        f"<title>{escape(one_line(title))}</title>",
        f"<desc>{escape(peaks(alignments))}</desc>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        *(_box(mark) if isinstance(mark, Box) else _words(mark) for mark in sheet.marks),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def estimate(text: str, size: float) -> float:
    """Estimate the width of a text in a font that is not known, rather too wide than too narrow."""
    return size * sum(map(_breadth, text))


def _breadth(char: str) -> float:
    if combining(char):
        return 0.0
    if east_asian_width(char) in "WF":
        return 1.0
    return 0.8 if char.isupper() or char in "mw%@…←∎" else 0.58


def peaks(alignments: Sequence[Alignment]) -> str:
    """Describe the picture for screen readers: the strongest source of each target."""
    return "; ".join(
        f"{label(target)} ← {label(one.source[best])} ({one.weights[row, best]:.2f})"
        for one in alignments
        for row, target in enumerate(one.target)
        if one.source and one.weights[row, best := one.best(row)]
    )


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
