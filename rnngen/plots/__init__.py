"""Pictures in files, drawn as PNG, SVG or HTML by the end of the file's name.

::

    Grids · ColouredText · Chart ─▸ lay_out ─▸ Sheet of boxes, words and lines ─▸ SVG, PNG
                                 ─▸ page ───────────────────────────────────────▸ HTML
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.plots.pages import Figure

Draw: TypeAlias = "Callable[[Figure], str | bytes]"


def save(picture: "Figure", path: Path) -> None:
    """Draw a picture into a file, which is replaced at once or not at all.

    Raises:
        UsageError: if the name ends in none of .png, .svg and .html, or the picture would be too large.
        RnngenError: if a PNG cannot be drawn: no Pillow, or no font for some character.
        OSError: if the file cannot be written.
    """
    from rnngen.store.checkpoint import atomic

    drawn = chosen(path)(picture)
    with atomic(path) as file:
        file.write(drawn.encode() if isinstance(drawn, str) else drawn)


def chosen(path: Path) -> Draw:
    """Return the function that draws a file, with errors as in ``save``; call it before long work."""
    from rnngen.plots import png, svg

    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file")
    match path.suffix.lower():
        case ".png":
            png.check()
            return png.draw
        case ".svg":
            return svg.draw
        case ".html" | ".htm":
            return lambda picture: picture.page()
    raise UsageError(f"{path}: a picture is drawn as .png, .svg or .html; give a name that ends in one")
