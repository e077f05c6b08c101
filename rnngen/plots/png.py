"""An alignment as PNG, through Pillow, which the extra ``plot`` brings."""

from collections.abc import Sequence
from io import BytesIO
from math import sqrt
from typing import TYPE_CHECKING

from rnngen.errors import RnngenError, UsageError
from rnngen.plots.sheet import PAPER, Box, Sheet, Words, compose

if TYPE_CHECKING:
    from PIL.Image import Image

    from rnngen.generation.alignment import Alignment
    from rnngen.plots.fonts import Fonts

SCALE = 2
"""Pixels of the picture for one of the sheet, for high-resolution screens."""
MOST = 100_000_000
"""The largest number of pixels; few programs open larger pictures."""


def check() -> None:
    """Raise ``RnngenError`` if Pillow is not installed."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        raise RnngenError(
            "a PNG is drawn with Pillow, which is not installed; pip install 'rnngen[plot]', "
            "or write a .svg or a .html"
        ) from None


def draw(alignments: "Sequence[Alignment]", title: str) -> bytes:
    """Draw alignments below one another.

    Raises:
        RnngenError: if Pillow is missing, or a font for one of the characters.
        UsageError: if the picture would be too large.
    """
    check()
    from PIL import Image

    from rnngen.plots.fonts import Fonts

    # Once to collect the characters, and once more with the fonts that have them.
    plain = compose(alignments, title, lambda text, size: size * len(text))
    fonts = Fonts(char for mark in plain.marks if isinstance(mark, Words) for char in mark.text)
    sheet = compose(alignments, title, lambda text, size: fonts.measure(text, SCALE * size) / SCALE)
    image = Image.new("RGB", _size(sheet), PAPER)
    for mark in sheet.marks:
        if isinstance(mark, Box):
            _fill(image, mark)
        else:
            _write(image, mark, fonts)
    file = BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


def _size(sheet: Sheet) -> tuple[int, int]:
    width, height = round(SCALE * sheet.width), round(SCALE * sheet.height)
    if width * height > MOST:
        raise UsageError(
            f"a PNG of {width}×{height} pixels is more than programs open; "
            "write a .html or a .svg, or draw fewer sentences"
        )
    return width, height


def _fill(image: "Image", box: Box) -> None:
    left, top = round(SCALE * box.x), round(SCALE * box.y)
    right, bottom = round(SCALE * (box.x + box.width)), round(SCALE * (box.y + box.height))
    image.paste(box.fill, (left, top, right, bottom))


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
