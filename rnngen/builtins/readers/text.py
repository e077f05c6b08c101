"""Plain text, in any encoding."""

from collections.abc import Iterator
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
