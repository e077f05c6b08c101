"""A picture as PNG, through Pillow, which the extra ``plot`` brings."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from itertools import groupby, islice
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rnngen.errors import RnngenError, UsageError
from rnngen.plots.sheet import PAPER, Box, Columns, Mark, Picture, Sheet, Stroke, Words
from rnngen.printable import columns_of

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

SCALE = 2
"""Pixels of the picture for one of the sheet, for high-resolution screens."""
MOST = 100_000_000
"""The largest number of pixels; few programs open larger pictures."""

OPTIMIZED = 8_000_000
"""The number of pixels from which on a file is not made as small as it could be, which takes long…"""
FAST = 3
"""…but at this level of compression: twice as fast as the default, and a tenth larger."""


def check() -> None:
    """Raise ``RnngenError`` if Pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise RnngenError(
            "a PNG is drawn with Pillow, which is not installed; pip install 'rnngen[plot]', "
            "or write a .svg or a .html"
        ) from None


def draw(picture: Picture) -> bytes:
    """Draw a picture; errors as in ``rnngen.plots.save``."""
    check()
    from PIL import Image

    fonts = Fonts()
    sheet = Sheet(lambda text, size: fonts.measure(text, SCALE * size) / SCALE)
    picture.lay_out(sheet)
    width, height = round(SCALE * sheet.width), round(SCALE * sheet.height)
    if width * height > MOST:
        raise UsageError(
            f"a PNG of {width}×{height} pixels is more than programs open; "
            "write a .html or a .svg, or draw less of it"
        )
    image = Image.new("RGB", (width, height), PAPER)
    for mark in sheet.marks:
        _draw(image, mark, fonts)
    file = BytesIO()
    if width * height < OPTIMIZED:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "PNG", compress_level=FAST)
    return file.getvalue()


def _draw(image: "Image", mark: Mark, fonts: "Fonts") -> None:
    from PIL import ImageDraw

    match mark:
        case Box():
            left, top = round(SCALE * mark.x), round(SCALE * mark.y)
            right, bottom = round(SCALE * (mark.x + mark.width)), round(SCALE * (mark.y + mark.height))
            image.paste(mark.fill, (left, top, right, bottom))
        case Words():
            _write(image, mark, fonts)
        case Columns():
            _set(image, mark, fonts)
        case Stroke():
            points = [(SCALE * x, SCALE * y) for x, y in mark.points]
            width = max(round(SCALE * mark.width), 1)
            ImageDraw.Draw(image).line(points, mark.ink, width, "curve")


def _set(image: "Image", line: Columns, fonts: "Fonts") -> None:
    """Draw characters, each at its place."""
    size = SCALE * line.size
    for x, char in line.places():
        if not char.isspace():
            mask = fonts.glyph(char, size)
            corner = round(SCALE * x - mask.width / 2), round(SCALE * line.y - mask.height / 2)
            image.paste(line.ink, corner, mask)


def _write(image: "Image", words: Words, fonts: "Fonts") -> None:
    mask = _mask(words.text, SCALE * words.size, fonts)
    length, (x, y) = mask.width, (SCALE * words.x, SCALE * words.y)
    if words.slanted:
        from PIL.Image import Resampling

        mask = mask.rotate(45, Resampling.BICUBIC, expand=True)
        middle = x + length / 2 / sqrt(2), y - length / 2 / sqrt(2)
    else:
        middle = x + length * {"start": 0.5, "middle": 0.0, "end": -0.5}[words.anchor], y
    corner = round(middle[0] - mask.width / 2), round(middle[1] - mask.height / 2)
    image.paste(words.ink, corner, mask)


def _mask(text: str, size: float, fonts: "Fonts") -> "Image":
    """Draw a text as opacities, its middle line at half the height."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (max(round(fonts.measure(text, size)), 1), round(2 * size)))
    pen, x = ImageDraw.Draw(mask), 0.0
    for face, part in fonts.runs(text):
        font = face.at(size)
        pen.text((x, 1.35 * size), part, fill=255, font=font, anchor="ls")
        x += font.getlength(part)
    return mask


# ── Fonts of this machine, as many as it takes to draw every character ─────────────────────────────────

Place: TypeAlias = tuple[str, int]
"""A font's file, and the index of a font in it."""

TRIED = 300
"""Fonts that are opened at most: the machine of a designer has thousands."""
FOLDERS = {
    "darwin": ("~/Library/Fonts", "/Library/Fonts", "/System/Library/Fonts"),
    "win32": ("C:/Windows/Fonts", "~/AppData/Local/Microsoft/Windows/Fonts"),
}.get(sys.platform, ("~/.local/share/fonts", "~/.fonts", "/usr/local/share/fonts", "/usr/share/fonts"))
LATIN = "notosans-regular dejavusans. segoeui. arial. helvetica."
WIDE = "notosanscjk-regular notosanssc pingfang hiragino msyh. simhei wqy droidsansfallback malgun"
LIKED = f"{LATIN} {WIDE}".split()
"""Parts of the names of plain fonts, the best first, for machines without fontconfig."""
UNWANTED = ["bold", "italic", "oblique", "mono", "light", "black", "thin", "condensed", "serif"]

STAND_INS = {"∎": "(end)", "␣": "_", "⏎": "\\n", "␍": "\\r", "⇥": "\\t", "◌": "", "\ufffd": "(?)", "…": "..."}
"""Replacements for signs of the labels that no font has."""


@dataclass
class Face:
    """One font in all its sizes; with an empty path, Pillow's own."""

    path: str
    index: int = 0
    _sizes: "dict[float, FreeTypeFont]" = field(default_factory=dict, compare=False)

    def at(self, size: float) -> "FreeTypeFont":
        """Return the font in a size; raise OSError if it cannot be opened or has no such size."""
        from PIL import ImageFont

        if size not in self._sizes:
            if self.path:
                self._sizes[size] = ImageFont.truetype(self.path, size, index=self.index)
            elif isinstance(font := ImageFont.load_default(size), ImageFont.FreeTypeFont):
                self._sizes[size] = font
            else:
                raise OSError("Pillow was built without FreeType")
        return self._sizes[size]

    def draws(self, char: str) -> bool:
        """Return whether the font has the character, rather than a box or nothing in its place."""
        drawn = self._picture(char)
        return drawn != self._picture("\U0010fffe") and any(drawn[1])

    def _picture(self, char: str) -> tuple[tuple[int, int], bytes]:
        mask = self.at(20).getmask(char)
        return mask.size, bytes(mask)


class Fonts:
    """Fonts that together draw all characters that they are asked for, each with the first that has it."""

    def __init__(self) -> None:
        self._opened: list[Face] = []
        self._faces: dict[str, Face] = {}
        self._signs: dict[int, str] = {}
        self._glyphs: dict[tuple[str, float], Image] = {}

    def runs(self, text: str) -> Iterator[tuple[Face, str]]:
        """Split a text where its face changes; combining characters stay with their letter.

        Raises:
            RnngenError: if no font has a character, and no other sign stands in for it.
        """
        if not all(map(self._is_known, text)):
            self._find(text)
        text = text.translate(self._signs)
        face = next((self._faces[char] for char in text if char in self._faces), Face(""))
        faces = [face := self._faces.get(char, face) for char in text]
        for _, group in groupby(zip(faces, text, strict=True), key=lambda pair: id(pair[0])):
            pairs = list(group)
            yield pairs[0][0], "".join(char for _, char in pairs)

    def _is_known(self, char: str) -> bool:
        return char in self._faces or ord(char) in self._signs or _rides(char)

    def _find(self, text: str) -> None:
        """Find faces for the characters of a text: among those that are open, then among others."""
        wanted = {char for char in (*text, *"".join(STAND_INS.values())) if not self._is_known(char)}
        for face in self._opened:
            self._take(face, wanted)
        for place in islice(_places("".join(sorted(wanted))), TRIED) if wanted else ():
            self._take(Face(*place), wanted)
            if not wanted:
                break
        self._take(Face(""), wanted)
        self._signs |= {ord(sign): STAND_INS[sign] for sign in wanted & STAND_INS.keys()}
        if missing := sorted(wanted - STAND_INS.keys()):
            shown = ", ".join(f"{char} (U+{ord(char):04X})" for char in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            raise RnngenError(
                f"no font on this machine draws {shown}{more}; write a .svg or a .html, "
                "which the reader's own fonts draw, or install a font such as Noto Sans CJK"
            )

    def _take(self, face: Face, wanted: set[str]) -> None:
        """Draw with a face all wanted characters that it has."""
        try:
            drawn = {char for char in wanted if face.draws(char)}
        except OSError:  # not a font, or one of bitmaps in other sizes
            return
        if drawn and face not in self._opened:
            self._opened.append(face)
        self._faces |= dict.fromkeys(drawn, face)
        wanted -= drawn

    def glyph(self, char: str, size: float) -> "Image":
        """Draw a character as opacities, once for all of its places."""
        if (char, size) not in self._glyphs:
            self._glyphs[char, size] = _mask(char, size, self)
        return self._glyphs[char, size]

    def measure(self, text: str, size: float) -> float:
        """Return the width of a text in pixels."""
        return sum(face.at(size).getlength(part) for face, part in self.runs(text))


def _rides(char: str) -> bool:
    """Return whether a character is blank, or is drawn upon its neighbour."""
    return char.isspace() or not columns_of(char)


# ── Where fonts are ────────────────────────────────────────────────────────────────────────────────────


def _places(characters: str) -> Iterator[Place]:
    """Find fonts on this machine, those that may draw most of some characters first."""
    yield from dict.fromkeys([*_asked(characters), *_listed()])


def _asked(characters: str) -> Iterator[Place]:
    """Ask fontconfig, if there is one: fonts for all of the characters, then other plain ones."""
    codes = " ".join(f"{ord(char):x}" for char in characters[:1000])
    pattern = f"sans-serif:regular:charset={codes}"
    command = ["fc-match", "--sort", "--format", "%{file}\t%{index}\n", pattern]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return
    for line in done.stdout.decode(errors="surrogateescape").strip("\n").split("\n"):
        file, _, index = line.rpartition("\t")
        # The upper half of the number is an instance of a variable font.
        yield file, int(index or 0) & 0xFFFF


def _listed() -> Iterator[Place]:
    """List the usual folders, plain fonts first."""
    found = [
        path
        for folder in FOLDERS
        for path in Path(folder).expanduser().rglob("*")
        if path.suffix.lower() in (".ttf", ".ttc", ".otf")
    ]
    for path in sorted(found, key=_preference):
        yield str(path), 0


def _preference(path: Path) -> tuple[bool, int, str]:
    name = path.name.lower()
    rank = next((at for at, part in enumerate(LIKED) if part in name), len(LIKED))
    return any(part in name for part in UNWANTED), rank, name
