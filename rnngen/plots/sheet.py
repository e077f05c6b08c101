"""The layout of a drawn picture, for PNG and SVG: rectangles, words and lines, in pixels."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, Literal, Protocol, TypeAlias
from unicodedata import bidirectional, category

from numpy.typing import NDArray

from rnngen.printable import columns_of, printable

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
TWO_SIDED = ((179, 88, 6), (241, 163, 64), (255, 255, 255), (103, 169, 207), (33, 102, 172))
"""From orange over white to blue, which all kinds of colour blindness tell apart."""
LINES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#7a6a00", "#1a1a1a")
"""Colours of lines that all kinds of colour blindness tell apart (Okabe and Ito 2008)."""


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


@dataclass(frozen=True)
class Columns:
    """A text in columns of one width, of which a wide character takes two; its middle line at ``y``."""

    x: float
    y: float
    text: str
    width: float
    size: float = SIZE
    ink: str = INK

    def places(self) -> list[tuple[float, str]]:
        """Return the characters, each with the middle of its columns."""
        found, at = [], 0
        for char in self.text:
            cells = columns_of(char)
            found.append((self.x + (at + (cells or -1) / 2) * self.width, char))
            at += cells
        return found


@dataclass(frozen=True)
class Stroke:
    """A line through points."""

    points: tuple[tuple[float, float], ...]
    ink: str = INK
    width: float = 1.0
    about: str = ""


Mark: TypeAlias = Box | Words | Columns | Stroke


@dataclass
class Sheet:
    """A picture under construction, as large as the marks on it."""

    measure: Measure
    width: float = 0.0
    height: float = PAD
    marks: list[Mark] = field(default_factory=list)

    def put(self, mark: Mark) -> None:
        """Add a mark, and room for it to the right."""
        self.marks.append(mark)
        self.width = max(self.width, self._reach(mark) + PAD)

    def _reach(self, mark: Mark) -> float:
        """Return where a mark ends on the right."""
        if isinstance(mark, Box):
            return mark.x + mark.width
        if isinstance(mark, Columns):
            return mark.x + mark.width * columns_of(mark.text)
        if isinstance(mark, Stroke):
            return max(x for x, _ in mark.points)
        share = {"start": 1.0, "middle": 0.5, "end": 0.0}[mark.anchor]
        return mark.x + self.measure(mark.text, mark.size) * share / (sqrt(2) if mark.slanted else 1)

    def line(self, text: str, size: float, ink: str = INK) -> None:
        """Add a line of text below what is there."""
        if text:
            self.put(Words(PAD, self.height + size / 2, text, size, ink))
            self.height += size + PAD / 2


class Picture(ABC):
    """A picture, for PNG and SVG."""

    title: str
    """Its heading, one line."""

    @abstractmethod
    def lay_out(self, sheet: Sheet) -> None:
        """Put its marks below what is on a sheet."""

    @abstractmethod
    def describe(self) -> str:
        """Describe it for those who do not see it."""


class Grid(Protocol):
    """Numbers from 0 to 1 with names, for a map of colours; ``Alignment`` is one."""

    @property
    def source(self) -> tuple[str, ...]:
        """The names of S columns."""

    @property
    def target(self) -> tuple[str, ...]:
        """The names of T rows."""

    @property
    def weights(self) -> NDArray[Any]:
        """The numbers (T,S)."""

    def best(self, row: int) -> int:
        """Return the column of the largest number of a row."""


def colour(weight: float) -> str:
    """Return the colour of a weight, ``#rrggbb``: the higher, the darker."""
    return "#" + "".join(f"{part:02x}" for part in blend(GRADIENT, weight))


def blend(gradient: Sequence[tuple[int, int, int]], weight: float) -> list[int]:
    """Return red, green and blue at a weight, from 0 to 1, of a gradient between colours."""
    place = min(max(weight, 0.0), 1.0) * (len(gradient) - 1)
    low = min(int(place), len(gradient) - 2)
    pairs = zip(gradient[low], gradient[low + 1], strict=True)
    return [round(a + (b - a) * (place - low)) for a, b in pairs]


def two_sided(value: float) -> str:
    """Return the colour of a number from -1 to 1, ``#rrggbb``: orange, white, blue."""
    return "#" + "".join(f"{part:02x}" for part in blend(TWO_SIDED, (value + 1) / 2))


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


def bounded(text: str) -> str:
    """Return a text that is quoted in a line, with marks around it where it runs from right to left.

    Without them, what follows would be drawn before it: figures and brackets have no direction of their own.
    """
    return f"\u200f{text}\u200f\u200e" if any(bidirectional(char) in ("R", "AL") for char in text) else text


def legend(labels: Iterable[str]) -> list[str]:
    """Explain each of the signs that occur in some labels."""
    used = set("".join(labels))
    return [f"{sign} {meaning}" for sign, meaning in MEANINGS.items() if sign in used]


def legend_of(alignments: Iterable[Grid]) -> list[str]:
    """Explain the signs in the labels of alignments."""
    return legend(label(text) for one in alignments for text in (*one.source, *one.target))


def one_line(text: str) -> str:
    """Return a text on one line without the characters that a terminal or XML cannot hold."""
    return printable(text).translate({0xFFFE: "�", 0xFFFF: "�"}).replace("\n", " ")
