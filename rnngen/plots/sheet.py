"""The layout of a drawn picture, for PNG and SVG: rectangles and words, in pixels.

::

    title
              It  's very easy          the source, slanted where its words are long
         听   ▓▓  ░░
         起       ▓▓                    the target
    weight in %  0 25 50 75 100
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal, TypeAlias
from unicodedata import category

from rnngen.generation.alignment import Alignment
from rnngen.printable import printable

Measure: TypeAlias = Callable[[str, float], float]
"""Text and size → its width, both in pixels."""

CELL = 36.0
PAD = 20.0
SIZE, SMALL, LARGE = 15.0, 11.0, 18.0
LONGEST = 40
"""The characters of a name that are drawn at most; of the title, twice as many."""
INK, MUTED, PAPER = "#1a1a1a", "#5a5a5a", "#ffffff"
GRADIENT = ((243, 246, 250), (158, 202, 225), (66, 146, 198), (8, 81, 156), (4, 36, 84))
"""From light to dark, on white paper."""
WRITTEN = 0.05
"""The smallest weight that is written into its cell."""
DRAWN = 0.0005
"""The smallest weight that is drawn as a cell upon the ground."""


@dataclass(frozen=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    about: str = ""
    """Its meaning in words, for pictures with tooltips."""


@dataclass(frozen=True)
class Words:
    """A text, its middle line at ``y``."""

    x: float
    y: float
    text: str
    size: float = SIZE
    ink: str = INK
    anchor: Literal["start", "middle", "end"] = "start"
    """The part of it that is at ``x``."""
    slanted: bool = False
    """Rising by 45 degrees from there."""


@dataclass
class Sheet:
    """A picture under construction, as large as the marks on it."""

    measure: Measure
    width: float = 0.0
    height: float = PAD
    marks: list[Box | Words] = field(default_factory=list)

    def put(self, mark: Box | Words) -> None:
        """Add a mark, and room for it to the right."""
        self.marks.append(mark)
        if isinstance(mark, Box):
            reach = mark.width
        else:
            share = {"start": 1.0, "middle": 0.5, "end": 0.0}[mark.anchor]
            reach = self.measure(mark.text, mark.size) * share / (sqrt(2) if mark.slanted else 1)
        self.width = max(self.width, mark.x + reach + PAD)

    def line(self, text: str, size: float, ink: str = INK) -> None:
        """Add a line of text below what is there."""
        if text:
            self.put(Words(PAD, self.height + size / 2, text, size, ink))
            self.height += size + PAD / 2


def compose(alignments: Sequence[Alignment], title: str, measure: Measure) -> Sheet:
    """Lay several alignments out on one sheet, from top to bottom."""
    sheet = Sheet(measure)
    sheet.line(cut(one_line(title), 2 * LONGEST), LARGE)
    for number, alignment in enumerate(alignments, 1):
        sheet.line(f"{number}" if len(alignments) > 1 else "", SIZE, MUTED)
        _grid(sheet, alignment)
    _scale(sheet)
    sheet.line("   ".join(legend_of(alignments)), SMALL, MUTED)
    sheet.height += PAD / 2
    return sheet


def _grid(sheet: Sheet, alignment: Alignment) -> None:
    sources = [cut(label(text), LONGEST) for text in alignment.source]
    targets = [cut(label(text), LONGEST) for text in alignment.target]
    left = PAD + max((sheet.measure(name, SIZE) for name in targets), default=0.0) + PAD / 2
    _heading(sheet, sources, left)
    top = sheet.height
    for row, name in enumerate(targets):
        sheet.put(Words(left - PAD / 2, top + (row + 0.5) * CELL, name, anchor="end"))
    width, height = len(sources) * CELL, len(targets) * CELL
    sheet.put(Box(left, top, width, height, colour(0.0)))
    for row, (target, weights) in enumerate(zip(targets, alignment.weights.tolist(), strict=True)):
        for column, (source, weight) in enumerate(zip(sources, weights, strict=True)):
            about = f"{target} ← {source}: {weight:.3f}"
            _cell(sheet, left + column * CELL, top + row * CELL, weight, about)
    for column in range(1, len(sources)):
        sheet.put(Box(left + column * CELL - 0.5, top, 1, height, PAPER))
    for row in range(1, len(targets)):
        sheet.put(Box(left, top + row * CELL - 0.5, width, 1, PAPER))
    sheet.height = top + height + PAD


def _heading(sheet: Sheet, names: Sequence[str], left: float) -> None:
    """Write the source above its columns."""
    longest = max((sheet.measure(name, SIZE) for name in names), default=0.0)
    slanted = longest > CELL - 4
    sheet.height += longest / sqrt(2) + SIZE if slanted else SIZE + PAD / 2
    anchor: Literal["start", "middle"] = "start" if slanted else "middle"
    y = sheet.height - (PAD / 4 if slanted else SIZE)
    for column, name in enumerate(names):
        sheet.put(Words(left + (column + 0.5) * CELL, y, name, anchor=anchor, slanted=slanted))


def _cell(sheet: Sheet, x: float, y: float, weight: float, about: str) -> None:
    if weight >= DRAWN:
        sheet.put(Box(x, y, CELL, CELL, colour(weight), about))
    if weight >= WRITTEN:
        sheet.put(Words(x + CELL / 2, y + CELL / 2, f"{100 * weight:.0f}", SMALL, ink(weight), "middle"))


def _scale(sheet: Sheet) -> None:
    """Explain the colours."""
    text = "weight in %"
    sheet.put(Words(PAD, sheet.height + CELL / 4, text, SMALL, MUTED))
    left = PAD + sheet.measure(text, SMALL) + PAD / 2
    for step in range(5):
        weight, x = step / 4, left + step * CELL
        sheet.put(Box(x, sheet.height, CELL, CELL / 2, colour(weight)))
        number = f"{100 * weight:.0f}"
        sheet.put(Words(x + CELL / 2, sheet.height + CELL / 4, number, SMALL, ink(weight), "middle"))
    sheet.height += CELL / 2 + PAD / 2


def colour(weight: float) -> str:
    """Return the colour of a weight, ``#rrggbb``: the higher, the darker."""
    return "#" + "".join(f"{part:02x}" for part in blend(GRADIENT, weight))


def blend(gradient: Sequence[tuple[int, int, int]], weight: float) -> list[int]:
    """Return red, green and blue at a weight, from 0 to 1, of a gradient between colours."""
    place = min(max(weight, 0.0), 1.0) * (len(gradient) - 1)
    low = min(int(place), len(gradient) - 2)
    pairs = zip(gradient[low], gradient[low + 1], strict=True)
    return [round(a + (b - a) * (place - low)) for a, b in pairs]


def ink(weight: float) -> str:
    """Return the ink that stands out from the colour of a weight."""
    return PAPER if weight > 0.56 else INK


def cut(text: str, limit: int) -> str:
    """Return the text, or its beginning and ``…``."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


# ── Labels ─────────────────────────────────────────────────────────────────────────────────────────────

END = "∎"
MEANINGS = {END: "end", "␣": "space", "⏎": "new line", "⇥": "tab", "\ufffd": "part of a character"}
SIGNS = str.maketrans({"\n": "⏎", "\r": "␍", "\t": "⇥", "\u2028": "⏎", "\u2029": "⏎"})


def label(text: str) -> str:
    """Return a token's text as its label; the end token, which has none, is ``∎``.

    Spaces around a word are left out, as they would shift it from its place; where there is nothing else they
    show as ``␣``. A combining accent without its letter gets ``◌``.
    """
    if not text:
        return END
    shown = one_line(text.translate(SIGNS)).strip() or "␣" * len(text)
    if all(category(char) == "Cf" for char in shown):
        return shown.encode("unicode_escape").decode()
    return "◌" + shown if category(shown[0]).startswith("M") else shown


def legend(labels: Iterable[str]) -> list[str]:
    """Explain each of the signs that occur in some labels."""
    used = set("".join(labels))
    return [f"{sign} {meaning}" for sign, meaning in MEANINGS.items() if sign in used]


def legend_of(alignments: Iterable[Alignment]) -> list[str]:
    """Explain the signs in the labels of alignments."""
    return legend(label(text) for one in alignments for text in (*one.source, *one.target))


def one_line(text: str) -> str:
    """Return a text on one line without the characters that a terminal or XML cannot hold."""
    return printable(text).translate({0xFFFE: "�", 0xFFFF: "�"}).replace("\n", " ")
