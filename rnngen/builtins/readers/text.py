"""Plain text, in any encoding."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from rnngen import encodings
from rnngen.builtins.options import TextReaderOptions
from rnngen.contracts import Chunk


def read_text(stream: BinaryIO, name: str, options: TextReaderOptions) -> Iterator[Chunk]:
    """Read one document of plain text.

    Raises:
        EncodingError: at a byte that the encoding does not allow, or where the file is no text.
        UsageError: if there is no such encoding.
    """
    starts_document = True
    for text in encodings.read(stream, name, options.encoding):
        yield Chunk(text, starts_document)
        starts_document = False


def lines(pieces: Iterable[str]) -> Iterator[str]:
    r"""Join pieces and cut them at ``\n``; what follows the last one is a line, too, if only an empty one."""
    held: list[str] = []
    for piece in pieces:
        first, *others = piece.split("\n")
        held.append(first)
        if others:
            yield "".join(held)
            yield from others[:-1]
            held = others[-1:]
    yield "".join(held)
