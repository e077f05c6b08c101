"""Pictures of alignments in files; what a file's name ends in chooses how it is drawn."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.alignment import Alignment

Draw: TypeAlias = "Callable[[Sequence[Alignment], str], str | bytes]"


def save(alignments: "Sequence[Alignment]", path: Path, title: str) -> None:
    """Draw alignments into one file, below one another, which takes ``path``'s place once it is complete.

    Raises:
        UsageError: if the name ends in none of .png, .svg and .html, or the picture would be too large.
        RnngenError: if a PNG cannot be drawn: no Pillow, or no font for some character.
        OSError: if the file cannot be written.
    """
    from rnngen.store.checkpoint import atomic

    drawn = chosen(path)(alignments, title)
    with atomic(path) as file:
        file.write(drawn.encode() if isinstance(drawn, str) else drawn)


def chosen(path: Path) -> Draw:
    """What will draw a file; ask before long work, so that a wrong name is told at once.

    Raises:
        UsageError: if the name ends in none of .png, .svg and .html, or is a folder's.
        RnngenError: if Pillow is missing for a PNG.
    """
    from rnngen.plots import html, png, svg

    if path.is_dir():
        raise UsageError(f"{path} is a folder; give the name of a file")
    match path.suffix.lower():
        case ".png":
            png.check()
            return png.draw
        case ".svg":
            return svg.draw
        case ".html" | ".htm":
            return html.draw
    raise UsageError(f"{path}: a picture is drawn as .png, .svg or .html; give a name that ends in one")
